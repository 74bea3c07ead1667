package profile_test

import (
	"fmt"
	"strings"
	"testing"

	"kairos/processors/expression"
	"kairos/processors/profile"
	"kairos/schemas"
)

const bound = 512 << 10

func TestARowKeepsItsBoundWhateverComes(t *testing.T) {
	plan := twentyTerms()
	w := newWorld(t, plan)
	largest := 0
	at := start
	for k := range 12 { // identifiers with as much of everything as they take
		identifier := fmt.Sprintf("cookie:%03d", k)
		for i := range 60 {
			at += minute
			m := event(sarah, identifier, []string{"purchase", "look", "open"}[i%3], fmt.Sprint(k, "-", i), at,
				text("campaign", strings.Repeat("c", 250)), text("page", strings.Repeat("x", 1500)), number("amount", float64(i)))
			for a := range 5 {
				m.Event.Attributes = m.Event.Attributes.Set(fmt.Sprintf("a%03d", (i*5+a)%200), schemas.TextOf(strings.Repeat("v", 300)))
			}
			w.hear(m)
			largest = max(largest, len(w.rows[sarah]))
		}
	}
	w.calm()
	t.Logf("largest row %d bytes, drops %v", largest, w.drops)
	if largest > bound {
		t.Errorf("a row of %d bytes", largest)
	}
	if w.drops[profile.DropRowFull] == 0 {
		t.Error("nothing was counted")
	}
	for _, term := range plan.Terms {
		if term.Aggregate == expression.Count && term.Window == 0 && term.Series.Event == "purchase" {
			if got := w.told(plan, sarah).features[term.ID]; got != schemas.NumberOf(12*20) {
				t.Errorf("%s is %v: counts for ever survive the bound", term.Canonical, got)
			}
		}
	}
}

func TestAHotIdentifierStaysSmall(t *testing.T) {
	plan := twentyTerms()
	w := newWorld(t, plan)
	const events = 1500
	for i := range schemas.Instant(events) {
		w.hear(event(sarah, mail, "purchase", fmt.Sprint(i), start+i*2*hour, number("amount", 1), number("cds", float64(i%7))))
	}
	t.Logf("row of %d bytes after %d events in %d days", len(w.rows[sarah]), events, events/12)
	if len(w.rows[sarah]) > 32<<10 {
		t.Errorf("a row of %d bytes", len(w.rows[sarah]))
	}
}

func TestOnlyTheOldestEventIDsAreForgotten(t *testing.T) {
	w := newWorld(t, planOf())
	const events, most = 4100, 4096
	for i := range schemas.Instant(events) {
		w.hear(event(sarah, mail, "look", fmt.Sprint(int(i)), start+i))
	}
	if forgotten := w.drops[profile.DropForgotten]; forgotten != events-most {
		t.Errorf("%d event ids were forgotten, want %d", forgotten, events-most)
	}
	w.hear(event(sarah, mail, "look", "4", start+events))
	w.hear(event(sarah, mail, "look", "3", start+events))
	if w.drops[profile.DropDuplicate] != 1 || w.row(sarah).Fragments[0].Events != events+1 {
		t.Errorf("drops %v, %d events: want the fifth recognised and the fourth not", w.drops, w.row(sarah).Fragments[0].Events)
	}
}

func TestAttributesAreBounded(t *testing.T) {
	w := newWorld(t, planOf())
	m := says(mail, "1", "web", start, text("long", strings.Repeat("x", 3000)))
	for i := range 250 {
		m.Event.Attributes = m.Event.Attributes.Set(fmt.Sprintf("a%03d", i), schemas.NumberOf(1))
	}
	w.hear(m)
	x := w.told(planOf(), sarah)
	if len(x.attributes) != 200 || w.drops[profile.DropAttributeTooLong] != 1 || w.drops[profile.DropAttributesFull] != 1 {
		t.Errorf("%d attributes, drops %v", len(x.attributes), w.drops)
	}
	if _, kept := x.attributes["a199"]; !kept {
		t.Error("the names that come first are kept")
	}
}
