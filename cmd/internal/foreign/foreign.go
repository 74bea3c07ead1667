// Package foreign reads what others write: Avro records under any schema, and
// rows of files, and makes events of them as a mapping says.
//
// In: bytes and the schemas that they were written with, or rows; a mapping, as
// a definition or in the properties of a schema. Out: events, as the door takes
// them, or the place that is wrong. State: schemas that are known, for ever.
// Laws: the same bytes under the same mapping are the same event; no value of a
// record is in an error.
//
// How values become values of events: whole numbers, floats and decimals become
// numbers, whole ones beyond 2^53 texts, for a number would lose digits; dates,
// times and timestamps ISO 8601 texts; enums, uuids and durations texts; bytes
// and fixed base64; fields of records and entries of maps names with dots, down
// to five; lists, and what lies deeper, JSON texts; of a union its branch. What
// is null or not there says nothing, unless the mapping has nulls remove
// attributes.
//
// Not here: where records come from (cmd/internal/ingest, cmd/internal/bulk).
package foreign

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"kairos/cmd/internal/door"
	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/schemas"
)

// Row is a record or a row, by the names of its fields.
type Row = map[string]any

// Event makes an event of a row. place is its id where the mapping names none.
// Errors are [door.Problems].
func Event(m *definition.Mapping, row Row, place string) (*schemas.Event, error) {
	r := reading{mapping: m, row: row, event: &schemas.Event{Name: m.Event, ID: place, Source: m.Source}}
	r.about()
	r.identifiers()
	r.properties()
	r.attributes()
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	return r.event, nil
}

type reading struct {
	mapping  *definition.Mapping
	row      Row
	event    *schemas.Event
	problems door.Problems
}

func (r *reading) wrong(field, what string) {
	r.problems = append(r.problems, door.Problem{Path: "/" + field, What: what})
}

// about reads what the event is, its id and its time.
func (r *reading) about() {
	if field := r.mapping.EventField; field != "" {
		r.event.Name, _ = textOf(r.one(field))
		if r.event.Name == "" {
			r.wrong(field, "does not hold the name of an event")
		}
	}
	if strings.HasPrefix(r.event.Name, "$") {
		r.wrong(r.mapping.EventField, "begins with $, as the commands of operators do")
	}
	if field := r.mapping.ID; field != "" {
		id, _ := textOf(r.one(field))
		if id == "" {
			r.wrong(field, "does not hold an id")
		}
		r.event.ID = id
	}
	if field := r.mapping.Time.Field; field != "" {
		if v := r.one(field); v != nil && v != "" {
			at, ok := instantOf(v, r.mapping.Time)
			if !ok {
				r.wrong(field, "is no time: say with `time: {field: ..., format: ..., unit: ...}` how it is written")
			}
			r.event.Time = at
		}
	}
}

func (r *reading) identifiers() {
	for _, f := range r.mapping.Identifiers {
		for _, v := range r.all(f.Field) {
			if v == nil || v == "" {
				continue
			}
			text, ok := textOf(v)
			if !ok {
				r.wrong(f.Field, "is no identifier: a text or a whole number is")
				continue
			}
			id, err := door.Identifier(f.Name, text)
			if err != nil {
				r.wrong(f.Field, "is no identifier of "+f.Name)
				continue
			}
			r.event.Identifiers = append(r.event.Identifiers, id)
		}
	}
	if len(r.event.Identifiers) == 0 && len(r.problems) == 0 {
		r.wrong("", "names nobody: every field with an identifier is empty")
	}
}

func (r *reading) properties() {
	for _, f := range r.mapping.Properties {
		if v := r.value(f); v.Kind != schemas.Null {
			r.event.Properties = append(r.event.Properties, schemas.Property{Name: f.Name, Value: v})
		}
	}
	if r.mapping.Rest {
		r.rest(named(r.mapping), "", r.row, 0)
	}
}

// named are the fields that a mapping speaks of.
func named(m *definition.Mapping) map[string]bool {
	fields := map[string]bool{m.ID: true, m.EventField: true, m.Time.Field: true}
	for _, list := range [][]definition.MappedField{m.Identifiers, m.Properties, m.Attributes, m.Consent} {
		for _, f := range list {
			fields[f.Field] = true
		}
	}
	for _, field := range m.Ignore {
		fields[field] = true
	}
	return fields
}

// deepest is how far records within records become names with dots.
const deepest = 4

func (r *reading) rest(named map[string]bool, prefix string, row Row, depth int) {
	for _, name := range slices.Sorted(maps.Keys(row)) {
		path := prefix + name
		if named[path] {
			continue
		}
		if inner, ok := row[name].(Row); ok && depth < deepest {
			r.rest(named, path+".", inner, depth+1)
			continue
		}
		if v := r.typed(path, path, row[name]); v.Kind != schemas.Null {
			r.event.Properties = append(r.event.Properties, schemas.Property{Name: path, Value: v})
		}
	}
}

