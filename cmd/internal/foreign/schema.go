package foreign

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/avro"

	"kairos/processors/definition"
)

// Schema is a writer's Avro schema, and the mapping that is said in it.
type Schema struct {
	avro     *avro.Schema
	mapping  *definition.Mapping
	unmapped error // why there is no mapping
}

// ParseSchema reads a schema. Its mapping is in the properties of its fields:
//
//	"kairos.identity": "email"      an identifier of this namespace
//	"kairos.id": true               the id of the event
//	"kairos.time": true             when it happened
//	"kairos.event": true            the name of the event; of a record: "purchase"
//	"kairos.consent": "ads"         whether the person agrees to this purpose
//	"kairos.attribute": true        about the person; or a name of its own
//	"kairos.property": false        nothing; or a name of its own
//	"kairos.label": ["C2"]          what the field is, for policies
//
// What says nothing is a property. An event is called like its record where
// nothing says how.
func ParseSchema(text string) (*Schema, error) {
	return parseWith(&avro.SchemaCache{}, text)
}

func parseWith(cache *avro.SchemaCache, text string) (*Schema, error) {
	parsed, err := cache.Parse(text, avro.CustomType{LogicalType: "date", AvroType: "int", Decode: func(v any, _ *avro.SchemaNode) (any, error) {
		days, ok := v.(int32)
		if !ok {
			return nil, avro.ErrSkipCustomType
		}
		return Day(time.Unix(int64(days)*86_400, 0).UTC()), nil
	}})
	if err != nil {
		return nil, fmt.Errorf("is no Avro schema: %w", err)
	}
	s := &Schema{avro: parsed}
	s.mapping, s.unmapped = mappingOf(parsed)
	return s, nil
}

// Avro is the schema itself.
func (s *Schema) Avro() *avro.Schema { return s.avro }

// Mapping is what the schema's properties say.
func (s *Schema) Mapping() (*definition.Mapping, error) { return s.mapping, s.unmapped }

// Fingerprint is the CRC-64-AVRO as single-object framing has it.
func (s *Schema) Fingerprint() [8]byte {
	fp := [8]byte(s.avro.Fingerprint(avro.NewRabin()))
	slices.Reverse(fp[:])
	return fp
}

// As is s for reading what w wrote, as Avro resolves schemas, but for one thing: a
// union of w that s has as one of its types is refused at once, rather than record
// by record (the library has it so). Let s have the union too. The mapping is that
// of s.
func (s *Schema) As(w *Schema) (*Schema, error) {
	resolved, err := avro.Resolve(w.avro, s.avro)
	if err != nil {
		return nil, fmt.Errorf("the writer's schema does not resolve to the topic's: %w", err)
	}
	return &Schema{resolved, s.mapping, s.unmapped}, nil
}

// Decode reads a record, which must be all of payload. An error holds none of
// its values.
func (s *Schema) Decode(payload []byte) (Row, error) {
	var v any
	rest, err := s.avro.Decode(payload, &v)
	if err != nil {
		return nil, errors.New("the bytes are no record of the schema" + where(err))
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%d bytes follow the record: it was written with another schema", len(rest))
	}
	row, ok := v.(Row)
	if !ok {
		return nil, errors.New("the schema is not one of a record, so its values have no names")
	}
	return row, nil
}

// where is the field of a decoding error, without its value.
func where(err error) string {
	var short *avro.ShortBufferError
	var semantic *avro.SemanticError
	switch {
	case errors.As(err, &short):
		return ": they end too early"
	case errors.As(err, &semantic) && semantic.Field != "":
		return ", from field " + semantic.Field + " on"
	}
	return ""
}

// mappingOf reads the properties of a schema.
func mappingOf(s *avro.Schema) (*definition.Mapping, error) {
	root := s.Root()
	m := &definition.Mapping{Event: root.Name, Rest: true, Labels: map[string][]string{}, Source: "avro"}
	m.Time.Zone, m.Time.Unit = time.UTC, time.Millisecond
	if root.Type != "record" && root.Type != "error" {
		return nil, errors.New("the schema is not one of a record")
	}
	if name, ok := root.Props["kairos.event"].(string); ok {
		m.Event = name
	}
	if source, ok := root.Props["kairos.source"].(string); ok {
		m.Source = source
	}
	m.Removes = root.Props["kairos.nulls"] == "remove"
	a := annotated{mapping: m, records: map[string][]avro.SchemaField{}}
	a.record(root, "", nil, 0)
	if len(m.Identifiers) == 0 {
		a.problems = append(a.problems, errors.New(`no field says who it is about: give one the property "kairos.identity", such as "email", or the topic a mapping definition`))
	}
	return m, errors.Join(a.problems...)
}

type annotated struct {
	mapping  *definition.Mapping
	records  map[string][]avro.SchemaField // by full name: a second use is a reference
	problems []error
}

