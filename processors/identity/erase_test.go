package identity_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kairos/processors/identity"
	"kairos/schemas"
)

func erase(id string, minute int, key string) *schemas.Event {
	e := event(id, minute, key)
	e.Name = identity.Erase
	return e
}

// without is the history of a world in which identifiers never were: what was
// told under one of them did not happen, and nothing else names them.
func without(events []*schemas.Event, erased func(key string) bool) []*schemas.Event {
	var left []*schemas.Event
	for _, e := range events {
		if erased(e.Identifiers[0].String()) {
			continue
		}
		kept := *e
		kept.Identifiers = slices.DeleteFunc(slices.Clone(e.Identifiers), func(i schemas.Identifier) bool { return erased(i.String()) })
		if (e.Name == identity.Unlink || e.Name == identity.Relink) && len(kept.Identifiers) < 2 {
			continue
		}
		left = append(left, &kept)
	}
	return left
}

// LAW: after an erasure the people, and who holds what of them, are those of a
// history in which this person never was.
func TestWhoeverIsErasedNeverWas(t *testing.T) {
	parted := 0
	rapid.Check(t, func(t *rapid.T) {
		rules, events := anyRules(t), history(t, 40)
		rules.MaxLinks = 1000 // heat is remembered: see DESIGN.md, Non-obvious 5
		w := run(t, rapid.SampledFrom([]uint32{1, 4, 12, 0}).Draw(t, "partitions"), rules, events, anyPick(t))
		before := w.people()
		if len(before) == 0 {
			t.Skip("nothing happened")
		}
		asked := rapid.SampledFrom(slices.Sorted(maps.Keys(before))).Draw(t, "erased")
		erased := func(key string) bool { return before[key] == before[asked] }
		for range 2 { // the second word ends rows that the first left as signs
			for _, key := range slices.Sorted(maps.Keys(before)) {
				if erased(key) {
					w.put(erase("erase "+key, 9*minutesOfDay, key))
					w.rest(anyPick(t))
				}
			}
		}
		for key, row := range w.rows {
			if erased(key) {
				t.Fatalf("a row of %s is left: %+v", key, w.row(key))
			}
			for other := range before {
				if erased(other) && strings.Contains(string(row), other) {
					t.Fatalf("the row of %s still names %s: %+v\n%s", key, other, w.row(key), w.row(key).Component)
				}
			}
		}
		left := without(events, erased)
		want, got := naive(left, rules), w.people()
		holders, heard := w.profile.holders()
		for key := range got { // somebody who was only heard of, from events of the erased, is nobody without them
			if want[key] == "" && len(heard[key]) == 0 {
				delete(got, key)
				delete(holders, key)
			}
		}
		if !maps.Equal(got, want) {
			t.Fatalf("people are\n%s\nwant\n%s\nerased %s of\n%s", show(got), show(want), asked, list(events))
		}
		if !maps.Equal(holders, want) {
			t.Fatalf("fragments are with\n%s\nwant\n%s", show(holders), show(want))
		}
		told := 0
		for _, ids := range heard {
			told += len(ids)
		}
		if happened := len(slices.DeleteFunc(left, func(e *schemas.Event) bool { return e.Name != "visit" })); told != happened {
			t.Fatalf("%d events are held, %d happened", told, happened)
		}
		if len(before) > len(want) && len(want) > 0 {
			parted++
		}
	})
	if parted == 0 {
		t.Fatal("nobody was ever left: the lives are too dull to prove anything")
	}
}

func TestAnErasureNamesOneIdentifier(t *testing.T) {
	w := newWorld(t, 4, loose())
	bad := erase("1", 1, "email:a")
	bad.Identifiers = append(bad.Identifiers, schemas.Identifier{Namespace: "device", Value: "x"})
	w.put(bad)
	w.rest(loopFirst)
	if len(w.letters) != 1 || w.letters[0].Reason != "kairos-identity-bad-command" {
		t.Fatalf("letters are %+v", w.letters)
	}
}
