package profile_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"kairos/loadtest/population"
	"kairos/processors/profile"
	"kairos/schemas"
)

// TestRowsOfTheLoadPopulationStaySmall gives each person of the load test's
// population a year of events in its own proportions.
func TestRowsOfTheLoadPopulationStaySmall(t *testing.T) {
	people, perPerson := 1000, 50
	if testing.Short() {
		people = 200
	}
	p, err := population.New(people, 7)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, twentyTerms())
	hear := func(e *schemas.Event) {
		person := strings.Split(e.Identifiers[len(e.Identifiers)-1].Value, "-")[1]
		w.hear(schemas.PersonEvent{Person: person, Identifier: e.Identifiers[0].String(), Cause: e.Received, Event: e})
	}
	at := start
	for i := range people {
		for _, e := range p.Arrival(i, at) {
			hear(e)
		}
	}
	events := people * perPerson
	for range events {
		at += 365 * day / schemas.Instant(events)
		hear(p.Next(at))
	}
	w.calm()
	sizes := make([]int, 0, people)
	for _, row := range w.rows {
		sizes = append(sizes, len(row))
	}
	slices.Sort(sizes)
	half, p99, largest := sizes[len(sizes)/2], sizes[len(sizes)*99/100], sizes[len(sizes)-1]
	t.Logf("%d people, %d events each: rows of %d bytes half of the time, %d in 99 of 100, %d at most; drops %v", people, perPerson, half, p99, largest, w.drops)
	if p99 > 8<<10 || largest > 32<<10 || len(w.drops) > 0 {
		t.Errorf("rows of %d bytes in 99 of 100, one of %d, drops %v", p99, largest, w.drops)
	}
}

// Each hostile key must keep its row below the bound and have what was cut
// counted.
func TestHostileKeysKeepTheBoundAndEveryCutIsCounted(t *testing.T) {
	hot := 5_000
	if os.Getenv("KAIROS_LONG") != "" { // minutes
		hot = 1_000_000
	}
	identifier := func(i int) string { return fmt.Sprintf("cookie:%04d", i) }
	for name, c := range map[string]struct {
		events  int
		event   func(i int) schemas.PersonEvent
		reasons []string // that must have been counted
	}{
		"a hot key": {hot, func(i int) schemas.PersonEvent {
			return event(sarah, mail, []string{"purchase", "look", "open"}[i%3], fmt.Sprint(i), start+schemas.Instant(i)*second, number("amount", float64(i)), text("campaign", fmt.Sprint(i)))
		}, []string{profile.DropForgotten}},
		"a hundred hot identifiers": {6_000, func(i int) schemas.PersonEvent {
			return event(sarah, identifier(i%100), []string{"purchase", "look", "open"}[i%3], fmt.Sprint(i), start+schemas.Instant(i)*second, number("amount", float64(i)), text("campaign", strings.Repeat("x", 300)))
		}, []string{profile.DropRowFull}},
		"ten thousand attributes": {1000, func(i int) schemas.PersonEvent {
			m := event(sarah, identifier(i%100), "profile", fmt.Sprint(i), start+schemas.Instant(i)*second)
			for k := range 10 {
				m.Event.Attributes = m.Event.Attributes.Set(fmt.Sprintf("a%05d", i*10+k), schemas.TextOf(strings.Repeat("v", 2000)))
			}
			return m
		}, []string{profile.DropRowFull}},
		"ten thousand attributes of one identifier": {100, func(i int) schemas.PersonEvent {
			m := event(sarah, mail, "profile", fmt.Sprint(i), start+schemas.Instant(i)*second)
			for k := range 100 {
				m.Event.Attributes = m.Event.Attributes.Set(fmt.Sprintf("a%05d", i*100+k), schemas.TextOf(strings.Repeat("v", 1000)))
			}
			return m
		}, []string{profile.DropAttributesFull}},
		"values of a quarter of a megabyte": {300, func(i int) schemas.PersonEvent {
			m := event(sarah, identifier(i%10), "purchase", fmt.Sprint(i), start+schemas.Instant(i)*second, text("campaign", strings.Repeat("y", 256<<10)))
			m.Event.Attributes = schemas.Properties{{Name: "bio", Value: schemas.TextOf(strings.Repeat("z", 256<<10))}}
			return m
		}, []string{profile.DropCut, profile.DropAttributeTooLong}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, twentyTerms())
			largest := 0
			for i := range c.events {
				w.hear(c.event(i))
				w.changes = nil
				largest = max(largest, len(w.rows[sarah]))
			}
			w.calm()
			t.Logf("%d events: a row of %d bytes at most, %d at the end; drops %v", c.events, largest, len(w.rows[sarah]), w.drops)
			if largest > bound {
				t.Errorf("a row of %d bytes", largest)
			}
			for _, reason := range c.reasons {
				if w.drops[reason] == 0 {
					t.Errorf("%s was not counted, only %v", reason, slices.Sorted(maps.Keys(w.drops)))
				}
			}
		})
	}
}
