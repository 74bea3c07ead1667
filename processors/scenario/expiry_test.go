package scenario_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kairos/processors/definition"
	"kairos/processors/scenario"
	"kairos/schemas"
	"kairos/topologies"
)

// The laws of expiry: what people without a name did is forgotten on the
// boundary, and events of a name when they are too old.

func TestWhatIsLeftAfterExpiryIsWhatTheNaiveFoldRemembers(t *testing.T) {
	plan := expiringPlan(t)
	rapid.Check(t, func(t *rapid.T) {
		history := lives{linking: true, events: 25}.draw(t)
		w := world(rapid.SampledFrom([]int32{1, 4, 12}).Draw(t, "partitions"), rapid.Bool().Draw(t, "chained"), 0)
		end := liveOnTime(t, w, plan, history)
		sameState(t, "pipeline here, naive there", stateOf(t, w, plan, end), naiveState(history, plan, end))
	})
}

// liveOnTime is live with a tick right before each event as well, so that
// nobody comes back to a component that is going: the door ticks every few
// moments, and what comes in between is for the order to say (see identity's
// DESIGN.md, 13).
func liveOnTime(t TB, w *scenario.Pure, plan *definition.Plan, history []schemas.Event) schemas.Instant {
	t.Helper()
	do(t, w.Follow(plan))
	now, ticks := beginning, prompt(history)
	for i, e := range history {
		if e.Received > now+1 {
			do(t, w.Tick(e.Received-1))
		}
		now = max(now, e.Received)
		do(t, w.Send(input(t, e)))
		if at, ok := ticks(i, now); ok {
			do(t, w.Tick(at))
		}
	}
	end := now.Add(5 * 24 * time.Hour)
	do(t, w.Tick(end))
	return end
}

// People expire weeks after all has arrived: who is gone while something of
// them is still under way is for the order to say.
func TestTheOrderOfArrivalDoesNotShowInWhatIsLeftAfterExpiry(t *testing.T) {
	plan := patientPlan(t)
	rapid.Check(t, func(t *rapid.T) {
		history := lives{linking: true, events: 20, exact: true, brief: true, tablets: true, typos: true}.draw(t)
		seed := rapid.Uint64Min(1).Draw(t, "seed")
		shuffled := rapid.Permutation(slices.Clone(history)).Draw(t, "order")
		w := world(rapid.SampledFrom([]int32{1, 4, 12}).Draw(t, "partitions"), rapid.Bool().Draw(t, "chained"), seed)
		end := rush(t, w, plan, shuffled, never)
		sameState(t, "shuffled here, naive there", stateOf(t, w, plan, end), naiveState(history, plan, end))
		for range 3 {
			end = end.Add(time.Duration(rapid.IntRange(0, 15*24).Draw(t, "later")) * time.Hour)
			do(t, w.Tick(end))
			sameState(t, "shuffled here, naive there, later", stateOf(t, w, plan, end), naiveState(history, plan, end))
		}
	})
}

func TestExpiryHappensOnItsBoundaryHoweverLateTimersAre(t *testing.T) {
	plan := expiringPlan(t)
	rapid.Check(t, func(t *rapid.T) {
		history := lives{events: 40}.draw(t)
		onTime, late := world(4, true, 0), world(4, false, 0)
		live(t, onTime, plan, history, prompt(history))
		live(t, late, plan, history, never)
		sameState(t, "late here, prompt there", publicly(t, late, plan), publicly(t, onTime, plan))
		sameTables(t, "late here, prompt there", late, onTime)
	})
}

func TestVisitorsWhoNeverGaveANameLeaveNoRow(t *testing.T) {
	plan := expiringPlan(t)
	rapid.Check(t, func(t *rapid.T) {
		history := lives{events: 40, linking: true}.draw(t)
		for i := range history {
			history[i].Identifiers = slices.Clone(history[i].Identifiers)
			for k := range history[i].Identifiers {
				history[i].Identifiers[k].Namespace = rapid.SampledFrom([]string{"device_id", "anonymous_id", "phone"}).Draw(t, "nameless")
			}
			if ids := history[i].Identifiers; history[i].Source == "operator" && ids[0] == ids[1] {
				ids[1].Value += "x"
			}
		}
		slices.SortStableFunc(history, func(a, b schemas.Event) int { return int(a.Received - b.Received) })
		w := world(4, rapid.Bool().Draw(t, "chained"), 0)
		end := live(t, w, plan, history, prompt(history))
		if people := peopleOf(t, w); len(people) > 0 && rapid.Bool().Draw(t, "erased") { // some before the others are forgotten
			asked := rapid.SampledFrom(slices.Sorted(maps.Keys(people))).Draw(t, "of")
			eraseAll(t, w, people, func(key string) bool { return people[key] == people[asked] }, end)
		}
		do(t, w.Tick(end.Add(30*24*time.Hour)))
		for _, table := range tables {
			rows, err := w.Rows(table)
			do(t, err)
			for key := range rows {
				t.Fatalf("%s still holds %q: %q", table, key, rows[key])
			}
		}
		for i := range plan.Destinations {
			last := map[string][]byte{}
			messages, err := w.Read(topologies.Activations(plan.Destinations[i].Name).Name)
			do(t, err)
			for _, m := range messages {
				last[m.Key] = m.Value
			}
			for key, value := range last {
				if len(value) > 0 {
					t.Fatalf("%s still holds %q once it is compacted", plan.Destinations[i].Name, key)
				}
			}
		}
	})
}

func TestNewDefinitionsBringNobodyBack(t *testing.T) {
	plan, other := patientPlan(t), patientPlan(t, "scores.churn > 0.5", "scores.churn > 0.4")
	rapid.Check(t, func(t *rapid.T) {
		history := lives{linking: true, events: 20, brief: true}.draw(t)
		w := world(4, rapid.Bool().Draw(t, "chained"), 0)
		end := live(t, w, plan, history, prompt(history)).Add(24 * 24 * time.Hour)
		do(t, w.Tick(end)) // some are shells by now
		do(t, w.Follow(other))
		end = end.Add(time.Hour)
		do(t, w.Tick(end))
		sameState(t, "edited here, naive there", stateOf(t, w, other, end), naiveState(history, other, end))
	})
}
