package naive

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/schemas"
)

// Person is what is true of one person.
type Person struct {
	ID          string
	Identifiers []string // sorted
	Terms       map[int64]schemas.Value
	Attributes  schemas.Properties
	Scores      map[string]float64
	Audiences   []string // sorted
}

// PeopleAt says what is true at t, once everything said until then is known.
func PeopleAt(history []schemas.Event, plan *definition.Plan, t schemas.Instant) map[string]*Person {
	people := map[string]*Person{}
	history = slices.DeleteFunc(slices.Clone(history), func(e schemas.Event) bool { return mistyped(e, plan) })
	history, who := remembered(history, plan, t)
	of := identities(who, plan.Identity, t)
	for _, id := range slices.Sorted(maps.Keys(of)) {
		if people[of[id]] == nil {
			people[of[id]] = &Person{ID: of[id]}
		}
		people[of[id]].Identifiers = append(people[of[id]].Identifiers, id)
	}
	events := heard(history, plan, t)
	for _, p := range people {
		var own []told
		for _, e := range events {
			if of[e.by] == p.ID {
				own = append(own, e)
			}
		}
		if len(own) == 0 && (nameless(p.Identifiers, plan.Identity) > 0 || !slices.ContainsFunc(p.Identifiers, isNoSession)) {
			p.Terms = map[int64]schemas.Value{}
			for _, term := range plan.Terms {
				p.Terms[term.ID] = term.Empty()
			}
			continue // nobody, until something is heard
		}
		p.become(plan, own, t)
	}
	return people
}

// mistyped tells whether an event says of an attribute what its definition does
// not allow: it is refused as a whole.
func mistyped(e schemas.Event, plan *definition.Plan) bool {
	kinds := map[expression.Type]schemas.Kind{expression.BooleanType: schemas.Boolean, expression.NumberType: schemas.Number, expression.TextType: schemas.Text}
	return slices.ContainsFunc(e.Attributes, func(p schemas.Property) bool {
		kind, typed := kinds[plan.Profile.Types[p.Name]]
		return typed && p.Value.Kind != schemas.Null && p.Value.Kind != kind
	})
}

// become computes all that follows from a person's events.
func (p *Person) become(plan *definition.Plan, events []told, t schemas.Instant) {
	p.Terms, p.Scores, p.Audiences = map[int64]schemas.Value{}, map[string]float64{}, nil
	p.Attributes = attributes(events, plan.Profile)
	for _, term := range plan.Terms {
		switch {
		case term.Dwell != nil:
			p.Terms[term.ID] = p.dwell(term.Dwell, events, t)
		case term.Series.Attribute != "":
			p.Terms[term.ID] = date(term, p.Attributes.Get(term.Series.Attribute), t)
		default:
			p.Terms[term.ID] = value(term, events, t)
		}
	}
	for _, scored := range []bool{false, true} { // models look at plain audiences, some audiences at models
		if scored {
			for i := range plan.Models {
				p.Scores[plan.Models[i].Name] = p.score(&plan.Models[i])
			}
		}
		for i := range plan.Audiences {
			a := &plan.Audiences[i]
			if a.UsesScores == scored && a.Expression.Eval(inputs{p}).True() {
				p.Audiences = append(p.Audiences, a.Name)
			}
		}
	}
	slices.Sort(p.Audiences)
}

// score is a logistic regression, written down once more.
func (p *Person) score(m *definition.Model) float64 {
	odds := m.Intercept
	for i := range m.Inputs {
		in := &m.Inputs[i]
		x := in.Mean
		if v := in.Expression.Eval(inputs{p}); v.Kind == schemas.Number || v.Kind == schemas.Boolean {
			x = v.Number
		}
		scale := cmp.Or(in.Scale, 1)
		odds += in.Weight * ((x - in.Mean) / scale)
	}
	return 1 / (1 + math.Exp(-(cmp.Or(m.Calibration.A, 1)*odds + m.Calibration.B)))
}

// inputs is what expressions may ask about a person.
type inputs struct{ of *Person }

func (in inputs) Term(id int64) schemas.Value { return in.of.Terms[id] }

func (in inputs) Attribute(name string) schemas.Value { return in.of.Attributes.Get(name) }

func (in inputs) Score(model string) schemas.Value {
	if v, ok := in.of.Scores[model]; ok {
		return schemas.NumberOf(v)
	}
	return schemas.Value{}
}

func (in inputs) Audience(name string) bool { return slices.Contains(in.of.Audiences, name) }

func (in inputs) Person() string { return in.of.ID }
