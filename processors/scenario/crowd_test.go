package scenario_test

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kairos/processors/definition"
	"kairos/processors/flow"
	"kairos/processors/scenario"
	"kairos/processors/scenario/naive"
	"kairos/schemas"
	"kairos/topologies"
)

// The laws on an embedded broker: many small groups of people live at the same
// time, everything is under way at once, and hosts are interrupted.

var (
	crowds = flag.Int("crowds", 1, "crowds to try per number of partitions")
	groups = flag.Int("groups", 25, "groups of people in the crowds that are forgotten")
)

// crowd merges the lives of many groups of people, who share no identifier,
// into one history.
func crowd(l lives, seed, groups int) []schemas.Event {
	draw := rapid.Custom(l.draw)
	var history []schemas.Event
	for g := range groups {
		for _, e := range draw.Example(seed*1000 + g) {
			e.ID = fmt.Sprintf("g%d-%s", g, e.ID)
			e.Identifiers = slices.Clone(e.Identifiers)
			for i := range e.Identifiers {
				e.Identifiers[i].Value += fmt.Sprint(g)
			}
			history = append(history, e)
		}
	}
	slices.SortStableFunc(history, func(a, b schemas.Event) int { return cmp.Compare(a.Received, b.Received) })
	return history
}

// interrupted plays a history on a broker in a few rushes, with an interruption
// in the middle of each.
func interrupted(t *testing.T, w *scenario.Embedded, plan *definition.Plan, history []schemas.Event, seed int) schemas.Instant {
	t.Helper()
	do(t, w.Follow(plan))
	random := rand.New(rand.NewPCG(uint64(seed), 1))
	ticks := prompt(history)
	for i, e := range history {
		do(t, w.Put(input(t, e)))
		if at, over := ticks(i, e.Received); over {
			do(t, w.PutTick(at))
		}
		if random.IntN(100) == 0 {
			do(t, w.Interrupt())
		}
	}
	end := history[len(history)-1].Received.Add(5 * 24 * time.Hour)
	do(t, w.Settle())
	do(t, w.Tick(end))
	return end
}

func embedded(t *testing.T, shape scenario.Shape) *scenario.Embedded {
	t.Helper()
	w, err := scenario.NewEmbedded(shape, flow.Runner, t.TempDir())
	do(t, err)
	t.Cleanup(func() { do(t, w.Close()) })
	return w
}

func onEachNumberOfPartitions(t *testing.T, test func(t *testing.T, shape scenario.Shape, seed int)) {
	if testing.Short() {
		t.Skip("some hundred events through an embedded broker")
	}
	for _, n := range []int32{1, 4, 12} {
		for seed := range *crowds {
			shape := scenario.Shape{Partitions: n, Chained: (int(n)+seed)%2 == 0}
			t.Run(fmt.Sprintf("%d partitions, chained %v, seed %d", n, shape.Chained, seed), func(t *testing.T) { test(t, shape, seed) })
		}
	}
}

func TestACrowdOnABrokerIsWhatTheNaiveFoldSays(t *testing.T) {
	plan := lawPlan(t)
	onEachNumberOfPartitions(t, func(t *testing.T, shape scenario.Shape, seed int) {
		history := crowd(lives{linking: true, events: 40, brief: true}, seed, 25)
		w := embedded(t, shape)
		end := interrupted(t, w, plan, history, seed)
		got, want := stateOf(t, w, plan, end), naiveState(history, plan, end)
		if !slices.Equal(got, want) {
			do(t, w.Restart()) // tells what is lost from what was only waited for too little
			later := differences(stateOf(t, w, plan, end), want)
			t.Errorf("%d events; broker here, naive there: states differ%s\nand after a restart:%s", len(history), differences(got, want), later)
		}
		told, commands := 0, 0
		for _, e := range history {
			if e.Source == "operator" {
				commands++
			}
		}
		messages, err := w.Read(topologies.PersonEvents.Name)
		do(t, err)
		for _, m := range messages {
			e, err := schemas.PersonEventCodec.Decode(m.Value)
			do(t, err)
			if e.Event != nil {
				told++
			}
		}
		if told+commands != len(history) {
			t.Errorf("%d events in, %d of them commands, %d told on", len(history), commands, told)
		}
	})
}

func TestACrowdOnABrokerEntersAndExitsOnTime(t *testing.T) {
	plan := lawPlan(t)
	onEachNumberOfPartitions(t, func(t *testing.T, shape scenario.Shape, seed int) {
		history := crowd(lives{events: 40}, seed, 25)
		w := embedded(t, shape)
		end := interrupted(t, w, plan, history, seed)
		var want []string
		for _, x := range naive.Transitions(history, plan, end) {
			want = append(want, fmt.Sprintf("%s %s %v rev=%d at %s", x.Person, x.Audience, x.Entered, x.Revision, x.At))
		}
		if got := transitions(t, w); !slices.Equal(got, want) {
			t.Errorf("%d events, %d transitions wanted; broker here, naive there%s", len(history), len(want), differences(got, want))
		}
	})
}

// naiveStateOfGroups is naiveState of a crowd, group by group: they share no
// identifier, and what naive does grows faster than a history.
func naiveStateOfGroups(history []schemas.Event, plan *definition.Plan, at schemas.Instant) []string {
	of := map[string][]schemas.Event{}
	for _, e := range history {
		group, _, _ := strings.Cut(e.ID, "-")
		of[group] = append(of[group], e)
	}
	var lines []string
	for _, events := range of {
		lines = append(lines, naiveState(events, plan, at)...)
	}
	slices.Sort(lines)
	return lines
}

// Merges, unlinks, late and repeated events, sessions, lists, wrong types and
// expiry, all at once: the histories that are told in thousands.
func TestACrowdOnABrokerIsForgottenAsTheNaiveFoldSays(t *testing.T) {
	plan := patientPlan(t)
	onEachNumberOfPartitions(t, func(t *testing.T, shape scenario.Shape, seed int) {
		history := crowd(lives{linking: true, events: 20, brief: true, tablets: true, typos: true}, seed, *groups)
		w := embedded(t, shape)
		end := interrupted(t, w, plan, history, seed)
		for range 4 {
			if got, want := stateOf(t, w, plan, end), naiveStateOfGroups(history, plan, end); !slices.Equal(got, want) {
				t.Fatalf("%d events, at %s; broker here, naive there: states differ%s", len(history), end, differences(got, want))
			}
			end = end.Add(9 * 24 * time.Hour)
			do(t, w.Tick(end))
		}
	})
}
