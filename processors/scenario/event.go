package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kairos/schemas"
)

// parseEvent reads what stands behind `at TIME`:
//
//	namespace=value ... NAME key=value ... [set name=value ...] [unset name ...]
//	[happened TIME] [from SOURCE] [as ID]
func parseEvent(text string, received schemas.Instant) (schemas.Event, error) {
	e := schemas.Event{Time: received, Received: received, Source: "story"}
	words := fields(text)
	for len(words) > 0 && strings.Contains(words[0], "=") {
		id, err := parsePair(words[0])
		if err != nil {
			return e, err
		}
		e.Identifiers = append(e.Identifiers, id)
		words = words[1:]
	}
	if len(e.Identifiers) == 0 || len(words) == 0 {
		return e, fmt.Errorf("an event is said as NAMESPACE=VALUE ... EVENTNAME KEY=VALUE ..., such as email=sarah@example.org purchase amount=5")
	}
	e.Name = words[0]
	clause := "with"
	for _, word := range words[1:] {
		if slices.Contains([]string{"set", "unset", "happened", "from", "as"}, word) {
			clause = word
			continue
		}
		if err := addClause(&e, clause, word); err != nil {
			return e, err
		}
	}
	return e, nil
}

func addClause(e *schemas.Event, clause, word string) (err error) {
	name, value, given := strings.Cut(word, "=")
	switch {
	case clause == "happened":
		e.Time, err = parseMoment(word)
	case clause == "from":
		e.Source = word
	case clause == "as":
		e.ID = word
	case clause == "unset":
		e.Attributes = e.Attributes.Set(word, schemas.Value{})
	case !given:
		err = fmt.Errorf("%q: write KEY=VALUE", word)
	case clause == "set":
		e.Attributes = e.Attributes.Set(name, parseValue(value))
	default:
		e.Properties = e.Properties.Set(name, parseValue(value))
	}
	return err
}

// parsePair reads namespace=value.
func parsePair(word string) (schemas.Identifier, error) {
	namespace, value, ok := strings.Cut(word, "=")
	if !ok {
		return schemas.Identifier{}, fmt.Errorf("%q is no identifier: write NAMESPACE=VALUE, such as email=sarah@example.org", word)
	}
	if unquoted, err := strconv.Unquote(value); err == nil {
		value = unquoted
	}
	return schemas.Identifier{Namespace: namespace, Value: value}, nil
}
