package propensity

import (
	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/schemas"
)

// rules is a plan as propensity follows it: indexed by what may change.
type rules struct {
	fingerprint int64
	models      []definition.Model // sorted by name
	idle        bool               // there are neither models nor audiences that look at scores
	terms       map[int64]*input
	attributes  map[string]*input
	memberships map[string]*input
	passed      map[string]bool          // attributes that destinations of score audiences ask for
	identified  bool                     // such a destination asks for identifiers
	turns       map[schemas.Instant]bool // when audiences that look at scores begin or end: they hear of it from here only
}

// input is something that may change.
type input struct {
	models  []int // that use it, rising
	carried bool  // audiences that look at scores use it
}

func newRules(plan *definition.Plan) *rules {
	r := &rules{
		fingerprint: plan.Fingerprint(),
		models:      plan.Models,
		idle:        len(plan.Models) == 0,
		terms:       map[int64]*input{},
		attributes:  map[string]*input{},
		memberships: map[string]*input{},
		passed:      map[string]bool{},
		turns:       map[schemas.Instant]bool{},
	}
	for i := range plan.Models {
		for _, in := range plan.Models[i].Inputs {
			r.uses(in.Expression, func(used *input) {
				if n := len(used.models); n == 0 || used.models[n-1] != i {
					used.models = append(used.models, i)
				}
			})
		}
	}
	scored := map[string]bool{}
	for i := range plan.Audiences {
		if a := &plan.Audiences[i]; a.UsesScores {
			r.idle, scored[a.Name] = false, true
			r.turns[a.From], r.turns[a.Until] = true, true
			r.uses(a.Expression, func(used *input) { used.carried = true })
		}
	}
	delete(r.turns, 0)
	for i := range plan.Destinations {
		r.passTo(&plan.Destinations[i], scored)
	}
	return r
}

func (r *rules) uses(e *expression.Expression, by func(*input)) {
	for _, t := range e.Terms {
		by(at(r.terms, t.ID))
	}
	for _, name := range e.Attributes {
		by(at(r.attributes, name))
	}
	for _, name := range e.Audiences {
		by(at(r.memberships, name))
	}
}

func at[K comparable](inputs map[K]*input, key K) *input {
	if inputs[key] == nil {
		inputs[key] = &input{}
	}
	return inputs[key]
}

func (r *rules) passTo(d *definition.Destination, scored map[string]bool) {
	for _, name := range d.Audiences {
		if !scored[name] {
			continue
		}
		r.identified = r.identified || len(d.Identifiers) > 0
		for _, attribute := range d.Asks() {
			r.passed[attribute] = true
		}
		return
	}
}
