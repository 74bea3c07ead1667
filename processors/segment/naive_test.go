package segment_test

import (
	"kairos/processors/definition"
	"kairos/processors/flow/flowtest"
	"kairos/schemas"
)

// naive is the second implementation: it remembers everything, looks at every
// audience at every change, and knows no index.
type naive struct {
	plan      *definition.Plan
	plain     flowtest.View
	scored    flowtest.View
	members   map[string]bool
	revisions map[string]int64
}

func newNaive(plan *definition.Plan, person string) *naive {
	n := &naive{plan: plan, members: map[string]bool{}, revisions: map[string]int64{}}
	n.plain = flowtest.View{Profile: flowtest.NewProfile(person), Members: map[string]bool{}}
	n.scored = flowtest.View{Profile: flowtest.NewProfile(person), Members: map[string]bool{}, Scores: map[string]float64{}}
	return n
}

func (n *naive) change(c *schemas.Change) []schemas.Transition {
	n.plain.Apply(c)
	return n.evaluate(&n.plain, false, schemas.Transition{Person: c.Person, Cause: c.Cause, EventID: c.EventID})
}

func (n *naive) score(s *schemas.Scored) []schemas.Transition {
	if s.Gone {
		n.scored.Members, n.scored.Scores = map[string]bool{}, map[string]float64{}
	}
	n.scored.Apply(&schemas.Change{Gone: s.Gone, Features: s.Features, Attributes: s.Attributes})
	for _, p := range s.Memberships {
		n.scored.Members[p.Name] = p.Value.True()
	}
	for _, p := range s.Scores {
		n.scored.Scores[p.Model] = p.Value
	}
	return n.evaluate(&n.scored, true, schemas.Transition{Person: s.Person, Cause: s.Cause, EventID: s.EventID})
}

// pass looks at everything at t, when a schedule may begin or end.
func (n *naive) pass(person string, t schemas.Instant) []schemas.Transition {
	return n.evaluate(&n.plain, false, schemas.Transition{Person: person, Cause: t})
}

func (n *naive) evaluate(person *flowtest.View, scored bool, t schemas.Transition) (transitions []schemas.Transition) {
	var entries []schemas.Transition
	for i := range n.plan.Audiences {
		a := &n.plan.Audiences[i]
		if a.UsesScores != scored {
			continue
		}
		is := person.Alive && a.Open(t.Cause) && a.Expression.Eval(person).True()
		if a.State == definition.Paused {
			is = person.Alive && n.members[a.Name]
		}
		person.Members[a.Name] = is
		if n.members[a.Name] == is {
			continue
		}
		n.members[a.Name] = is
		n.revisions[a.Name]++
		t.Audience, t.Entered, t.Revision, t.Version = a.Name, is, n.revisions[a.Name], a.Version
		if is {
			entries = append(entries, t)
		} else {
			transitions = append(transitions, t)
		}
	}
	return append(transitions, entries...)
}
