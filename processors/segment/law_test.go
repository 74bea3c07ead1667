package segment_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"kairos/processors/definition"
	"kairos/processors/flow/flowtest"
	"kairos/processors/segment"
	"kairos/schemas"
	"kairos/topologies"
)

func newWorld(plan *definition.Plan) *flowtest.World {
	return flowtest.NewWorld(flowtest.MustRunner(segment.New(plan)))
}

// TestEveryTransitionIsThatOfANaiveEvaluator lets changes and words of
// propensity, which need not fit together, meet in random order.
func TestEveryTransitionIsThatOfANaiveEvaluator(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { compareWithNaive(t, flowtest.DrawPlan(t, "plan"), 20) })
}

// TestAudiencesThatAreNotLookedAtWouldNotFlip is the same where most audiences
// are listed under a guard.
func TestAudiencesThatAreNotLookedAtWouldNotFlip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { compareWithNaive(t, flowtest.DrawGuarded(t), 60) })
}

func compareWithNaive(t *rapid.T, plan *definition.Plan, most int) {
	world, people := newWorld(plan), map[string]*naive{}
	for _, person := range flowtest.People {
		people[person] = newNaive(plan, person)
	}
	now := flowtest.Start
	for i := range rapid.IntRange(0, most).Draw(t, "records") {
		now += schemas.Instant(rapid.IntRange(0, 2).Draw(t, "pause"))
		before := len(world.Topics[topologies.Transitions.Name])
		var want []schemas.Transition
		if rapid.Bool().Draw(t, "a score") {
			s := drawScored(t, plan, now, fmt.Sprint(i))
			want = people[s.Person].score(s)
			flowtest.Append(world, topologies.Scores, s.Person, s)
		} else {
			c := flowtest.DrawChange(t, now, fmt.Sprint(i))
			want = people[c.Person].change(c)
			flowtest.Append(world, topologies.Changes, c.Person, c)
		}
		world.Settle()
		compareTransitions(t, want, flowtest.Records(world, topologies.Transitions, before))
	}
}

func compareTransitions(t *rapid.T, want []schemas.Transition, got []*schemas.Transition) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("got %d transitions %v, want %d: %v", len(got), got, len(want), want)
	}
	exits := 0
	for i := range want {
		if !want[i].Entered {
			exits++
		}
	}
	byName := func(a, b *schemas.Transition) int { return cmp.Compare(a.Audience, b.Audience) }
	sorted := slices.Clone(got) // exits of somebody who is gone come by name
	slices.SortFunc(sorted[:exits], byName)
	slices.SortFunc(want[:exits], func(a, b schemas.Transition) int { return byName(&a, &b) })
	for i := range want {
		g := *sorted[i]
		if g.Reason == "" {
			t.Fatalf("%v has no reason", g)
		}
		g.Reason = ""
		if g != want[i] {
			t.Fatalf("transition %d is %+v, want %+v", i, g, want[i])
		}
	}
}

func drawScored(t *rapid.T, plan *definition.Plan, now schemas.Instant, event string) *schemas.Scored {
	c := flowtest.DrawChange(t, now, event)
	s := &schemas.Scored{Person: c.Person, Cause: now, Reason: c.Reason, EventID: event, Gone: c.Gone, MergedInto: c.MergedInto}
	if s.Gone {
		return s
	}
	s.Features, s.Attributes = c.Features, c.Attributes
	for _, m := range plan.Models {
		if rapid.Bool().Draw(t, "scored") {
			s.Scores = append(s.Scores, schemas.Score{Model: m.Name, Value: rapid.SampledFrom([]float64{0.1, 0.4, 0.6, 0.9}).Draw(t, "score")})
		}
	}
	for _, a := range plan.Audiences {
		if !a.UsesScores && rapid.Bool().Draw(t, "membership changes") {
			s.Memberships = s.Memberships.Set(a.Name, schemas.BooleanOf(rapid.Bool().Draw(t, "member")))
		}
	}
	return s
}

// TestMembershipsCarryTheTransitionsAndWhatStagesBehindAskFor compares the two
// streams that segment writes.
func TestMembershipsCarryTheTransitionsAndWhatStagesBehindAskFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := flowtest.DrawPlan(t, "plan")
		world := newWorld(plan)
		told := map[schemas.Feature]int{}
		for _, c := range flowtest.DrawLives(t, "life", 15) {
			flowtest.Append(world, topologies.Changes, c.Person, c)
			for _, f := range c.Features {
				if asked(plan, f.ID) {
					told[f]++
				}
			}
		}
		world.Settle()
		var carried []schemas.Transition
		for _, m := range flowtest.Records(world, topologies.Memberships, 0) {
			carried = append(carried, m.Transitions...)
			for _, f := range m.Change.Features {
				if told[f]--; told[f] == 0 {
					delete(told, f)
				}
			}
		}
		emitted := flowtest.Records(world, topologies.Transitions, 0)
		if !slices.EqualFunc(carried, emitted, func(a schemas.Transition, b *schemas.Transition) bool { return a == *b }) {
			t.Fatalf("memberships carry %v, the transitions are %v", carried, emitted)
		}
		if len(told) > 0 {
			t.Fatalf("not or too often carried: %v", slices.Collect(maps.Keys(told)))
		}
	})
}

