package schemas

import (
	"cmp"
	"slices"
	"strconv"
)

// Kind says which field of a Value counts.
type Kind uint8

// The kinds of a Value. Their numbers are on the wire: append only.
const (
	Null Kind = iota
	Boolean
	Number
	Text
)

// Value is one property of an event, one attribute of a profile, or one
// feature: nothing, a boolean, a number or a text. A flat record rather than
// an Avro union, so that it is comparable with == and decodes without
// allocating anything but the text.
type Value struct {
	Kind   Kind    `avro:"kind"`
	Number float64 `avro:"number"` // a Boolean is 0 or 1
	Text   string  `avro:"text"`
}

// BooleanOf, NumberOf and TextOf make values.
func BooleanOf(b bool) Value {
	if b {
		return Value{Kind: Boolean, Number: 1}
	}
	return Value{Kind: Boolean}
}

// NumberOf makes a number.
func NumberOf(f float64) Value { return Value{Kind: Number, Number: f} }

// TextOf makes a text.
func TextOf(s string) Value { return Value{Kind: Text, Text: s} }

// True reports whether v is the boolean true.
func (v Value) True() bool { return v.Kind == Boolean && v.Number != 0 }

// String shows v as a person would write it.
func (v Value) String() string {
	switch v.Kind {
	case Boolean:
		return strconv.FormatBool(v.Number != 0)
	case Number:
		return strconv.FormatFloat(v.Number, 'f', -1, 64)
	case Text:
		return v.Text
	default:
		return "null"
	}
}

// Compare orders values: by kind, then by content.
func (v Value) Compare(w Value) int {
	return cmp.Or(cmp.Compare(v.Kind, w.Kind), cmp.Compare(v.Number, w.Number), cmp.Compare(v.Text, w.Text))
}

// Property is a named value. Lists of properties are sorted by name and hold
// each name once: an Avro map would be encoded in Go's random map order, and
// the same input must give the same bytes.
type Property struct {
	Name  string `avro:"name"`
	Value Value  `avro:"value"`
}

// Properties is a list of properties, sorted by name.
type Properties []Property

// Get returns the value called name, Null if there is none.
func (p Properties) Get(name string) Value {
	if i, ok := p.find(name); ok {
		return p[i].Value
	}
	return Value{}
}

// Has reports whether p says anything of name, Null included.
func (p Properties) Has(name string) bool {
	_, ok := p.find(name)
	return ok
}

// Set returns p with name set to v, keeping the order. It may change p.
func (p Properties) Set(name string, v Value) Properties {
	i, ok := p.find(name)
	if ok {
		p[i].Value = v
		return p
	}
	return slices.Insert(p, i, Property{name, v})
}

// Learn is Set for what is told about p: Null removes the name. It reports
// whether that was news, and may change p.
func (p Properties) Learn(q Property) (Properties, bool) {
	switch i, ok := p.find(q.Name); {
	case ok && q.Value.Kind == Null:
		return slices.Delete(p, i, i+1), true
	case ok && p[i].Value != q.Value, !ok && q.Value.Kind != Null:
		return p.Set(q.Name, q.Value), true
	default:
		return p, false
	}
}

func (p Properties) find(name string) (int, bool) {
	return slices.BinarySearchFunc(p, name, func(q Property, n string) int { return cmp.Compare(q.Name, n) })
}
