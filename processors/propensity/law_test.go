package propensity_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"kairos/processors/definition"
	"kairos/processors/flow/flowtest"
	"kairos/processors/propensity"
	"kairos/schemas"
	"kairos/topologies"
)

// naive is the second implementation: it scores every model at every change.
type naive struct {
	plan   *definition.Plan
	person flowtest.View
	scores map[string]schemas.Score
	seen   map[string]string // what audiences that look at scores would see
}

func newNaive(plan *definition.Plan, person string) *naive {
	return &naive{
		plan: plan, person: flowtest.View{Profile: flowtest.NewProfile(person), Members: map[string]bool{}},
		scores: map[string]schemas.Score{}, seen: map[string]string{},
	}
}

// follow takes over m and gives the scores that changed, and whether there is
// anything to say.
func (n *naive) follow(m *schemas.Membership) (changed []schemas.Score, said bool) {
	first := !n.person.Alive
	n.person.Apply(&m.Change)
	for _, tr := range m.Transitions {
		n.person.Members[tr.Audience] = tr.Entered
	}
	if m.Change.Gone {
		*n = *newNaive(n.plan, n.person.ID)
		return nil, !first
	}
	for i := range n.plan.Models {
		s := flowtest.Score(&n.plan.Models[i], n.person)
		if fmt.Sprint(s) != fmt.Sprint(n.scores[s.Model]) {
			changed = append(changed, s)
		}
		n.scores[s.Model] = s
	}
	before := n.seen
	n.seen = n.look()
	return changed, first || len(changed) > 0 || fmt.Sprint(before) != fmt.Sprint(n.seen)
}

// look is what audiences that look at scores see besides the scores.
func (n *naive) look() map[string]string {
	seen := map[string]string{}
	for _, a := range n.plan.Audiences {
		if !a.UsesScores {
			continue
		}
		for _, t := range a.Expression.Terms {
			seen[fmt.Sprint("term ", t.ID)] = n.person.Term(t.ID).String()
		}
		for _, name := range a.Expression.Attributes {
			seen["attribute "+name] = fmt.Sprint(n.person.Attribute(name))
		}
		for _, name := range a.Expression.Audiences {
			seen["audience "+name] = fmt.Sprint(n.person.Audience(name))
		}
	}
	return seen
}

// TestScoresAreThoseOfEveryModelScoredAtEveryChange compares with the dumb
// way, and what propensity says with what is worth saying.
func TestScoresAreThoseOfEveryModelScoredAtEveryChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := flowtest.DrawPlan(t, "plan")
		plan.Destinations = nil // what is only passed on is the flow's matter
		idle := len(plan.Models) == 0 && !slices.ContainsFunc(plan.Audiences, func(a definition.Audience) bool { return a.UsesScores })
		world, people := flowtest.NewWorld(flowtest.MustRunner(propensity.New(plan))), map[string]*naive{}
		for _, person := range flowtest.People {
			people[person] = newNaive(plan, person)
		}
		for _, c := range flowtest.DrawLives(t, "life", 15) {
			before := len(world.Topics[topologies.Scores.Name])
			m := &schemas.Membership{Change: *c, Transitions: drawTransitions(t, plan, c, people[c.Person])}
			changed, said := people[c.Person].follow(m)
			flowtest.Append(world, topologies.Memberships, c.Person, m)
			world.Settle()
			got := flowtest.Records(world, topologies.Scores, before)
			if said = said && !idle; len(got) > 1 || said != (len(got) == 1) {
				t.Fatalf("said %v, want something: %t", got, said)
			}
			if said && fmt.Sprint(got[0].Scores) != fmt.Sprint(changed) {
				t.Fatalf("scores are %v, want %v", got[0].Scores, changed)
			}
			if said && (got[0].Cause != c.Cause || got[0].EventID != c.EventID || got[0].Gone != c.Gone || got[0].MergedInto != c.MergedInto) {
				t.Fatalf("said %+v of %+v", got[0], c)
			}
		}
	})
}

func drawTransitions(t *rapid.T, plan *definition.Plan, c *schemas.Change, n *naive) (transitions []schemas.Transition) {
	for _, a := range plan.Audiences {
		if is := n.person.Members[a.Name]; !a.UsesScores && (c.Gone && is || !c.Gone && rapid.IntRange(0, 3).Draw(t, "flips") == 0) {
			transitions = append(transitions, schemas.Transition{Person: c.Person, Audience: a.Name, Entered: !is})
		}
	}
	return transitions
}
