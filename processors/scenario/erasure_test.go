package scenario_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kairos/processors/definition"
	"kairos/processors/identity"
	"kairos/processors/scenario"
	"kairos/schemas"
	"kairos/topologies"
)

// LAW: after an erasure, tables and what destinations know are those of a
// history in which this person never was.
func TestWhoeverIsErasedNeverWas(t *testing.T) { neverWas(t, lawPlan(t)) }

func TestWhoeverIsErasedNeverWasInAHousehold(t *testing.T) { neverWas(t, householdPlan(t)) }

func neverWas(t *testing.T, plan *definition.Plan) {
	t.Helper()
	left := 0
	rapid.Check(t, func(t *rapid.T) {
		history := linking.draw(t)
		w := world(4, rapid.Bool().Draw(t, "chained"), rapid.Uint64().Draw(t, "seed"))
		end := live(t, w, plan, history, prompt(history))
		people := peopleOf(t, w)
		if len(people) == 0 {
			return
		}
		asked := rapid.SampledFrom(slices.Sorted(maps.Keys(people))).Draw(t, "erased")
		erased := func(key string) bool { return people[key] == people[asked] }
		end = end.Add(time.Hour)
		eraseAll(t, w, people, erased, end)
		end = later(t, w, end)
		want := naiveState(without(history, plan, erased), plan, end)
		known := map[string]bool{}
		for _, line := range want {
			id, _, _ := strings.Cut(line, " ")
			known[id] = true
		}
		got := slices.DeleteFunc(stateOf(t, w, plan, end), func(line string) bool {
			id, _, _ := strings.Cut(line, " ")
			return !known[id] // only heard of, from events of the erased: nobody without them
		})
		sameState(t, "erased here, never there", got, want)
		nothingLeft(t, w, people, erased)
		if len(want) > 0 {
			left++
		}
	})
	if left == 0 {
		t.Fatal("nobody was ever left: the lives are too dull to prove anything")
	}
}

func peopleOf(t TB, w scenario.World) map[string]string {
	t.Helper()
	rows, err := w.Rows(topologies.IdentityTable.Name)
	do(t, err)
	people := map[string]string{}
	for key, value := range rows {
		row, err := schemas.IdentityRowCodec.Decode(value)
		do(t, err)
		if row.Arrived {
			people[key] = row.Person
		}
	}
	return people
}

// without is the history of a world in which identifiers never were: what was
// told under one of them did not happen, and nothing else names them.
func without(history []schemas.Event, plan *definition.Plan, erased func(string) bool) []schemas.Event {
	var left []schemas.Event
	for _, e := range history {
		primary := slices.MinFunc(e.Identifiers, func(a, b schemas.Identifier) int {
			x, y := ruleOf(plan, a), ruleOf(plan, b)
			links := map[bool]int{true: 0, false: 1}
			return cmp.Or(links[x.Links]-links[y.Links], cmp.Compare(y.Priority, x.Priority), cmp.Compare(a.String(), b.String()))
		})
		kept := slices.DeleteFunc(slices.Clone(e.Identifiers), func(id schemas.Identifier) bool { return erased(id.String()) })
		command := strings.HasPrefix(e.Name, "$")
		if !command && erased(primary.String()) || command && len(kept) < len(e.Identifiers) {
			continue
		}
		e.Identifiers = kept
		left = append(left, e)
	}
	return left
}

// eraseAll says the word for each identifier, as `kairos erase` does, twice.
func eraseAll(t TB, w scenario.World, people map[string]string, erased func(string) bool, at schemas.Instant) {
	t.Helper()
	for round := range 2 {
		for _, key := range slices.Sorted(maps.Keys(people)) {
			if erased(key) {
				do(t, w.Send(input(t, schemas.Event{
					ID: fmt.Sprintf("erase %d %s", round, key), Name: "$erase", Time: at, Received: at, Source: "operator",
					Identifiers: []schemas.Identifier{schemas.IdentifierOf(key)},
				})))
			}
		}
	}
}

// nothingLeft looks for rows of the erased and for their identifiers in others'.
func nothingLeft(t *rapid.T, w scenario.World, people map[string]string, erased func(string) bool) {
	t.Helper()
	for _, table := range tables {
		rows, err := w.Rows(table)
		do(t, err)
		for key, row := range rows {
			for id, person := range people {
				if erased(id) && (key == id || key == person || key == identity.PersonOf(id) || strings.Contains(strings.ReplaceAll(string(row), id+"x", ""), id)) { // a mistyped command names ax
					t.Fatalf("%s: the row of %s is left of %s, or names it: %q", table, key, id, row)
				}
			}
		}
	}
}