func (r *reading) attributes() {
	for _, f := range r.mapping.Attributes {
		if v := r.value(f); v.Kind != schemas.Null || r.mapping.Removes {
			r.event.Attributes = append(r.event.Attributes, schemas.Property{Name: f.Name, Value: v})
		}
	}
	for _, f := range r.mapping.Consent {
		v := r.one(f.Field)
		if v == nil || v == "" {
			continue
		}
		agrees, ok := booleanOf(v)
		if !ok {
			r.wrong(f.Field, "is neither yes nor no")
			continue
		}
		r.event.Attributes = append(r.event.Attributes, schemas.Property{Name: definition.ConsentPrefix + f.Name, Value: schemas.BooleanOf(agrees)})
	}
}

// value is what a field holds.
func (r *reading) value(f definition.MappedField) schemas.Value {
	found, many := lookup(r.row, f.Field)
	switch {
	case many:
		return r.typed(f.Name, f.Field, found)
	case len(found) == 0:
		return schemas.Value{}
	}
	return r.typed(f.Name, f.Field, found[0])
}

// typed is a value as the mapping's types want it.
func (r *reading) typed(name, field string, v any) schemas.Value {
	want, said := r.mapping.Types[name]
	if !said || v == nil || want == expression.AnyType {
		return valueOf(v)
	}
	if text, ok := v.(string); ok && strings.TrimSpace(text) == "" && want != expression.TextType {
		return schemas.Value{} // nothing is written
	}
	switch want {
	case expression.NumberType:
		text, _ := textOf(v)
		if x, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil {
			return schemas.NumberOf(x)
		}
	case expression.BooleanType:
		if b, ok := booleanOf(v); ok {
			return schemas.BooleanOf(b)
		}
	case expression.TextType:
		if text, ok := textOf(v); ok {
			return schemas.TextOf(text)
		}
		return schemas.TextOf(valueOf(v).String())
	}
	r.wrong(field, "is no "+want.String())
	return schemas.Value{}
}

// one is what a field holds, all its values where it has several.
func (r *reading) one(field string) any {
	found, many := lookup(r.row, field)
	if many || len(found) == 0 {
		return nil
	}
	return found[0]
}

// all is what a field holds, with the items of lists.
func (r *reading) all(field string) []any {
	found, _ := lookup(r.row, field)
	var all []any
	for _, v := range found {
		if list, ok := v.([]any); ok {
			all = append(all, list...)
		} else {
			all = append(all, v)
		}
	}
	return all
}

// lookup follows a path. A name may hold dots itself: the longest that is there
// counts. many says that it leads through a list, and so to any number of values.
func lookup(v any, path string) (found []any, many bool) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			inner, _ := lookup(item, path)
			found = append(found, inner...)
		}
		return found, true
	case Row:
		for end := len(path); end > 0; end = strings.LastIndexByte(path[:end], '.') {
			inner, there := v[path[:end]]
			switch {
			case !there:
			case end == len(path):
				return []any{inner}, false
			default:
				return lookup(inner, path[end+1:])
			}
		}
	}
	return nil, false
}

// Place is the id of an event that has none: where its record stands.
func Place(topic string, partition int32, offset int64) string {
	return fmt.Sprintf("%s/%d/%d", topic, partition, offset)
}

// instantOf reads a time.
func instantOf(v any, how definition.TimeField) (schemas.Instant, bool) {
	switch v := v.(type) {
	case time.Time:
		return positive(schemas.InstantOf(v))
	case Day:
		t := time.Time(v)
		return positive(schemas.InstantOf(time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, how.Zone)))
	case string:
		return parseTime(strings.TrimSpace(v), how)
	}
	if text, ok := textOf(v); ok { // a number
		return countedTime(text, how.Unit)
	}
	return 0, false
}

func positive(t schemas.Instant) (schemas.Instant, bool) { return t, t > 0 }

// parseTime reads a text: as the mapping says, or ISO 8601, or the count that a
// column of a file holds.
func parseTime(text string, how definition.TimeField) (schemas.Instant, bool) {
	layouts := []string{how.Layout}
	if how.Layout == "" {
		layouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly}
	}
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, text, cmp.Or(how.Zone, time.UTC)); err == nil {
			return positive(schemas.InstantOf(t))
		}
	}
	if how.Layout != "" {
		return 0, false
	}
	return countedTime(text, how.Unit)
}

// countedTime reads a number of units since 1970.
func countedTime(text string, unit time.Duration) (schemas.Instant, bool) {
	if unit == 0 {
		unit = time.Millisecond
	}
	const latest = 253_402_300_800_000 // the year 10000
	perMillisecond := float64(unit) / float64(time.Millisecond)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && unit >= time.Millisecond && n < latest {
		return positive(schemas.Instant(n * int64(unit/time.Millisecond)))
	} else if err == nil && unit < time.Millisecond {
		return positive(schemas.Instant(n / int64(time.Millisecond/unit)))
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || x*perMillisecond >= latest || !(x > 0) {
		return 0, false
	}
	return positive(schemas.Instant(x * perMillisecond))
}
