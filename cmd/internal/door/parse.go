package door

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"kairos/schemas"
)

// MaxEvents is how many events one request may hold.
const MaxEvents = 1000

// Parse reads one event, or a list of events, from JSON:
//
//	{"name": "purchase", "identifiers": {"email": "sarah@example.org"},
//	 "id": "o-1", "time": "2026-03-01T09:00:00Z", "source": "web",
//	 "properties": {"amount": 12.5}, "attributes": {"country": "FR"}}
//
// Only name and identifiers are needed. Errors are [Problems].
func Parse(body []byte) ([]schemas.Event, error) {
	body = bytes.TrimSpace(body)
	list := []json.RawMessage{body}
	if len(body) > 0 && body[0] == '[' {
		if err := json.Unmarshal(body, &list); err != nil {
			return nil, Problems{{Path: "/", What: syntax(err)}}
		}
	}
	if len(list) == 0 || len(list) > MaxEvents {
		return nil, Problems{{Path: "/", What: fmt.Sprintf("%d events: send 1 to %d at a time", len(list), MaxEvents)}}
	}
	events := make([]schemas.Event, len(list))
	var problems Problems
	for i, raw := range list {
		p := parser{path: fmt.Sprintf("/%d", i)}
		p.event(raw, &events[i])
		problems = append(problems, p.problems...)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return events, nil
}

type parser struct {
	path     string
	problems Problems
}

func (p *parser) wrong(path, format string, args ...any) {
	p.problems = append(p.problems, Problem{Path: p.path + path, What: fmt.Sprintf(format, args...)})
}

func (p *parser) event(raw json.RawMessage, e *schemas.Event) {
	fields, ok := p.object("", raw)
	if !ok {
		return
	}
	for _, name := range sortedNames(fields) {
		value := fields[name]
		switch name {
		case "name":
			e.Name = p.text("/name", value)
			if strings.HasPrefix(e.Name, "$") {
				p.wrong("/name", "begins with $, as the commands of operators do: use another name, or `kairos identity`")
			}
		case "id":
			e.ID = p.text("/id", value)
		case "source":
			e.Source = p.text("/source", value)
		case "time":
			e.Time = p.time("/time", value)
		case "identifiers":
			e.Identifiers = p.identifiers(value)
		case "properties":
			e.Properties = p.properties("/properties", "", value)
		case "attributes":
			e.Attributes = p.properties("/attributes", "", value)
		default:
			p.wrong("/"+name, "is not a field of an event: name, identifiers, id, time, source, properties and attributes are")
		}
	}
	for _, needed := range []string{"name", "identifiers"} {
		if fields[needed] == nil {
			p.wrong("/"+needed, "is missing")
		}
	}
}

func (p *parser) object(path string, raw json.RawMessage) (map[string]json.RawMessage, bool) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil || fields == nil {
		if err == nil || kindOf(raw) != "an object" {
			p.wrong(path, "must be an object, not %s", kindOf(raw))
		} else {
			p.wrong(path, "%s", syntax(err))
		}
		return nil, false
	}
	return fields, true
}

func (p *parser) text(path string, raw json.RawMessage) string {
	var s string
	if kindOf(raw) != "a text" || json.Unmarshal(raw, &s) != nil {
		p.wrong(path, "must be a text, not %s", kindOf(raw))
	}
	return s
}

func (p *parser) time(path string, raw json.RawMessage) schemas.Instant {
	switch kindOf(raw) {
	case "a text":
		var t time.Time
		if err := json.Unmarshal(raw, &t); err == nil {
			return schemas.InstantOf(t)
		}
	case "a number":
		var ms int64
		if err := json.Unmarshal(raw, &ms); err == nil && ms > 0 {
			return schemas.Instant(ms)
		}
	}
	p.wrong(path, `must be a time such as "2026-03-01T09:00:00Z", or whole milliseconds since 1970`)
	return 0
}

func (p *parser) identifiers(raw json.RawMessage) []schemas.Identifier {
	fields, _ := p.object("/identifiers", raw)
	var all []schemas.Identifier
	for _, namespace := range sortedNames(fields) {
		path := "/identifiers/" + namespace
		switch kindOf(fields[namespace]) {
		case "a text":
			all = append(all, schemas.Identifier{Namespace: namespace, Value: p.text(path, fields[namespace])})
		case "a list":
			var values []json.RawMessage
			if err := json.Unmarshal(fields[namespace], &values); err != nil {
				p.wrong(path, "%s", syntax(err))
			}
			for i, v := range values {
				all = append(all, schemas.Identifier{Namespace: namespace, Value: p.text(fmt.Sprintf("%s/%d", path, i), v)})
			}
		case "null":
		default:
			p.wrong(path, "must be a text or a list of texts, not %s", kindOf(fields[namespace]))
		}
	}
	return all
}

// properties reads an object; objects within it become names with dots.
func (p *parser) properties(path, prefix string, raw json.RawMessage) schemas.Properties {
	if kindOf(raw) == "null" && prefix == "" {
		return nil
	}
	fields, _ := p.object(path, raw)
	var all schemas.Properties
	for _, name := range sortedNames(fields) {
		value, at := fields[name], path+"/"+name
		switch kindOf(value) {
		case "an object":
			if strings.Count(prefix, ".") >= 4 {
				p.wrong(at, "objects are nested too deeply: at most 5")
				continue
			}
			all = append(all, p.properties(at, prefix+name+".", value)...)
		case "a list":
			p.wrong(at, "is a list, which has no place in a property: send an event for each item, or join them to a text")
		default:
			all = append(all, schemas.Property{Name: prefix + name, Value: p.scalar(at, value)})
		}
	}
	return all
}

func (p *parser) scalar(path string, raw json.RawMessage) schemas.Value {
	switch kindOf(raw) {
	case "a text":
		return schemas.TextOf(p.text(path, raw))
	case "a boolean":
		return schemas.BooleanOf(raw[0] == 't')
	case "a number":
		var f float64
		if err := json.Unmarshal(raw, &f); err != nil {
			p.wrong(path, "%s is too large a number", raw)
		}
		return schemas.NumberOf(f)
	}
	return schemas.Value{}
}

func kindOf(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a text"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

func syntax(err error) string {
	return fmt.Sprintf("is not JSON: %v", err)
}

func sortedNames(fields map[string]json.RawMessage) []string {
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
