package scenario_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kairos/processors/definition"
	"kairos/processors/scenario"
	"kairos/schemas"
	"kairos/topologies"
)

// The laws of groups. In these histories people merge, part and move house, and
// what they do comes late and again.

func householdPlan(t testing.TB) *definition.Plan {
	t.Helper()
	return compiled(t, households(t))
}

func households(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("testdata/households.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// expiringHouseholds is the plan where people without a name expire after that
// many days, and purchases do.
func expiringHouseholds(t testing.TB, days int) *definition.Plan {
	t.Helper()
	text := households(t) + "---\nkind: event\nname: purchase\nexpires: 11d\n"
	for _, name := range []string{"view", "cancel", "login"} {
		text += "---\nkind: event\nname: " + name + "\n"
	}
	for _, namespace := range []string{"phone, priority: 50, links: false", "device_id, priority: 20, links: true", "anonymous_id, priority: 10, links: true"} {
		text = strings.Replace(text, namespace, fmt.Sprintf("%s, expires: %dd", namespace, days), 1)
		days++
	}
	return compiled(t, text)
}

func TestWhoeverIsForgottenLeavesTheirGroups(t *testing.T) {
	plan := expiringHouseholds(t, 4)
	rapid.Check(t, func(t *rapid.T) {
		history := linking.draw(t)
		w := world(rapid.SampledFrom([]int32{1, 4, 12}).Draw(t, "partitions"), rapid.Bool().Draw(t, "chained"), 0)
		end := later(t, w, liveOnTime(t, w, plan, history))
		for range 3 {
			sameState(t, "pipeline here, naive there", stateOf(t, w, plan, end), naiveState(history, plan, end))
			end = later(t, w, end.Add(time.Duration(rapid.IntRange(0, 6*24).Draw(t, "later"))*time.Hour))
		}
	})
}

func TestTheOrderInWhichMembersAreHeardDoesNotShowInWhoIsForgotten(t *testing.T) {
	plan := expiringHouseholds(t, 24)
	rapid.Check(t, func(t *rapid.T) {
		history := lives{linking: true, events: 25, exact: true, brief: true}.draw(t)
		shuffled := rapid.Permutation(slices.Clone(history)).Draw(t, "order")
		w := world(rapid.SampledFrom([]int32{1, 4, 12}).Draw(t, "partitions"), rapid.Bool().Draw(t, "chained"), rapid.Uint64Min(1).Draw(t, "seed"))
		end := later(t, w, rush(t, w, plan, shuffled, never))
		for range 3 {
			sameState(t, "shuffled here, naive there", stateOf(t, w, plan, end), naiveState(history, plan, end))
			end = later(t, w, end.Add(time.Duration(rapid.IntRange(0, 15*24).Draw(t, "later"))*time.Hour))
		}
	})
}

// later lets time pass until t, and one tick more: whoever is forgotten at t is
// told to others through the loop, and those in several groups gather that.
func later(t TB, w *scenario.Pure, at schemas.Instant) schemas.Instant {
	t.Helper()
	do(t, w.Tick(at))
	do(t, w.Tick(at+1))
	return at + 1
}

// Nobody gives a name, so when all have been silent for long enough not even
// the rows of their groups are left.
func TestNoGroupOutlivesItsMembers(t *testing.T) {
	plan := expiringHouseholds(t, 4)
	rapid.Check(t, func(t *rapid.T) {
		history := lives{events: 40}.draw(t)
		for i := range history {
			history[i].Identifiers[0].Namespace = rapid.SampledFrom([]string{"device_id", "anonymous_id", "phone"}).Draw(t, "nameless")
		}
		w := world(4, rapid.Bool().Draw(t, "chained"), 0)
		end := live(t, w, plan, history, prompt(history))
		do(t, w.Tick(end.Add(30*24*time.Hour)))
		rows, err := w.Rows(topologies.ProfileTable.Name)
		do(t, err)
		for key := range rows {
			t.Fatalf("still there: %q", key)
		}
	})
}

func TestWhatMembersDidIsTheNaiveFoldOfTheHistory(t *testing.T) {
	plan := householdPlan(t)
	rapid.Check(t, func(t *rapid.T) {
		history := linking.draw(t)
		w := world(4, rapid.Bool().Draw(t, "chained"), 0)
		end := live(t, w, plan, history, prompt(history))
		sameState(t, "pipeline here, naive there", stateOf(t, w, plan, end), naiveState(history, plan, end))
	})
}

func TestTheOrderInWhichMembersComeAndGoDoesNotShow(t *testing.T) {
	plan := householdPlan(t)
	rapid.Check(t, func(t *rapid.T) {
		history := lives{linking: true, events: 40, exact: true, brief: true}.draw(t)
		seed := rapid.Uint64Min(1).Draw(t, "seed")
		shuffled := rapid.Permutation(slices.Clone(history)).Draw(t, "order")
		w := world(rapid.SampledFrom([]int32{1, 4}).Draw(t, "partitions"), rapid.Bool().Draw(t, "chained"), seed)
		end := rush(t, w, plan, shuffled, never)
		sameState(t, "shuffled here, naive there", stateOf(t, w, plan, end), naiveState(history, plan, end))
	})
}

// What a group says reaches its members through the loop. So, other than in
// TestPartitionsDoNotShowInAnyByteWhileNobodyMerges, each event is settled before
// the next: a member that has gone on hears later, and changes later.
func TestPartitionsDoNotShowInAnyByteOfAHouseholdWhileNobodyMerges(t *testing.T) {
	plan := householdPlan(t)
	rapid.Check(t, func(t *rapid.T) {
		history := lives{events: 40}.draw(t)
		one := world(1, true, 0)
		live(t, one, plan, history, prompt(history))
		for _, n := range []int32{4, 12} {
			// The seed says whose word comes first when several groups speak at once.
			more := world(n, rapid.Bool().Draw(t, "chained"), rapid.Uint64().Draw(t, "seed"))
			live(t, more, plan, history, prompt(history))
			sameTables(t, fmt.Sprint(n, " partitions here, one there"), more, one)
			sameState(t, fmt.Sprint(n, " partitions here, one there"), publicly(t, more, plan), publicly(t, one, plan))
		}
	})
}

func TestLateTimersDoNotShowInAHouseholdWhileNobodyMerges(t *testing.T) {
	plan := householdPlan(t)
	rapid.Check(t, func(t *rapid.T) {
		history := lives{events: 40}.draw(t)
		onTime, late := world(4, true, 0), world(4, true, rapid.Uint64().Draw(t, "seed"))
		live(t, onTime, plan, history, prompt(history))
		live(t, late, plan, history, never)
		sameState(t, "late here, prompt there", publicly(t, late, plan), publicly(t, onTime, plan))
		sameTables(t, "late here, prompt there", late, onTime)
	})
}

// visit is a history twice: in one a guest moves in and out again, in the other
// the guest does the same and has never moved in.
func visit(history []schemas.Event, in, out int, home schemas.Property) (moved, stayed []schemas.Event) {
	stayed = slices.Clone(history)
	for n, at := range []int{min(in, out), max(in, out)} {
		e := schemas.Event{
			ID: fmt.Sprint("guest", n), Name: "view", Source: "web", Time: beginning.Add(25 * time.Hour),
			Identifiers: []schemas.Identifier{{Namespace: "crm_id", Value: "guest"}},
			Properties:  schemas.Properties{{Name: "amount", Value: schemas.NumberOf(20)}, {Name: "category", Value: schemas.TextOf("hats")}}, // which are no account
		}
		if at > 0 {
			e.Time = stayed[at-1+n].Received
		}
		e.Received = e.Time
		stayed = slices.Insert(stayed, at+n, e)
	}
	moved = slices.Clone(stayed)
	for i := range moved {
		e := &moved[i]
		switch {
		case e.Identifiers[0].Value != "guest":
		case home.Name == "city" && e.ID == "guest0":
			e.Attributes = schemas.Properties{home}
		case home.Name == "city":
			e.Attributes = schemas.Properties{{Name: "city"}}
		case e.ID == "guest0":
			e.Properties = slices.Clone(e.Properties).Set(home.Name, home.Value)
		}
	}
	return moved, stayed
}

var homes = []schemas.Property{{Name: "city", Value: schemas.TextOf("Lyon")}, {Name: "category", Value: schemas.TextOf("boots")}}

func TestWhoeverLeftHasNeverBeenThere(t *testing.T) {
	plan := householdPlan(t)
	rapid.Check(t, func(t *rapid.T) {
		history := linking.draw(t)
		when := rapid.IntRange(0, len(history))
		moved, stayed := visit(history, when.Draw(t, "in"), when.Draw(t, "out"), rapid.SampledFrom(homes).Draw(t, "home"))
		n, chained := rapid.SampledFrom([]int32{1, 4, 12}).Draw(t, "partitions"), rapid.Bool().Draw(t, "chained")
		never, left := world(n, chained, 0), world(n, chained, 0)
		end := live(t, never, plan, stayed, prompt(stayed))
		live(t, left, plan, moved, prompt(moved))
		sameState(t, "moved out here, never moved in there", stateOf(t, left, plan, end), stateOf(t, never, plan, end))
		sameState(t, "moved out here, never moved in there", groupRows(t, left), groupRows(t, never))
		sameState(t, "moved out here, naive there", stateOf(t, left, plan, end), naiveState(stayed, plan, end))
	})
}

func TestOnABrokerWhoeverLeftHasNeverBeenThere(t *testing.T) {
	plan := householdPlan(t)
	onEachNumberOfPartitions(t, func(t *testing.T, shape scenario.Shape, seed int) {
		history := crowdOfHouseholds(seed, 8)
		home := homes[seed%2]
		home.Value = schemas.TextOf(home.Value.Text + ofGroup(history[0]))
		moved, stayed := visit(history, len(history)/3, len(history)*2/3, home)
		w := embedded(t, shape)
		end := interrupted(t, w, plan, moved, seed)
		if got, want := stateOf(t, w, plan, end), naiveState(stayed, plan, end); !slices.Equal(got, want) {
			t.Errorf("moved out on a broker here, naively never moved in there: states differ%s", differences(got, want))
		}
		for _, row := range groupRows(t, w) {
			if strings.Contains(row, "guest") {
				t.Errorf("still there: %s", row)
			}
		}
	})
}

// groupRows shows the rows of groups to the last byte, but for the time of the
// last step and when each member joined: those are of what truly happened.
func groupRows(t TB, w scenario.World) []string {
	t.Helper()
	rows, err := w.Rows(topologies.ProfileTable.Name)
	do(t, err)
	var all []string
	for key, encoded := range rows {
		row, err := schemas.ProfileRowCodec.Decode(encoded)
		do(t, err)
		if row.Group == nil {
			continue
		}
		row.Now = 0
		encoded, err = schemas.ProfileRowCodec.Append(nil, row)
		do(t, err)
		all = append(all, fmt.Sprintf("%q %q", key, encoded))
	}
	slices.Sort(all)
	return all
}

func TestHouseholdsOnABrokerAreWhatTheNaiveFoldSays(t *testing.T) {
	plan := householdPlan(t)
	onEachNumberOfPartitions(t, func(t *testing.T, shape scenario.Shape, seed int) {
		history := crowdOfHouseholds(seed, 15)
		w := embedded(t, shape)
		end := interrupted(t, w, plan, history, seed)
		if got, want := stateOf(t, w, plan, end), naiveState(history, plan, end); !slices.Equal(got, want) {
			t.Errorf("%d events; broker here, naive there: states differ%s", len(history), differences(got, want))
		}
	})
}

// crowdOfHouseholds is a crowd in which each group of people has homes and
// accounts of its own.
func crowdOfHouseholds(seed, groups int) []schemas.Event {
	history := crowd(lives{linking: true, events: 40, brief: true}, seed, groups)
	for i := range history {
		e := &history[i]
		of := ofGroup(*e)
		e.Attributes, e.Properties = ofTheirOwn(e.Attributes, "city", of), ofTheirOwn(e.Properties, "category", of)
	}
	return history
}

func ofGroup(e schemas.Event) string { return e.Identifiers[0].Value[1:] }

func ofTheirOwn(list schemas.Properties, name, of string) schemas.Properties {
	if v := list.Get(name); v.Kind == schemas.Text {
		return slices.Clone(list).Set(name, schemas.TextOf(v.Text+of))
	}
	return list
}
