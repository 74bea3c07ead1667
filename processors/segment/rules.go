package segment

import (
	"slices"

	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/schemas"
)

// rules is a plan as segment follows it: indexed by what may change.
type rules struct {
	fingerprint int64
	audiences   []audience       // in the plan's order: referred ones first
	position    map[string]int32 // name -> audience
	plain       line             // audiences that follow the profile
	scored      line             // audiences that look at scores, and those that refer to them
	behind      behind
	schedules
}

type audience struct {
	name       string
	version    int64
	expression *expression.Expression
	scored     bool
	guard      *expression.Guard // nil: whatever changes, the audience needs a look
	referred   *input            // by audiences of the same line; nil: by none
	nobody     bool              // holds for somebody of whom nothing is known
	paused     bool
	from       schemas.Instant // of the schedule; 0: always
	until      schemas.Instant // 0: for ever
}

// line is one of the two lines of evaluation.
type line struct {
	terms       map[int64]*input
	attributes  map[string]*input
	scores      map[string]*input
	memberships map[string]*input // of the other line
	all         []int32
	scheduled   []int32 // those that begin or end some time, paused ones aside
	unprompted  []int32 // those that somebody of whom nothing is known may be in
}

// input is something that may change, and the audiences that look at it.
type input struct {
	short   string
	term    *expression.Term          // nil: it is none
	readers []int32                   // rising
	guarded guarded                   // other readers
	valued  map[schemas.Value][]int32 // of an attribute: readers that it guards itself, by the value that they need
}

func newRules(plan *definition.Plan) *rules {
	r := &rules{
		fingerprint: plan.Fingerprint(),
		audiences:   make([]audience, len(plan.Audiences)),
		position:    make(map[string]int32, len(plan.Audiences)),
		plain:       newLine(),
		scored:      newLine(),
	}
	for i := range plan.Audiences {
		a := &plan.Audiences[i]
		r.audiences[i] = audience{
			name: a.Name, version: a.Version, expression: a.Expression, scored: a.UsesScores,
			paused: a.State == definition.Paused, from: a.From, until: a.Until,
		}
		r.position[a.Name] = int32(i)
	}
	r.chooseGuards()
	for i := range r.audiences {
		r.index(int32(i))
	}
	r.readSchedules()
	r.findUnprompted()
	r.behind = newBehind(plan)
	return r
}

func newLine() line {
	return line{
		terms: map[int64]*input{}, attributes: map[string]*input{},
		scores: map[string]*input{}, memberships: map[string]*input{},
	}
}

func (r *rules) lineOf(a *audience) *line {
	if a.scored {
		return &r.scored
	}
	return &r.plain
}

func (r *rules) index(i int32) {
	a := &r.audiences[i]
	l := r.lineOf(a)
	l.all = append(l.all, i)
	for _, t := range a.expression.Terms {
		at(l.terms, t.ID, t.Short).readUnder(a.guard, a.guard != nil && a.guard.Term == t.ID, i)
		l.terms[t.ID].term = t
	}
	for _, name := range a.expression.Attributes {
		in := at(l.attributes, name, "p."+name)
		if a.guard != nil && a.guard.Attribute == name {
			in.readFor(a.guard.Values, i)
		} else {
			in.readUnder(a.guard, false, i)
		}
	}
	for _, model := range a.expression.Scores {
		at(l.scores, model, "scores."+model).readUnder(a.guard, false, i)
	}
	for _, name := range a.expression.Audiences {
		p, ok := r.position[name]
		switch {
		case ok && r.audiences[p].scored == a.scored:
			if r.audiences[p].referred == nil {
				r.audiences[p].referred = &input{short: "in(" + name + ")"}
			}
			r.audiences[p].referred.read(i)
		case a.scored:
			at(l.memberships, name, "in("+name+")").readUnder(a.guard, false, i)
		}
	}
}

func at[K comparable](inputs map[K]*input, key K, short string) *input {
	in := inputs[key]
	if in == nil {
		in = &input{short: short}
		inputs[key] = in
	}
	return in
}

