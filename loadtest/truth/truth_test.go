package truth_test

import (
	"reflect"
	"testing"

	"kairos/loadtest/truth"
	"kairos/schemas"
)

func population(t *testing.T, people, events int, seed uint64) *truth.Population {
	t.Helper()
	p, err := truth.New(truth.Config{People: people, Events: events, Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func all(p *truth.Population) []truth.Told {
	var told []truth.Told
	for t := range p.Events() {
		told = append(told, t)
	}
	return told
}

func TestTheSameSeedGivesTheSameYear(t *testing.T) {
	a, b, other := all(population(t, 200, 5000, 1)), all(population(t, 200, 5000, 1)), all(population(t, 200, 5000, 2))
	if !reflect.DeepEqual(a, b) || reflect.DeepEqual(a, other) {
		t.Error("years of one seed differ, or those of two do not")
	}
	if len(a) != 5000 {
		t.Errorf("%d events instead of 5000", len(a))
	}
	for i := 1; i < len(a); i++ {
		if a[i].Event.Received < a[i-1].Event.Received {
			t.Fatalf("event %d comes before the one before it", i)
		}
	}
}

// What the measurement is about has to happen: otherwise protections protect
// from nothing.
func TestWhatGoesWrongInAShopHappens(t *testing.T) {
	owners, foreign := map[schemas.Identifier]map[int]bool{}, map[schemas.Identifier]map[int]bool{}
	alone, known := map[schemas.Identifier]bool{}, map[schemas.Identifier]bool{}
	late := 0
	for _, told := range all(population(t, 2000, 60_000, 3)) {
		device := told.Event.Identifiers[len(told.Event.Identifiers)-1]
		switch {
		case told.Event.Source != "web":
		case len(told.Event.Identifiers) == 2:
			alone[device] = true
		case !known[device]:
			known[device] = true
			if alone[device] {
				late++
			}
		}
		for i, id := range told.Event.Identifiers {
			users := foreign
			if told.Owns[i] {
				users = owners
			}
			if users[id] == nil {
				users[id] = map[int]bool{}
			}
			users[id][told.Person] = true
		}
	}
	shared := map[string]int{}
	for id, by := range owners {
		if len(by) > 1 {
			shared[id.Namespace]++
		}
	}
	public, hits := 0, 0
	for id, by := range foreign {
		switch {
		case len(owners[id]) > 0:
			hits++ // somebody's slip is somebody else's address
		case len(by) > 5:
			public++
		}
	}
	if shared["device_id"] < 100 || shared["phone"] < 50 || shared["email"] != 0 || shared["crm_id"] != 0 {
		t.Errorf("people share %v", shared)
	}
	if public < 5 || hits < 5 || late < 500 {
		t.Errorf("%d identifiers are of nobody, %d slips hit somebody, %d browsers log in late", public, hits, late)
	}
}

func TestAnEmptyPopulationIsRefused(t *testing.T) {
	for _, c := range []truth.Config{{People: 0, Events: 5}, {People: 5, Events: 0}} {
		if _, err := truth.New(c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}
