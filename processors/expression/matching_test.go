package expression

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"kairos/schemas"
)

// TestMatchingEventsAreThoseOfAllWaysToCompleteASequence tries every choice of
// events for the steps.
func TestMatchingEventsAreThoseOfAllWaysToCompleteASequence(t *testing.T) {
	var terms []*Term
	for _, source := range []string{
		`events("a").then("b", "3s").any()`, `events("a").then("b").without("c").any()`, `events("a").without("c").then("b", "4s").within("8s").count() > 0`,
		`events("a").then("a", "2s").then("b").without("c", "3s").any()`, `events("a").then("b").without("c").then("a").without("b", "2s").within("9s").none()`,
	} {
		e, err := Compile(source, Environment{Terms: NewTerms()})
		if err != nil {
			t.Fatal(err)
		}
		terms = append(terms, e.Terms[0])
	}
	rapid.Check(t, func(t *rapid.T) {
		term := rapid.SampledFrom(terms).Draw(t, "term")
		var events []*schemas.Event
		at := schemas.Instant(1_000_000)
		for i := range rapid.IntRange(0, 7).Draw(t, "events") {
			at += schemas.Instant(rapid.IntRange(0, 3).Draw(t, "pause")) * 1000
			events = append(events, &schemas.Event{ID: fmt.Sprint(i), Time: at, Name: rapid.SampledFrom([]string{"a", "a", "b", "b", "c"}).Draw(t, "name")})
		}
		at += schemas.Instant(rapid.IntRange(0, 9).Draw(t, "later")) * 1000
		want := make([]bool, len(events))
		everyWay(term, events, at, nil, func(way []int) {
			for _, i := range way {
				want[i] = true
			}
		})
		if got := term.Matching(events, at); !slices.Equal(got, want) {
			t.Fatalf("%s of %v at %v: got %v, want %v", term.Canonical, events, at, got, want)
		}
	})
}

// everyWay calls f with each choice of events for the steps that is complete.
func everyWay(t *Term, events []*schemas.Event, at schemas.Instant, way []int, f func([]int)) {
	steps, roles := t.Sequence.Steps, t.Series.Roles
	// clean reports that nothing of from..to, exclusive, must not come.
	clean := func(without []Without, from, to int) bool {
		for _, w := range without {
			for i := from + 1; i < to; i++ {
				if roles[w.Role].playedBy(events[i]) && (w.For == 0 || events[i].Time.Sub(events[from].Time) <= w.For) {
					return false
				}
			}
		}
		return true
	}
	if len(way) == len(steps) {
		last := way[len(way)-1]
		for _, w := range steps[len(steps)-1].Without {
			if at.Sub(events[last].Time) < w.For {
				return
			}
		}
		if clean(steps[len(steps)-1].Without, last, len(events)) && (t.Window == 0 || at.Sub(events[way[0]].Time) < t.Window) {
			f(way)
		}
		return
	}
	for i := range events {
		step := steps[len(way)]
		if !roles[step.Role].playedBy(events[i]) {
			continue
		}
		if len(way) > 0 {
			before := way[len(way)-1]
			if i <= before || step.Within != 0 && events[i].Time.Sub(events[before].Time) > step.Within || !clean(steps[len(way)-1].Without, before, i) {
				continue
			}
		}
		everyWay(t, events, at, append(slices.Clone(way), i), f)
	}
}

func TestWhatThePassingOfTimeDidReadsLikeASentence(t *testing.T) {
	const at = schemas.Instant(1772355600000)       // 2026-03-01T09:00Z
	for source, want := range map[string][2]string{ // become true, become false
		`events("buy").within("30d").any()`:                             {"window of events(buy) closed", "window of events(buy) closed"},
		`events("buy").within("this month").any()`:                      {"the month is over for events(buy)", "the month is over for events(buy)"},
		`events("buy").recency() >= 30`:                                 {"no events(buy) for 30 days", "no events(buy) for 30 days"},
		`events("buy").recency() > "90m"`:                               {"no events(buy) for 1h30m", "no events(buy) for 1h30m"},
		`events("buy").streak("1d") >= 7`:                               {"streak of events(buy) broken", "streak of events(buy) broken"},
		`events("cart").without("buy", "1h").within("1d").any()`:        {"events(cart) without buy for 1h", "window of events(cart) without buy closed"},
		`inFor("cart", "20m")`:                                          {"in cart for 20m, since 2026-03-01T08:40:00Z", "no longer in cart"},
		`anniversary(p.birthday)`:                                       {"anniversary of birthday reached", "anniversary of birthday over"},
		`daysUntil(p.renewal) <= 7`:                                     {"7 days until renewal", "daysUntil(p.renewal) <= 7 until yesterday"},
		`daysUntil(p.renewal) >= 0`:                                     {"daysUntil(p.renewal) >= 0 from today on", "daysUntil(p.renewal) >= 0 until yesterday"},
		`daysSince(p.signup) == 1`:                                      {"1 day since signup", "daysSince(p.signup) == 1 until yesterday"},
		`yearsSince(p.birthday) >= 18`:                                  {"18 years since birthday", "yearsSince(p.birthday) >= 18 until yesterday"},
		`daysUntilAnniversary(p.birthday) <= 7`:                         {"7 days until anniversary of birthday", "anniversary of birthday over"},
		`daysUntil(p.renewal) + 0 > 1`:                                  {"one more day for daysUntil(p.renewal)", "one more day for daysUntil(p.renewal)"},
		`events("buy").recency() + 0 > 1`:                               {"one more day without events(buy)", "one more day without events(buy)"},
		`events("view").within("1h").unique("product") + 0 > 1`:         {"window of events(view) closed", "window of events(view) closed"},
		`events("cart").then("buy", "1h").within("1d").count() + 0 > 1`: {"window of events(cart) then buy closed", "window of events(cart) then buy closed"},
	} {
		e, err := Compile(source, Environment{Terms: NewTerms()})
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range []bool{true, false} {
			if got := e.Terms[0].Passed(schemas.BooleanOf(v), at); got != want[i] {
				t.Errorf("%s became %v: %q, want %q", source, v, got, want[i])
			}
		}
	}
}
