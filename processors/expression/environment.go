package expression

import (
	"maps"
	"slices"
	"time"
)

// Type is what is known of a value before it is there.
type Type uint8

// The types.
const (
	AnyType Type = iota // not known: checked when it is evaluated
	BooleanType
	NumberType
	TextType
	ListType // of a term only: values that are asked for with `in` and size
)

// String is the word for t in definitions.
func (t Type) String() string {
	return [...]string{"any", "boolean", "number", "text", "list"}[t]
}

// TypeOf returns the type that a word in a definition means.
func TypeOf(word string) (Type, bool) {
	i := slices.Index([]string{"any", "boolean", "number", "text"}, word)
	return Type(max(i, 0)), i >= 0
}

// Environment is what an expression may speak of. A nil map or list means that
// nothing is known about names of that kind, so every name passes; an empty
// one means that there are none.
type Environment struct {
	Events     map[string]map[string]Type // fields by event; nil fields: any
	Attributes map[string]Type
	Audiences  []string
	Models     []string
	Groups     []string               // kinds of groups
	Features   map[string]*Expression // named expressions, usable as features.<name>
	Terms      *Terms                 // where terms are interned; nil: on their own
}

func (e *Environment) event(name string) (fields map[string]Type, ok bool) {
	if e.Events == nil {
		return nil, true
	}
	fields, ok = e.Events[name]
	return fields, ok
}

func keys[V any](m map[string]V) []string { return slices.Collect(maps.Keys(m)) }

// Terms interns terms and series, so that each exists once however many
// expressions use it. A refused expression may leave terms behind: a table
// belongs to one set of expressions that pass or fail together. It is not safe
// for concurrent use.
type Terms struct {
	terms   map[int64]*Term
	series  map[int64]*Series
	forever map[int64]bool // series that a term without a window looks at
	zones   zones
}

// NewTerms makes an empty table.
func NewTerms() *Terms {
	return &Terms{terms: map[int64]*Term{}, series: map[int64]*Series{}, forever: map[int64]bool{}}
}

// All returns the terms by rising ID.
func (t *Terms) All() []*Term {
	all := make([]*Term, 0, len(t.terms))
	for _, id := range slices.Sorted(maps.Keys(t.terms)) {
		all = append(all, t.terms[id])
	}
	return all
}

// AllSeries returns the series by rising ID.
func (t *Terms) AllSeries() []*Series {
	all := make([]*Series, 0, len(t.series))
	for _, id := range slices.Sorted(maps.Keys(t.series)) {
		all = append(all, t.series[id])
	}
	return all
}

func (t *Terms) internSeries(s *Series) *Series {
	s.ID = hash(s.Canonical)
	if known, ok := t.series[s.ID]; ok {
		return known
	}
	t.series[s.ID] = s
	return s
}

// zone opens a time zone.
func (t *Terms) zone(name string) (*time.Location, error) { return t.zones.zone(name) }

// intern returns the one term like x, whose series must be interned, and
// widens what the series keeps.
func (t *Terms) intern(x *Term) *Term {
	x.ID = hash(x.Canonical)
	if known, ok := t.terms[x.ID]; ok {
		return known
	}
	if s := x.Series; s == nil {
		// a dwell keeps what its parts keep
	} else if s.Calendar != nil || s.Attribute != "" {
		s.Keep = 0 // nothing is kept for longer than a period, or at all
	} else if x.Window == 0 {
		s.Keep, t.forever[s.ID] = 0, true
	} else if !t.forever[s.ID] {
		s.Keep = max(s.Keep, x.Window)
	}
	t.terms[x.ID] = x
	return x
}
