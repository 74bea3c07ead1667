package population

import (
	"cmp"
	"reflect"
	"slices"
	"testing"

	"kairos/schemas"
)

const noon = schemas.Instant(1_772_366_400_000)

func story(t *testing.T, seed uint64) []*schemas.Event {
	t.Helper()
	p, err := New(500, seed)
	if err != nil {
		t.Fatal(err)
	}
	var all []*schemas.Event
	for number := range 500 {
		all = append(all, p.Arrival(number, noon)...)
	}
	for range 5_000 {
		all = append(all, p.Next(noon))
	}
	return append(all, p.Beacon(3, true, noon))
}

func TestTheSameSeedTellsTheSameStory(t *testing.T) {
	if !reflect.DeepEqual(story(t, 1), story(t, 1)) {
		t.Error("seed 1 tells two stories")
	}
	if reflect.DeepEqual(story(t, 1), story(t, 2)) {
		t.Error("the seed does not matter")
	}
}

// Load figures are per person and per event: neither may be other than it seems.
func TestNobodyIsLinkedWithSomebodyElse(t *testing.T) {
	owner := map[string]int{}
	p, err := New(2_000, 1)
	if err != nil {
		t.Fatal(err)
	}
	for number := range 2_000 {
		for _, e := range p.Arrival(number, noon) {
			for _, name := range e.Identifiers {
				if known, ok := owner[name.String()]; ok && known != number {
					t.Fatalf("%s belongs to %d and %d", name, known, number)
				}
				owner[name.String()] = number
			}
		}
	}
	for range 20_000 {
		e := p.Next(noon)
		first := owner[e.Identifiers[0].String()]
		for _, name := range e.Identifiers {
			if known, ok := owner[name.String()]; !ok || known != first {
				t.Fatalf("%s links %v: not one person's", e.ID, e.Identifiers)
			}
		}
	}
}

func TestEveryEventCanBeWrittenAndHasAnIDOfItsOwn(t *testing.T) {
	seen := map[string]bool{}
	names := map[string]bool{}
	for _, e := range story(t, 3) {
		if seen[e.ID] {
			t.Fatalf("%s happens twice", e.ID)
		}
		seen[e.ID], names[e.Name] = true, true
		if e.Time > e.Received {
			t.Fatalf("%s is from the future", e.ID)
		}
		for _, list := range []schemas.Properties{e.Properties, e.Attributes} {
			if !slices.IsSortedFunc(list, func(a, b schemas.Property) int { return cmp.Compare(a.Name, b.Name) }) {
				t.Fatalf("%s has properties out of order: %v", e.ID, list)
			}
		}
		if _, err := schemas.EventCodec.Append(nil, e); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"login", "view", "cart", "purchase", "refund", "cancel", "beacon"} {
		if !names[name] {
			t.Errorf("nobody ever does %q", name)
		}
	}
}
