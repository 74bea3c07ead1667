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
	nobody      bool
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
	by := func(people map[string]bool) []told {
		return slices.DeleteFunc(slices.Clone(events), func(e told) bool { return !people[of[e.by]] })
	}
	for _, p := range people {
		own := by(map[string]bool{p.ID: true})
		p.know(plan, own, t)
		p.nobody = len(own) == 0 && (nameless(p.Identifiers, plan.Identity) > 0 || !slices.ContainsFunc(p.Identifiers, isNoSession)) // until something is heard
	}
	for i := range plan.Groups {
		g := &plan.Groups[i]
		for _, members := range groupsOf(g, people) {
			for id := range members {
				if len(members) <= g.Limit {
					people[id].hear(plan, g.Name, by(members), t)
				}
			}
		}
	}
	for _, p := range people {
		if !p.nobody {
			p.judge(plan)
		}
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

// groupsOf sorts people by their group of a kind.
func groupsOf(g *definition.Group, people map[string]*Person) map[string]map[string]bool {
	groups := map[string]map[string]bool{}
	for id, p := range people {
		name, _ := g.Of(g.By.Eval(inputs{p}))
		if name == "" {
			continue
		}
		if groups[name] == nil {
			groups[name] = map[string]bool{}
		}
		groups[name][id] = true
	}
	return groups
}

// become computes all that follows from the events of a person who is in no
// group.
func (p *Person) become(plan *definition.Plan, events []told, t schemas.Instant) {
	p.know(plan, events, t)
	p.judge(plan)
}

// know computes what is known of a person alone.
func (p *Person) know(plan *definition.Plan, events []told, t schemas.Instant) {
	p.Terms = map[int64]schemas.Value{}
	p.Attributes = attributes(events, plan.Profile)
	for _, term := range plan.Terms {
		switch {
		case term.Dwell != nil:
			p.Terms[term.ID] = p.dwell(term.Dwell, events, t)
		case term.Series.Attribute != "":
			p.Terms[term.ID] = date(term, p.Attributes.Get(term.Series.Attribute), t)
		case term.Kind != "":
			p.Terms[term.ID] = term.Empty()
		default:
			p.Terms[term.ID] = value(term, events, t)
		}
	}
}

// hear computes what the members of a group, the person among them, have done.
func (p *Person) hear(plan *definition.Plan, kind string, events []told, t schemas.Instant) {
	for _, term := range plan.Terms {
		if term.Kind == kind {
			p.Terms[term.ID] = value(term, events, t)
		}
	}
}

// judge computes audiences and scores.
func (p *Person) judge(plan *definition.Plan) {
	p.Scores, p.Audiences = map[string]float64{}, nil
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
