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
	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// conserves says whether what went in is what is counted, to the event.
func conserves(t TB, w *scenario.Pure, history []schemas.Event) {
	t.Helper()
	drops := w.Drops()
	told := 0
	messages, err := w.Read(topologies.PersonEvents.Name)
	do(t, err)
	for _, m := range messages {
		e, err := schemas.PersonEventCodec.Decode(m.Value)
		do(t, err)
		if e.Event != nil {
			told++
		}
	}
	lost := drops[stage.Drop{Stage: "identity", Reason: "command"}] + drops[stage.Drop{Stage: "identity", Reason: "blocked"}]
	if told+lost != len(history) {
		t.Fatalf("%d events in, %d told on, %d dropped: %v", len(history), told, lost, drops)
	}
	counted := 0
	rows, err := w.Rows(topologies.ProfileTable.Name)
	do(t, err)
	for _, encoded := range rows {
		row, err := schemas.ProfileRowCodec.Decode(encoded)
		do(t, err)
		for _, f := range row.Fragments {
			counted += int(f.Events)
		}
		if len(row.Parked) > 0 {
			t.Fatalf("at rest, and %d messages wait for a fragment", len(row.Parked))
		}
	}
	if duplicates := drops[stage.Drop{Stage: "profile", Reason: "duplicate"}]; counted+duplicates != told {
		t.Fatalf("%d events told, %d counted, %d duplicates: %v", told, counted, duplicates, drops)
	}
}

// merging are people, each with an e-mail address, whom links make one.
type merging struct {
	people int
	shape  string // of the links between them
}

func (m merging) links() (pairs [][2]int) {
	for i := 1; i < m.people; i++ {
		switch m.shape {
		case "chain", "ring":
			pairs = append(pairs, [2]int{i - 1, i})
		case "star":
			pairs = append(pairs, [2]int{0, i})
		case "pairs of pairs":
			pairs = append(pairs, [2]int{(i - 1) / 2, i})
		}
	}
	if m.shape == "ring" {
		pairs = append(pairs, [2]int{m.people - 1, 0})
	}
	return pairs
}

// draw has everybody live while the links come in any order, all at one moment.
func (m merging) draw(t *rapid.T, unlinks int) []schemas.Event {
	now := beginning.Add(24 * time.Hour)
	email := func(i int) schemas.Identifier {
		return schemas.Identifier{Namespace: "email", Value: fmt.Sprint("p", i)}
	}
	var history []schemas.Event
	add := func(name string, ids ...schemas.Identifier) {
		history = append(history, schemas.Event{
			ID: fmt.Sprint("e", len(history)), Name: name, Time: now, Received: now, Source: "web", Identifiers: ids,
			Properties: schemas.Properties{{Name: "amount", Value: schemas.NumberOf(1)}},
		})
	}
	live := func() {
		for range rapid.IntRange(1, 4).Draw(t, "lives") {
			add("purchase", email(rapid.IntRange(0, m.people-1).Draw(t, "who")))
		}
	}
	for i := range m.people {
		add("purchase", email(i))
	}
	pairs := rapid.Permutation(m.links()).Draw(t, "links")
	for _, pair := range pairs {
		live()
		add("login", email(pair[0]), email(pair[1]))
	}
	for i := range min(unlinks, len(pairs)) {
		live()
		add("$unlink", email(pairs[i][0]), email(pairs[i][1]))
		e := &history[len(history)-1]
		e.Source, e.Properties = "operator", schemas.Properties{{Name: "why", Value: schemas.TextOf("test")}}
	}
	live()
	return history
}

const mergingDefinitions = `
kind: identity
namespaces: [{name: email, priority: 90}]
---
kind: audience
name: buyer
when: events("purchase").count() >= 3
---
kind: audience
name: spender
when: events("purchase").within("3d").sum("amount") > 5.0
`

func TestMergesOfSeveralPeopleAtOnceLoseAndDoubleNothing(t *testing.T) {
	plan := compiled(t, mergingDefinitions)
	rapid.Check(t, func(t *rapid.T) {
		m := merging{
			people: rapid.IntRange(3, 8).Draw(t, "people"),
			shape:  rapid.SampledFrom([]string{"chain", "ring", "star", "pairs of pairs"}).Draw(t, "shape"),
		}
		unlinks := rapid.SampledFrom([]int{0, 0, 1, 3}).Draw(t, "unlinks")
		history := m.draw(t, unlinks)
		w := world(rapid.SampledFrom([]int32{1, 4, 12}).Draw(t, "partitions"), rapid.Bool().Draw(t, "chained"), rapid.Uint64Min(1).Draw(t, "seed"))
		end := rush(t, w, plan, history, never)
		conserves(t, w, history)
		sameState(t, fmt.Sprintf("%+v, %d unlinked: pipeline here, naive there", m, unlinks), stateOf(t, w, plan, end), naiveState(history, plan, end))
		if unlinks > 0 {
			return
		}
		rows, err := w.Rows(topologies.IdentityTable.Name)
		do(t, err)
		people := map[string]bool{}
		for _, encoded := range rows {
			row, err := schemas.IdentityRowCodec.Decode(encoded)
			do(t, err)
			people[row.Person] = true
		}
		if len(people) != 1 {
			t.Fatalf("%+v became %d people", m, len(people))
		}
	})
}

// stricter compiles the definitions of the laws with rules that part people,
// or that join those whom the laws' part.
func stricter(t testing.TB) *definition.Plan {
	t.Helper()
	text, err := os.ReadFile("testdata/laws.yaml")
	do(t, err)
	return compiled(t, strings.NewReplacer("per_person: 2", "per_person: 1", "max_identifiers: 6", "max_identifiers: 3",
		"priority: 100, per_person: 1", "priority: 100, per_person: 3").Replace(string(text)))
}

// People whom changed rules part were never one, and those whom they join
// always were: in audiences, figures, scores and destinations as well.
func TestAfterAChangeOfIdentityRulesAllIsAsIfItHadAlwaysBeenSo(t *testing.T) {
	plan, other := lawPlan(t), stricter(t)
	changed := 0
	rapid.Check(t, func(t *rapid.T) {
		history := linking.draw(t)
		w := world(4, rapid.Bool().Draw(t, "chained"), rapid.Uint64().Draw(t, "seed"))
		end := live(t, w, plan, history, never)
		do(t, w.Follow(other))
		end = end.Add(24 * time.Hour)
		do(t, w.Tick(end))
		sameState(t, "changed here, naive there", stateOf(t, w, other, end), naiveState(history, other, end))
		if !slices.Equal(naiveState(history, plan, end), naiveState(history, other, end)) {
			changed++
		}
		do(t, w.Follow(plan))
		end = end.Add(24 * time.Hour)
		do(t, w.Tick(end))
		sameState(t, "changed back here, naive there", stateOf(t, w, plan, end), naiveState(history, plan, end))
	})
	if changed == 0 && !testing.Short() {
		t.Error("no change changed anything")
	}
}
