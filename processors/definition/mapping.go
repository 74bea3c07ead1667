package definition

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"kairos/processors/expression"
)

// Mapping says what the fields of a foreign record, or of a file's row, mean.
// A field is named by its path: names parted by dots.
type Mapping struct {
	Name        string
	Description string
	Version     int64
	Event       string // the name of every event
	EventField  string // where the name is, if Event is empty
	ID          string // field; empty: the place where the record stands is its id
	Source      string
	Time        TimeField
	Identifiers []MappedField // name: namespace
	Properties  []MappedField
	Rest        bool // every field that nothing names is a property too
	Attributes  []MappedField
	Consent     []MappedField              // name: purpose
	Ignore      []string                   // fields that are nothing
	Removes     bool                       // a null takes an attribute away; false: it says nothing
	Types       map[string]expression.Type // of properties and attributes that are written as texts, by name
	Labels      map[string][]string        // sorted labels, by the property, attribute or namespace that carries them
}

// MappedField is what is taken from where.
type MappedField struct {
	Name  string
	Field string
}

// TimeField is where the time of an event is, and how it is written where the
// field's type does not say it.
type TimeField struct {
	Field  string         // empty: when the record was accepted
	Layout string         // of texts, as Go's time package has it; empty: ISO 8601
	Zone   *time.Location // of texts without one; never nil
	Unit   time.Duration  // of numbers
}

// mappings reads the mappings.
func (c *compilation) mappings() {
	for _, d := range c.of("mapping") {
		c.plan.Mappings = append(c.plan.Mappings, d.mapped())
	}
}

func (d *document) mapped() Mapping {
	f := d.fields
	m := Mapping{Name: d.name, Version: d.version, Labels: d.fieldLabels(&f)}
	m.Description = d.describe(&f).description
	m.Event, m.EventField = d.eventName(&f)
	m.ID, m.Source = f.text("id"), cmp.Or(f.text("source"), d.name)
	m.Time = d.timeField(&f)
	m.Identifiers = f.mappedFields("identifiers")
	if len(m.Identifiers) == 0 {
		d.refuse(f.node, "the mapping says of nobody who it is", "add identifiers, such as `identifiers: {email: contact.email}`")
	}
	m.Rest = f.boolean("rest", f.get("properties") == nil)
	m.Properties, m.Attributes, m.Consent = f.mappedFields("properties"), f.mappedFields("attributes"), f.mappedFields("consent")
	m.Ignore = values(f.texts("ignore"))
	if types, there := f.pairs("types"); there {
		m.Types = types.types()
	}
	nulls := []string{"ignore", "remove"}
	if node := f.scalar("nulls"); node != nil {
		if !contains(nulls, node.Value) {
			d.refuse(node, fmt.Sprintf("unknown word %q for nulls", node.Value), suggest(node.Value, nulls))
		}
		m.Removes = node.Value == "remove"
	}
	f.done("a mapping")
	d.refuseLabels(&m)
	return m
}

// fieldLabels reads labels before anything else does: of other definitions they
// are names with values.
func (d *document) fieldLabels(f *fields) map[string][]string {
	labels, there := f.pairs("labels")
	if !there {
		return nil
	}
	of := map[string][]string{}
	for _, key := range labels.order {
		list := values(labels.texts(key.Value))
		slices.Sort(list)
		of[key.Value] = list
	}
	f.nodes = maps.Clone(f.nodes)
	delete(f.nodes, "labels")
	return of
}

