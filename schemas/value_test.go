package schemas_test

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kairos/schemas"
)

func TestPropertiesStaySortedAndHoldEachNameOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p schemas.Properties
		want := map[string]schemas.Value{}
		for range rapid.IntRange(0, 12).Draw(t, "sets") {
			name := rapid.SampledFrom([]string{"", "a", "ab", "b", "ß"}).Draw(t, "name")
			value := schemas.NumberOf(float64(rapid.IntRange(0, 9).Draw(t, "value")))
			p, want[name] = p.Set(name, value), value
		}
		if len(p) != len(want) || !slices.IsSortedFunc(p, func(a, b schemas.Property) int { return cmp.Compare(a.Name, b.Name) }) {
			t.Fatalf("%v is not sorted or not unique", p)
		}
		for name, value := range want {
			if p.Get(name) != value {
				t.Fatalf("%s is %v, want %v", name, p.Get(name), value)
			}
		}
		if p.Get("unheard of").Kind != schemas.Null {
			t.Fatal("an unknown name has a value")
		}
	})
}

func TestLearningNothingForgetsAndOnlyNewsIsNews(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p schemas.Properties
		want := map[string]schemas.Value{}
		for range rapid.IntRange(0, 12).Draw(t, "told") {
			name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name")
			value := rapid.SampledFrom([]schemas.Value{{}, schemas.NumberOf(1), schemas.TextOf("1")}).Draw(t, "value")
			before := want[name]
			if want[name] = value; value.Kind == schemas.Null {
				delete(want, name)
			}
			var news bool
			if p, news = p.Learn(schemas.Property{Name: name, Value: value}); news != (before != value) {
				t.Fatalf("%s was %v and is %v: news is %t", name, before, value, news)
			}
		}
		if len(p) != len(want) || !slices.IsSortedFunc(p, func(a, b schemas.Property) int { return cmp.Compare(a.Name, b.Name) }) {
			t.Fatalf("%v is not what was told: %v", p, want)
		}
		for name, value := range want {
			if p.Get(name) != value {
				t.Fatalf("%s is %v, want %v", name, p.Get(name), value)
			}
		}
	})
}

func TestAnIdentifierSurvivesItsKey(t *testing.T) {
	for _, id := range []schemas.Identifier{{Namespace: "email", Value: "a@b"}, {Namespace: "url", Value: "https://x:1"}, {}} {
		if got := schemas.IdentifierOf(id.String()); got != id {
			t.Errorf("%q became %q", id, got)
		}
	}
}

func TestAnInstantIsAMillisecondInUTC(t *testing.T) {
	at := schemas.InstantOf(time.Date(2026, 3, 1, 10, 0, 0, 1_999_999, time.FixedZone("", 3600)))
	if at.String() != "2026-03-01T09:00:00.001Z" || at.Add(time.Hour).Sub(at) != time.Hour {
		t.Errorf("got %s", at)
	}
	if got := schemas.InstantOf(at.Time()); got != at {
		t.Errorf("%v became %v", at, got)
	}
}

func TestValuesShowAsAPersonWouldWriteThem(t *testing.T) {
	for want, v := range map[string]schemas.Value{
		"null": {}, "true": schemas.BooleanOf(true), "false": schemas.BooleanOf(false), "0.5": schemas.NumberOf(.5), "1000000": schemas.NumberOf(1e6), "x y": schemas.TextOf("x y"),
	} {
		if v.String() != want {
			t.Errorf("got %s, want %s", v, want)
		}
	}
}