func (a *annotated) record(node *avro.SchemaNode, prefix string, labels []string, depth int) {
	fields := node.Fields
	name := node.Name
	if node.Namespace != "" {
		name = node.Namespace + "." + name
	}
	if node.Type == "record" || node.Type == "error" {
		a.records[name] = fields
	} else {
		fields = a.records[node.Type]
	}
	if depth > deepest {
		return
	}
	for i := range fields {
		a.field(&fields[i], prefix, labels, depth)
	}
}

// field reads the properties of one field: its own, or those of its type.
func (a *annotated) field(f *avro.SchemaField, prefix string, labels []string, depth int) {
	m, path := a.mapping, prefix+f.Name
	said := func(name string) any {
		if v := f.Props[name]; v != nil {
			return v
		}
		return f.Type.Props[name]
	}
	labels = append(slices.Clone(labels), texts(said("kairos.label"))...)
	carried := path
	named := func(v any) string {
		if name, ok := v.(string); ok {
			return name
		}
		return path
	}
	at := func(name string) definition.MappedField { return definition.MappedField{Name: name, Field: path} }
	identity, consent, attribute, property := said("kairos.identity"), said("kairos.consent"), said("kairos.attribute"), said("kairos.property")
	switch {
	case identity != nil:
		namespace, _ := identity.(string)
		if namespace == "" {
			a.problems = append(a.problems, fmt.Errorf("field %s: kairos.identity is the name of a namespace, such as email", path))
		}
		carried = namespace
		m.Identifiers = append(m.Identifiers, at(carried))
	case said("kairos.id") == true:
		m.ID = path
	case said("kairos.time") == true:
		m.Time.Field = path
	case said("kairos.event") == true:
		m.Event, m.EventField = "", path
	case consent != nil:
		carried = definition.ConsentPrefix + named(consent)
		m.Consent = append(m.Consent, at(named(consent)))
	case attribute != nil && attribute != false:
		carried = named(attribute)
		m.Attributes = append(m.Attributes, at(carried))
	case property == false:
		m.Ignore = append(m.Ignore, path)
	case property != nil && property != true:
		carried = named(property)
		m.Properties = append(m.Properties, at(carried))
	default:
		if inner := a.recordsIn(&f.Type); len(inner) > 0 {
			for _, node := range inner {
				a.record(node, path+".", labels, depth+1)
			}
			return
		}
		labels = append(labels, a.within(&f.Type, path, depth)...)
		if len(labels) > 0 { // under one name, whatever is in it
			m.Properties = append(m.Properties, at(path))
		}
	}
	if len(labels) > 0 {
		slices.Sort(labels)
		m.Labels[carried] = slices.Compact(append(m.Labels[carried], labels...))
	}
}

// within reads the records of a list or map, which is one property: whom they
// name is named by the event, and what is labelled in them labels all.
func (a *annotated) within(node *avro.SchemaNode, path string, depth int) (labels []string) {
	switch {
	case node.Type == "union":
		for i := range node.Branches {
			labels = append(labels, a.within(&node.Branches[i], path, depth)...)
		}
		return labels
	case node.Items == nil:
		return nil
	}
	inner := annotated{mapping: &definition.Mapping{Labels: map[string][]string{}}, records: a.records}
	for _, record := range a.recordsIn(node.Items) {
		inner.record(record, path+".", nil, depth+1)
	}
	a.mapping.Identifiers = append(a.mapping.Identifiers, inner.mapping.Identifiers...)
	a.problems = append(a.problems, inner.problems...)
	for _, of := range inner.mapping.Labels {
		labels = append(labels, of...)
	}
	return labels
}

// recordsIn are the records that a field may hold.
func (a *annotated) recordsIn(node *avro.SchemaNode) []*avro.SchemaNode {
	switch node.Type {
	case "record", "error":
		return []*avro.SchemaNode{node}
	case "union":
		var all []*avro.SchemaNode
		for i := range node.Branches {
			all = append(all, a.recordsIn(&node.Branches[i])...)
		}
		return all
	}
	if _, known := a.records[node.Type]; known {
		return []*avro.SchemaNode{node}
	}
	return nil
}

// texts are the texts of a property: one, or a list.
func texts(v any) []string {
	var all []string
	switch v := v.(type) {
	case string:
		all = append(all, v)
	case []any:
		for _, item := range v {
			if text, ok := item.(string); ok {
				all = append(all, text)
			}
		}
	}
	return all
}

// Undeclared refuses a mapping that a schema says if it has labels which no
// published mapping has: policies would not know what its fields are.
func Undeclared(m *definition.Mapping, plan *definition.Plan) error {
	for _, name := range slices.Sorted(maps.Keys(m.Labels)) {
		for _, label := range m.Labels[name] {
			if !slices.ContainsFunc(plan.Mappings, func(p definition.Mapping) bool { return slices.Contains(p.Labels[name], label) }) {
				return fmt.Errorf("field %s has label %s in the schema, and no published mapping says so: `kairos mapping SCHEMA.avsc` writes one; apply it, then send again", name, label)
			}
		}
	}
	return nil
}