func (in *input) read(by int32) {
	if n := len(in.readers); n == 0 || in.readers[n-1] != by {
		in.readers = append(in.readers, by)
	}
}

// readUnder lists a reader under its guard, unless it has none or in is it.
func (in *input) readUnder(guard *expression.Guard, itself bool, by int32) {
	if guard == nil || itself {
		in.read(by)
		return
	}
	in.guarded.add(guard, by)
}

// readFor lists a reader that needs the attribute to be one of values.
func (in *input) readFor(values []schemas.Value, by int32) {
	if in.valued == nil {
		in.valued = map[schemas.Value][]int32{}
	}
	for _, v := range values {
		in.valued[v] = append(in.valued[v], by)
	}
}

// findUnprompted evaluates all audiences for somebody of whom nothing is
// known. What does not hold for nobody, and did not ask who it is about, holds
// for no new person until one of its inputs differs from nobody's.
func (r *rules) findUnprompted() {
	for i := range r.audiences {
		a := &r.audiences[i]
		n := &nobody{rules: r, scored: a.scored}
		a.nobody = a.expression.Eval(n).True()
		if a.nobody || n.asked {
			l := r.lineOf(a)
			l.unprompted = append(l.unprompted, int32(i))
		}
	}
}

// nobody is a person of whom nothing is known, not even who it is.
type nobody struct {
	rules  *rules
	scored bool // the line
	asked  bool // for the name: the answer may depend on the person
}

func (n *nobody) Term(int64) schemas.Value       { return schemas.Value{} }
func (n *nobody) Attribute(string) schemas.Value { return schemas.Value{} }
func (n *nobody) Score(string) schemas.Value     { return schemas.Value{} }

func (n *nobody) Person() string {
	n.asked = true
	return ""
}

func (n *nobody) Audience(name string) bool {
	p, ok := n.rules.position[name]
	if !ok || n.rules.audiences[p].scored != n.scored {
		return false // of the other line: a changed membership prompts
	}
	return n.rules.audiences[p].nobody // for somebody else its readers are prompted
}

// behind is what the stages behind segment want to know of a change.
type behind struct {
	terms       map[int64]bool
	attributes  map[string]bool
	identifiers bool
	members     map[string]bool // audiences whose current members are told again after a change of definitions
}

func newBehind(plan *definition.Plan) behind {
	b := behind{terms: map[int64]bool{}, attributes: map[string]bool{}, members: map[string]bool{}}
	for i := range plan.Audiences {
		if plan.Audiences[i].UsesScores {
			b.want(plan.Audiences[i].Expression)
		}
	}
	for i := range plan.Models {
		for _, in := range plan.Models[i].Inputs {
			b.want(in.Expression)
		}
	}
	for i := range plan.Destinations {
		d := &plan.Destinations[i]
		b.identifiers = b.identifiers || len(d.Identifiers) > 0
		for _, name := range d.Asks() {
			b.attributes[name] = true
		}
		for _, name := range d.Audiences {
			b.members[name] = true
		}
	}
	return b
}

func (b *behind) want(e *expression.Expression) {
	for _, t := range e.Terms {
		b.terms[t.ID] = true
	}
	for _, name := range e.Attributes {
		b.attributes[name] = true
	}
	for _, name := range e.Audiences {
		b.members[name] = true
	}
}

// part is what the stages behind need of c.
func (b *behind) part(c *schemas.Change) schemas.Change {
	part := *c
	part.Features = only(c.Features, func(f schemas.Feature) bool { return b.terms[f.ID] })
	part.Attributes = only(c.Attributes, func(p schemas.Property) bool { return b.attributes[p.Name] })
	if !b.identifiers {
		part.Identifiers = nil
	}
	return part
}

// only is a copy of list without what keep refuses, or list itself.
func only[T any, L ~[]T](list L, keep func(T) bool) L {
	kept := 0
	for _, v := range list {
		if keep(v) {
			kept++
		}
	}
	switch kept {
	case 0:
		return nil
	case len(list):
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(v T) bool { return !keep(v) })
}
