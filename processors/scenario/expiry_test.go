package scenario_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

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
		end := live(t, w, plan, history, prompt(history))
		sameState(t, "pipeline here, naive there", stateOf(t, w, plan, end), naiveState(history, plan, end))
	})
}

// People expire weeks after all has arrived: who is gone while something of
// them is still under way is for the order to say.
func TestTheOrderOfArrivalDoesNotShowInWhatIsLeftAfterExpiry(t *testing.T) {
	plan := patientPlan(t)
	rapid.Check(t, func(t *rapid.T) {
		history := lives{linking: true, events: 20, exact: true, brief: true}.draw(t)
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
		history := lives{events: 40}.draw(t)
		for i := range history {
			id := &history[i].Identifiers[0]
			id.Namespace = rapid.SampledFrom([]string{"device_id", "anonymous_id", "phone"}).Draw(t, "nameless")
		}
		slices.SortStableFunc(history, func(a, b schemas.Event) int { return int(a.Received - b.Received) })
		w := world(4, rapid.Bool().Draw(t, "chained"), 0)
		end := live(t, w, plan, history, prompt(history))
		do(t, w.Tick(end.Add(30*24*time.Hour)))
		for _, table := range tables {
			rows, err := w.Rows(table)
			do(t, err)
			for key := range rows {
				t.Fatalf("%s still holds %q", table, key)
			}
		}
		for i := range plan.Destinations {
			last := map[string][]byte{}
			messages, err := w.Read(topologies.Activations(plan.Destinations[i].Name).Name)
			do(t, err)
			for _, m := range messages {
				last[string(m.Key)] = m.Value
			}
			for key, value := range last {
				if len(value) > 0 {
					t.Fatalf("%s still holds %q once it is compacted", plan.Destinations[i].Name, key)
				}
			}
		}
	})
}
