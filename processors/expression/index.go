package expression

import (
	"cmp"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"kairos/schemas"
)

// Index finds the series that an event belongs to without asking each of them:
// by the event's name, and by one condition that a filter needs to be true,
// where it has one of the form field == constant, field in [constants] or
// field > constant. So an event costs what the series around it cost, however
// many there are. It is immutable and safe for concurrent use.
type Index struct {
	series []*Series
	byName map[string]*shelf
	any    *shelf // series of events of any name
}

// NewIndex makes the index of series.
func NewIndex(series []*Series) *Index {
	x := &Index{series: series, byName: map[string]*shelf{}, any: newShelf()}
	for place, s := range series {
		if s.Attribute != "" {
			continue
		}
		for name, needs := range s.asks() {
			x.shelf(name).put(place, &needs)
		}
	}
	for _, shelf := range x.byName {
		shelf.sort()
	}
	x.any.sort()
	return x
}

func (x *Index) shelf(event string) *shelf {
	if event == "" {
		return x.any
	}
	if x.byName[event] == nil {
		x.byName[event] = newShelf()
	}
	return x.byName[event]
}

// asks lists the names of the events that may belong to s, and what each needs
// at least.
func (s *Series) asks() map[string]need {
	if len(s.Roles) == 0 {
		return map[string]need{s.Event: s.needs}
	}
	asks := map[string]need{}
	for i := range s.Roles {
		r := &s.Roles[i]
		if _, twice := asks[r.Event]; twice {
			asks[r.Event] = need{} // either role will do
		} else {
			asks[r.Event] = r.needs
		}
	}
	if _, there := asks[""]; there { // or it would be found under two names
		return map[string]need{"": {}}
	}
	return asks
}

// Find appends the places of the series that e belongs to, in rising order.
func (x *Index) Find(e *schemas.Event, into []int) []int {
	from := len(into)
	if shelf := x.byName[e.Name]; shelf != nil {
		into = x.find(shelf, e, into)
	}
	into = x.find(x.any, e, into)
	slices.Sort(into[from:])
	return into
}

func (x *Index) find(s *shelf, e *schemas.Event, into []int) []int {
	into = x.passing(s.unsorted, e, into)
	into = x.passing(s.bySource[e.Source], e, into)
	for i := range s.fields {
		f := &s.fields[i]
		v := property(e.Properties, f.name)
		into = x.passing(f.equal[v], e, into)
		if v.Kind != schemas.Number {
			continue
		}
		for _, b := range f.above {
			if !(b.bound <= v.Number) {
				break
			}
			into = x.passing(b.places, e, into)
		}
		for _, b := range f.below {
			if !(b.bound >= v.Number) {
				break
			}
			into = x.passing(b.places, e, into)
		}
	}
	return into
}

// passing appends those of places whose filter lets e pass.
func (x *Index) passing(places []int, e *schemas.Event, into []int) []int {
	for _, place := range places {
		if s := x.series[place]; s.Match == nil || s.Match(e) {
			into = append(into, place)
		}
	}
	return into
}

// shelf holds the series of one event name, by the condition that they need.
type shelf struct {
	unsorted []int // those without such a condition
	bySource map[string][]int
	fields   []fieldShelf // by name
}

type fieldShelf struct {
	name  string
	equal map[value][]int
	above []boundShelf // field >= bound, rising
	below []boundShelf // field <= bound, falling
}

type boundShelf struct {
	bound  float64
	places []int
}

func newShelf() *shelf { return &shelf{bySource: map[string][]int{}} }

func (s *shelf) put(place int, n *need) {
	switch {
	case n.source != "":
		s.bySource[n.source] = append(s.bySource[n.source], place)
	case n.field == "":
		s.unsorted = append(s.unsorted, place)
	case n.equal != nil:
		f := s.field(n.field)
		for _, v := range n.equal {
			f.equal[v] = append(f.equal[v], place)
		}
	case n.compare == Greater || n.compare == GreaterOrEqual:
		f := s.field(n.field)
		f.above = append(f.above, boundShelf{n.bound, []int{place}})
	default:
		f := s.field(n.field)
		f.below = append(f.below, boundShelf{n.bound, []int{place}})
	}
}

func (s *shelf) field(name string) *fieldShelf {
	i, found := slices.BinarySearchFunc(s.fields, name, func(f fieldShelf, name string) int { return cmp.Compare(f.name, name) })
	if !found {
		s.fields = slices.Insert(s.fields, i, fieldShelf{name: name, equal: map[value][]int{}})
	}
	return &s.fields[i]
}

func (s *shelf) sort() {
	for i := range s.fields {
		f := &s.fields[i]
		slices.SortStableFunc(f.above, func(a, b boundShelf) int { return cmp.Compare(a.bound, b.bound) })
		slices.SortStableFunc(f.below, func(a, b boundShelf) int { return cmp.Compare(b.bound, a.bound) })
	}
}

// need is a condition without which a filter lets nothing pass. The zero need
// is none.
type need struct {
	source  string // the event's source is this
	field   string
	equal   []value    // the field is one of these, each once
	compare Comparison // or else it compares so with bound
	bound   float64
}

// needs picks the condition that leaves the fewest events: a source, or
// equality before order.
func (c *chain) needs() (best need) {
	if c.sender != "" {
		return need{source: c.sender}
	}
	for _, condition := range conjuncts(c.conditions) {
		n := needOf(condition, eventKey)
		if n.field != "" && (best.field == "" || best.equal == nil && n.equal != nil) {
			best = n
		}
	}
	return best
}

// needOf reads a comparison of an input, whose key begins with kind, with
// constants.
func needOf(e ast.Expr, kind string) (n need) {
	if e.Kind() != ast.CallKind || len(e.AsCall().Args()) != 2 {
		return need{}
	}
	name, left, right := e.AsCall().FunctionName(), e.AsCall().Args()[0], e.AsCall().Args()[1]
	compare := comparisonOf(name)
	if left.Kind() == ast.LiteralKind {
		left, right, compare = right, left, compare.flipped()
	}
	if left.Kind() != ast.CallKind || !isInput(left.AsCall().FunctionName()) {
		return need{}
	}
	key, _ := textOf(left.AsCall().Args()[0])
	var fits bool
	if n.field, fits = strings.CutPrefix(key, kind); !fits {
		return need{}
	}
	switch bound, isNumber := numberOf(right); {
	case name == operators.In && right.Kind() == ast.ListKind:
		n.equal = elementsOf(right)
	case compare == Equal && right.Kind() == ast.LiteralKind:
		n.equal = []value{constantOf(right)}
	case compare != NoComparison && compare != Equal && compare != NotEqual && isNumber:
		n.compare, n.bound = compare, bound
	default:
		return need{}
	}
	return n
}

// elementsOf lists the different constants of a list, none left out.
func elementsOf(list ast.Expr) []value {
	elements := []value{}
	for _, e := range list.AsList().Elements() {
		if v := constantOf(e); !slices.Contains(elements, v) {
			elements = append(elements, v)
		}
	}
	return elements
}