func asked(plan *definition.Plan, term int64) bool {
	for _, m := range plan.Models {
		for _, in := range m.Inputs {
			for _, used := range in.Expression.Terms {
				if used.ID == term {
					return true
				}
			}
		}
	}
	for _, a := range plan.Audiences {
		for _, used := range a.Expression.Terms {
			if a.UsesScores && used.ID == term {
				return true
			}
		}
	}
	return false
}

// TestTheOrderOfUnrelatedPeopleDoesNotMatter delivers one person after the
// other instead of mixed.
func TestTheOrderOfUnrelatedPeopleDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan, mixed, apart := flowtest.DrawPlan(t, "plan"), (*flowtest.World)(nil), (*flowtest.World)(nil)
		mixed, apart = newWorld(plan), newWorld(plan)
		lives := flowtest.DrawLives(t, "life", 15)
		for _, c := range lives {
			flowtest.Append(mixed, topologies.Changes, c.Person, c)
		}
		slices.SortStableFunc(lives, func(a, b *schemas.Change) int { return -cmp.Compare(a.Person, b.Person) })
		for _, c := range lives {
			flowtest.Append(apart, topologies.Changes, c.Person, c)
		}
		mixed.Settle()
		apart.Settle()
		if !maps.EqualFunc(mixed.Rows, apart.Rows, slices.Equal) {
			t.Fatalf("rows differ:\n%q\n%q", mixed.Rows, apart.Rows)
		}
	})
}

// TestASweepLeavesWhatRunningFromTheFirstDayWould changes the plan in the
// middle of random lives.
func TestASweepLeavesWhatRunningFromTheFirstDayWould(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old, plan := flowtest.DrawPlan(t, "old plan"), flowtest.DrawPlan(t, "new plan")
		swept, daily := newWorld(old), newWorld(plan)
		now := flowtest.Start
		profiles := map[string]*flowtest.Profile{}
		for _, person := range flowtest.People {
			profiles[person] = flowtest.NewProfile(person)
		}
		for _, c := range flowtest.DrawLives(t, "life", 15) {
			now = c.Cause
			profiles[c.Person].Apply(c)
			flowtest.Append(swept, topologies.Changes, c.Person, c)
			flowtest.Append(daily, topologies.Changes, c.Person, c)
		}
		swept.Settle()
		daily.Settle()
		swept.Become(flowtest.MustRunner(segment.New(plan)))
		before := len(swept.Topics[topologies.Transitions.Name])
		for _, person := range flowtest.People {
			if profiles[person].Alive { // profile's own sweep comes first
				flowtest.Append(swept, topologies.Changes, person, profiles[person].Retold(now))
			}
		}
		swept.Settle()
		swept.Sweep("segment", now+5)
		for _, person := range flowtest.People {
			if got, want := membersOf(swept, person, plan), membersOf(daily, person, plan); !slices.Equal(got, want) {
				t.Fatalf("after the sweep %s is in %v, from the first day in %v", person, got, want)
			}
		}
		flips := map[string]int{}
		for _, tr := range flowtest.Records(swept, topologies.Transitions, before) {
			if flips[tr.Person+tr.Audience]++; flips[tr.Person+tr.Audience] > 1 {
				t.Fatalf("%s flipped more than once in %s", tr.Person, tr.Audience)
			}
		}
		after := len(swept.Topics[topologies.Transitions.Name]) + len(swept.Topics[topologies.Memberships.Name])
		swept.Sweep("segment", now+9)
		if again := len(swept.Topics[topologies.Transitions.Name]) + len(swept.Topics[topologies.Memberships.Name]); again != after {
			t.Fatalf("a second sweep told %d records", again-after)
		}
	})
}

// membersOf lists a person's audiences, without those of plan that wait for a
// score: there is no propensity here.
func membersOf(w *flowtest.World, person string, plan *definition.Plan) []string {
	var members []string
	row := flowtest.RowOf(w, topologies.SegmentTable, person)
	if row == nil {
		return nil
	}
	for _, s := range row.Standings {
		waits := slices.ContainsFunc(plan.Audiences, func(a definition.Audience) bool { return a.Name == s.Audience && a.UsesScores })
		if s.Member && !waits {
			members = append(members, s.Audience)
		}
	}
	return members
}