// refuseLabels refuses labels of what no event carries: a label that is
// misspelt would protect nothing.
func (d *document) refuseLabels(m *Mapping) {
	if m.Rest {
		return
	}
	var carried []string
	for _, list := range [][]MappedField{m.Identifiers, m.Properties, m.Attributes} {
		for _, f := range list {
			carried = append(carried, f.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.Labels)) {
		if !contains(carried, name) {
			d.refuse(d.fields.nodes["labels"], fmt.Sprintf("labels name %q, which no event carries", name), suggest(name, carried))
		}
	}
}

// eventName reads `event: purchase`, or `event: {field: type}`.
func (d *document) eventName(f *fields) (name, field string) {
	node := f.get("event")
	switch {
	case node == nil:
		d.refuse(f.node, `field "event" is missing`, "add a line such as `event: purchase`, or `event: {field: type}` for a field that holds the name")
	case node.Kind == yaml.MappingNode:
		inner := d.mapping(node)
		if at := inner.required("field", "type"); at != nil {
			field = at.Value
		}
		inner.done("event")
	case node.Kind != yaml.ScalarNode || !goodName.MatchString(node.Value):
		d.refuse(node, "this is not the name of an event", "write `event: purchase`, or `event: {field: type}`")
	default:
		name = node.Value
	}
	return name, field
}

var timeUnits = map[string]time.Duration{"s": time.Second, "ms": time.Millisecond, "us": time.Microsecond, "ns": time.Nanosecond}

// timeField reads `time: created_at`, or its long form.
func (d *document) timeField(f *fields) TimeField {
	t := TimeField{Zone: time.UTC, Unit: time.Millisecond}
	node := f.get("time")
	switch {
	case node == nil:
		return t
	case node.Kind == yaml.ScalarNode:
		t.Field = node.Value
		return t
	}
	inner := d.mapping(node)
	if at := inner.required("field", "created_at"); at != nil {
		t.Field = at.Value
	}
	if at := inner.scalar("format"); at != nil {
		t.Layout = layout(at.Value)
		if unknown := unknownLetters.FindString(at.Value); unknown != "" || t.Layout == at.Value {
			d.refuse(at, fmt.Sprintf("%q is not a format of times", at.Value), "write it with YYYY, MM, DD, HH, mm, ss, SSS and Z, such as `DD.MM.YYYY HH:mm`")
		}
	}
	if at := inner.scalar("zone"); at != nil {
		zone, err := expression.Zone(at.Value)
		if err != nil {
			d.refuse(at, err.Error(), "use a name such as Europe/Paris")
		} else {
			t.Zone = zone
		}
	}
	if at := inner.scalar("unit"); at != nil {
		known := slices.Sorted(maps.Keys(timeUnits))
		if unit, ok := timeUnits[at.Value]; ok {
			t.Unit = unit
		} else {
			d.refuse(at, fmt.Sprintf("unknown unit %q", at.Value), suggest(at.Value, known))
		}
	}
	inner.done("time")
	return t
}

// unknownLetters finds a letter that no part of a format has. A T between date
// and time is one of the format's own.
var unknownLetters = regexp.MustCompile(`[A-CE-GI-LN-RU-Xa-ln-rt-z]`)

func layout(format string) string {
	return strings.NewReplacer("YYYY", "2006", "MM", "01", "DD", "02", "HH", "15", "mm", "04", "ss", "05", "SSS", "000", "Z", "Z07:00").Replace(format)
}

// mappedFields reads a list of fields that keep their names, or a mapping from
// names to fields; several fields may give one name. Sorted by name.
func (f *fields) mappedFields(name string) []MappedField {
	node := f.get(name)
	if node == nil {
		return nil
	}
	var all []MappedField
	if node.Kind == yaml.SequenceNode {
		for _, field := range f.texts(name) {
			all = append(all, MappedField{field.Value, field.Value})
		}
	} else {
		inner := f.document.mapping(node)
		for _, key := range inner.order {
			if child := inner.get(key.Value); child != nil && child.Kind == yaml.SequenceNode {
				for _, field := range inner.texts(key.Value) {
					all = append(all, MappedField{key.Value, field.Value})
				}
			} else if at := inner.required(key.Value, "a.field"); at != nil {
				all = append(all, MappedField{key.Value, at.Value})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b MappedField) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Mapping finds a mapping; nil if there is none of this name.
func (p *Plan) Mapping(name string) *Mapping {
	for i := range p.Mappings {
		if p.Mappings[i].Name == name {
			return &p.Mappings[i]
		}
	}
	return nil
}
