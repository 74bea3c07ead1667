package segment_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"kairos/processors/definition"
	"kairos/processors/flow/flowtest"
	"kairos/processors/segment"
	"kairos/schemas"
	"kairos/topologies"
)

func scheduled(a definition.Audience, from, until schemas.Instant) definition.Audience {
	a.From, a.Until = from, until
	return a
}

func TestSomebodyWhoQualifiesEarlierEntersWhenTheScheduleBegins(t *testing.T) {
	w := newWorld(plan(scheduled(audience("winback", term(cancelled)), start+10, start+20)))
	expect(t, tell(w, &schemas.Change{Cause: start, Reason: "cancel", EventID: "1", Features: truth(cancelled, true)}))
	before := len(w.Topics[topologies.Transitions.Name])
	w.Wake(start + 9)
	expect(t, said(w, before))
	w.Wake(start + 30)
	expect(t, said(w, before), "winback entered rev=1 at +10ms because schedule", "winback exited rev=2 at +20ms because schedule")
}

func TestWhoExitsAtTheInstantThatTheScheduleBeginsNeverEnters(t *testing.T) {
	w := newWorld(plan(scheduled(audience("winback", term(cancelled)), start+10, 0)))
	tell(w, &schemas.Change{Cause: start, Reason: "cancel", EventID: "1", Features: truth(cancelled, true)})
	expect(t, tell(w, &schemas.Change{Cause: start + 10, Reason: "window of events(cancel) closed", Features: truth(cancelled, false)}))
	before := len(w.Topics[topologies.Transitions.Name])
	w.Wake(start + 30)
	expect(t, said(w, before))
}

func TestAPausedAudienceKeepsItsMembersUntilItGoesOn(t *testing.T) {
	paused := audience("winback", term(cancelled))
	paused.State, paused.Until = definition.Paused, start+5
	w := newWorld(plan(audience("winback", term(cancelled))))
	tell(w, &schemas.Change{Cause: start, Reason: "cancel", EventID: "1", Features: truth(cancelled, true)})
	w.Become(flowtest.MustRunner(segment.New(plan(paused))))
	expect(t, tell(w, &schemas.Change{Cause: start + 9, Reason: "window of events(cancel) closed", Features: truth(cancelled, false)}))
	w.Become(flowtest.MustRunner(segment.New(plan(audience("winback", term(cancelled))))))
	before := len(w.Topics[topologies.Transitions.Name])
	w.Sweep("segment", start+10)
	expect(t, said(w, before), "winback exited rev=2 at +10ms because definition")
}

func TestDefinitionsTakenBackInTheMiddleOfASweepConcernOnlyWhomItReached(t *testing.T) {
	before, after := audience("winback", term(cancelled)), audience("winback", country("FR"))
	after.Version = 2
	again := before
	again.Version = 3
	w := newWorld(plan(before))
	for _, person := range []string{"bob", "sarah"} {
		flowtest.Append(w, topologies.Changes, person, &schemas.Change{Person: person, Cause: start, Reason: "cancel", Features: truth(cancelled, true)})
	}
	w.Settle()
	reached := len(w.Topics[topologies.Transitions.Name])
	w.Become(flowtest.MustRunner(segment.New(plan(after))))
	expect(t, tell(w, &schemas.Change{Cause: start + 1, Reason: "visit"}), "winback exited rev=2 at +1ms because definition") // as a sweep that has come as far as her
	w.Become(flowtest.MustRunner(segment.New(plan(again))))
	flowtest.Append(w, topologies.Changes, "sarah", &schemas.Change{Person: "sarah", Cause: start + 2, Reason: "definition", Features: truth(cancelled, true)}) // told again by profile's sweep
	w.Settle()
	w.Sweep("segment", start+3)
	expect(t, said(w, reached), "winback exited rev=2 at +1ms because definition", "winback entered rev=3 at +2ms because definition")
}

// TestSchedulesActOnTheirBoundariesHoweverLateTheTimers compares with an
// evaluator that looks at everybody at every boundary.
func TestSchedulesActOnTheirBoundariesHoweverLateTheTimers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := flowtest.DrawPlan(t, "plan")
		boundaries := drawSchedules(t, plan)
		world, people := newWorld(plan), map[string]*naive{}
		for _, person := range flowtest.People {
			people[person] = newNaive(plan, person)
		}
		now := flowtest.Start
		var want []schemas.Transition
		pass := func(until schemas.Instant) {
			for len(boundaries) > 0 && boundaries[0] < until {
				for _, person := range flowtest.People {
					want = append(want, people[person].pass(person, boundaries[0])...)
				}
				boundaries = boundaries[1:]
			}
		}
		for i := range rapid.IntRange(0, 20).Draw(t, "records") {
			now += schemas.Instant(rapid.IntRange(0, 4).Draw(t, "pause"))
			pass(now)
			c := flowtest.DrawChange(t, now, fmt.Sprint(i))
			want = append(want, people[c.Person].change(c)...)
			flowtest.Append(world, topologies.Changes, c.Person, c)
			world.Settle()
			if rapid.Bool().Draw(t, "prompt") {
				world.Wake(now - 1)
			}
		}
		pass(now + 1000)
		world.Wake(now + 1000)
		compareSets(t, want, flowtest.Records(world, topologies.Transitions, 0))
	})
}

// drawSchedules gives plain audiences schedules, and pauses some. It returns
// all boundaries, rising.
func drawSchedules(t *rapid.T, plan *definition.Plan) []schemas.Instant {
	var boundaries []schemas.Instant
	for i := range plan.Audiences {
		a := &plan.Audiences[i]
		if a.UsesScores {
			continue
		}
		if rapid.IntRange(0, 4).Draw(t, "paused") == 0 {
			a.State = definition.Paused
		}
		if rapid.Bool().Draw(t, "from") {
			a.From = flowtest.Start + schemas.Instant(rapid.IntRange(-5, 40).Draw(t, "from at"))
		}
		if rapid.Bool().Draw(t, "until") {
			a.Until = max(a.From, flowtest.Start) + schemas.Instant(rapid.IntRange(1, 40).Draw(t, "until at"))
		}
		boundaries = append(boundaries, a.From, a.Until)
	}
	slices.Sort(boundaries)
	return slices.DeleteFunc(slices.Compact(boundaries), func(b schemas.Instant) bool { return b == 0 })
}

func compareSets(t *rapid.T, want []schemas.Transition, got []*schemas.Transition) {
	t.Helper()
	inOrder := func(a, b schemas.Transition) int {
		return cmp.Or(cmp.Compare(a.Person, b.Person), cmp.Compare(a.Audience, b.Audience), cmp.Compare(a.Revision, b.Revision))
	}
	var all []schemas.Transition
	for _, g := range got {
		plain := *g
		plain.Reason = ""
		all = append(all, plain)
	}
	slices.SortFunc(all, inOrder)
	slices.SortFunc(want, inOrder)
	if !slices.Equal(all, want) {
		t.Fatalf("got\n%+v\nwant\n%+v", all, want)
	}
}
