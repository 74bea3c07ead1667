package scenario_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"kairos/processors/definition"
	"kairos/processors/scenario"
	"kairos/processors/scenario/naive"
	"kairos/schemas"
)

// grown plays a history on a broker, which gets more partitions twice in the
// middle of it, and then fewer, with everything under way: hosts are stopped
// before, or are put out.
func grown(t *testing.T, plan *definition.Plan, history []schemas.Event, seed int) (*scenario.Embedded, schemas.Instant) {
	t.Helper()
	if testing.Short() {
		t.Skip("some hundred events through an embedded broker")
	}
	w := embedded(t, scenario.Shape{Partitions: 2, Chained: true})
	do(t, w.Follow(plan))
	random := rand.New(rand.NewPCG(uint64(seed), 12))
	fifth := len(history) / 5
	growths := map[int]int32{fifth + random.IntN(fifth): 4, 2*fifth + random.IntN(fifth): 12, 3*fifth + random.IntN(fifth): 4}
	ticks := prompt(history)
	for i, e := range history {
		do(t, w.Put(input(t, e)))
		if at, over := ticks(i, e.Received); over {
			do(t, w.PutTick(at))
		}
		if partitions, grows := growths[i]; grows {
			do(t, w.Grow(partitions, random.IntN(2) == 0))
		}
	}
	end := history[len(history)-1].Received.Add(5 * 24 * time.Hour)
	do(t, w.Settle())
	do(t, w.Tick(end))
	return w, end
}

func TestACrowdThatGrowsIsWhatTheNaiveFoldSays(t *testing.T) {
	plan := lawPlan(t)
	for seed := range *crowds {
		history := crowd(lives{linking: true, events: 40, brief: true}, seed, 25)
		w, end := grown(t, plan, history, seed)
		if got, want := stateOf(t, w, plan, end), naiveState(history, plan, end); !slices.Equal(got, want) {
			t.Errorf("seed %d, %d events; grown here, naive there: states differ%s", seed, len(history), differences(got, want))
		}
	}
}

func TestACrowdThatGrowsEntersAndExitsOnTime(t *testing.T) {
	plan := lawPlan(t)
	for seed := range *crowds {
		history := crowd(lives{events: 40}, seed, 25)
		w, end := grown(t, plan, history, seed)
		var want []string
		for _, x := range naive.Transitions(history, plan, end) {
			want = append(want, fmt.Sprintf("%s %s %v rev=%d at %s", x.Person, x.Audience, x.Entered, x.Revision, x.At))
		}
		if got := transitions(t, w); !slices.Equal(got, want) {
			t.Errorf("seed %d, %d events, %d transitions wanted; grown here, naive there%s", seed, len(history), len(want), differences(got, want))
		}
	}
}

// The door keeps its partitions, so what was said of one identifier is read in
// the order in which it was said, before, during and after a growth.
func TestAGrowthLeavesTheTablesThatAWorldHasThatNeverGrew(t *testing.T) {
	plan := lawPlan(t)
	for seed := range *crowds {
		history := crowd(lives{events: 30}, seed, 10)
		w, _ := grown(t, plan, history, seed)
		never := world(4, true, 0)
		live(t, never, plan, history, prompt(history))
		for _, table := range tables {
			equalRows(t, table, w, never)
		}
		got, want := publicly(t, w, plan), publicly(t, never, plan)
		if !slices.Equal(got, want) {
			t.Errorf("seed %d: grown here, never grown there%s", seed, differences(got, want))
		}
	}
}

func equalRows(t *testing.T, table string, got, want scenario.World) {
	t.Helper()
	a, err := got.Rows(table)
	do(t, err)
	b, err := want.Rows(table)
	do(t, err)
	if len(b) == 0 {
		t.Errorf("%s has no rows: the history says nothing of it", table)
	}
	for key, row := range b {
		if string(a[key]) != string(row) {
			t.Errorf("%s, key %q: grown here\n%q\nnever grown there\n%q", table, key, a[key], row)
		}
	}
	if len(a) != len(b) {
		t.Errorf("%s has %d rows, without a growth %d", table, len(a), len(b))
	}
}
