package goka

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"kairos/schemas"
)

// term is at least count events of a name, perhaps with a property, within a
// window.
type term struct {
	property, value string
	window          time.Duration
	count           int
	audiences       []int // that ask it
}

func (t *term) matches(e *schemas.Event) bool {
	return t.property == "" || e.Properties.Get(t.property) == schemas.TextOf(t.value)
}

// audience is true while all of some terms hold and none of others does.
type audience struct {
	name      string
	all, none []int
}

// rules are the audiences, as the measurement writes them.
type rules struct {
	terms     []term
	audiences []audience
	byEvent   map[string][]int // terms
}

func readRules(file string) (*rules, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := &rules{byEvent: map[string][]int{}}
	for line := range strings.Lines(string(text)) {
		words := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if words[0] == "term" {
			err = r.term(words[1:])
		} else {
			err = r.audience(words[1:])
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", file, line, err)
		}
	}
	return r, nil
}

func (r *rules) term(words []string) error {
	if len(words) != 5 {
		return fmt.Errorf("%d fields, want 5", len(words))
	}
	window, err := strconv.ParseInt(words[3], 10, 64)
	if err != nil {
		return err
	}
	count, err := strconv.Atoi(words[4])
	if err != nil {
		return err
	}
	r.byEvent[words[0]] = append(r.byEvent[words[0]], len(r.terms))
	r.terms = append(r.terms, term{property: words[1], value: words[2], window: time.Duration(window) * time.Millisecond, count: count})
	return nil
}

func (r *rules) audience(words []string) (err error) {
	if len(words) != 3 {
		return fmt.Errorf("%d fields, want 3", len(words))
	}
	a := audience{name: words[0]}
	if a.all, err = r.numbers(words[1]); err != nil {
		return err
	}
	if a.none, err = r.numbers(words[2]); err != nil {
		return err
	}
	for _, t := range slices.Concat(a.all, a.none) {
		r.terms[t].audiences = append(r.terms[t].audiences, len(r.audiences))
	}
	r.audiences = append(r.audiences, a)
	return nil
}

func (r *rules) numbers(list string) ([]int, error) {
	var numbers []int
	for word := range strings.FieldsFuncSeq(list, func(c rune) bool { return c == ',' }) {
		n, err := strconv.Atoi(word)
		if err != nil || n < 0 || n >= len(r.terms) {
			return nil, fmt.Errorf("%q is no term", word)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}
