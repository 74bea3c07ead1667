package profile_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/schemas"
)

// askedOf makes a plan of expressions.
func askedOf(t fatal, sources ...string) *definition.Plan {
	t.Helper()
	plan := everyTerm(t, 64)
	plan.Profile.DuplicateWindow = 365 * 24 * time.Hour
	plan.Terms, plan.Series = termsOf(sources...)
	return plan
}

// valueOf is what a person's only term of a source was told to be.
func valueOf(t fatal, w *world, plan *definition.Plan, source string) schemas.Value {
	t.Helper()
	terms, _ := termsOf(source)
	return w.told(plan, sarah).features[terms[0].ID]
}

// The windows of one minute, ten years and for ever are the ends of what is
// asked for: at both of them the millisecond counts.
func TestTheShortestAndTheLongestWindowsCloseOnTheMillisecond(t *testing.T) {
	var sources []string
	for _, result := range []string{
		`.count() == p.n`, `.sum("amount") == p.n`, `.unique("amount") == p.n`, `.first("amount") == p.n`, `.most_frequent("amount") == p.n`,
		`.list("amount").size() == p.n`, `.recency() >= "59s"`, `.recency() >= "9y"`, `.last(2).sum("amount") == p.n`, `.first(2).sum("amount") == p.n`,
	} {
		for _, window := range []string{`.within("1m")`, `.within("10y")`, ``} {
			sources = append(sources, `events("buy")`+window+result)
		}
	}
	sources = append(sources, `events("buy").within("this year", "Europe/Paris").count() == p.n`)
	year := 365 * day
	for _, exact := range []int{64, 2} {
		t.Run(fmt.Sprint(exact, " exact points"), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				plan := askedOf(t, rapid.SliceOfNDistinct(rapid.SampledFrom(sources), 6, 6, rapid.ID[string]).Draw(t, "terms")...)
				plan.Profile.ExactPoints = exact
				var events []schemas.PersonEvent
				at := start
				for i := range rapid.IntRange(1, 8).Draw(t, "events") {
					at += rapid.SampledFrom([]schemas.Instant{1, 30 * second, minute - 1, minute, minute + 1, year, 10*year - 1, 10 * year}).Draw(t, "pause")
					events = append(events, event(sarah, mail, "buy", fmt.Sprint(i), at, number("amount", float64(i%3))))
				}
				until := at + 11*year
				w := newWorld(t, plan)
				for _, m := range events {
					w.hear(m)
				}
				w.pass(until)
				w.calm()
				mustBeSame(t, sarah, changesOf(plan, w.changes), recount(plan, events, until))
			})
		})
	}
}

// What does not need the points themselves is exact past them.
func TestCalendarsRanksAndStreaksAreExactHoweverManyEventsThereAre(t *testing.T) {
	const many = 1200 // three a day
	sources := []string{
		`events("buy").within("this year", "Europe/Paris").count() == p.n`, `events("buy").within("this month").sum("amount") == p.n`,
		`events("buy").first(3).sum("amount") == p.n`, `events("buy").last(3).sum("amount") == p.n`, `events("buy").last(100).count() == p.n`,
		`events("buy").recency() == p.n`, `events("buy").streak("1d") == p.n`, `events("buy").streak("1w", "Europe/Paris") == p.n`,
		`events("buy").most_frequent("amount") == p.n`, `events("buy").first(1).recency() == p.n`,
	}
	plan := askedOf(t, sources...)
	w := newWorld(t, plan)
	at := start
	thisYear, thisMonth, first, last, most := 0, 0.0, 0.0, 0.0, map[float64]int{}
	zone := zoneOfParis(t)
	end := start + (many-1)*8*hour
	for i := range many {
		amount := float64((i * i) % 37)
		at = start + schemas.Instant(i)*8*hour
		w.hear(event(sarah, mail, "buy", fmt.Sprint(i), at, number("amount", amount)))
		most[amount]++
		if i < 3 {
			first += amount
		}
		if i >= many-3 {
			last += amount
		}
		if at.Time().In(zone).Year() == end.Time().In(zone).Year() {
			thisYear++
		}
		if now := end.Time(); at.Time().Year() == now.Year() && at.Time().Month() == now.Month() {
			thisMonth += amount
		}
	}
	weeks := 1
	for day := dateIn(zone, at); !beginning(expression.Week, day).Equal(beginning(expression.Week, dateIn(zone, start))); weeks++ {
		day = day.AddDate(0, 0, -7)
	}
	want := []float64{float64(thisYear), thisMonth, first, last, 100, 0, 401, float64(weeks), 0, 399}
	for i, source := range sources {
		got := valueOf(t, w, plan, source)
		if source == `events("buy").most_frequent("amount") == p.n` {
			if got.Kind != schemas.Number || most[got.Number] != slices.Max([]int{most[0], most[1], most[got.Number]}) {
				t.Errorf("%s is %v, which came %d times", source, got, most[got.Number])
			}
			for _, times := range most {
				if times > most[got.Number] {
					t.Errorf("%s is %v, which came %d times, and another value %d times", source, got, most[got.Number], times)
				}
			}
			continue
		}
		if got != schemas.NumberOf(want[i]) {
			t.Errorf("%s is %v, want %v", source, got, want[i])
		}
	}
}

func zoneOfParis(t fatal) *time.Location {
	t.Helper()
	terms, _ := termsOf(`events().within("today", "Europe/Paris").any()`)
	return terms[0].Series.Calendar.Zone
}

// A list holds the newest values that differ, in whatever order they came.
func TestAListHoldsTheNewestOfManyValues(t *testing.T) {
	plan := askedOf(t, `size(events("look").list("item")) > 1000`)
	plan.Profile.ExactPoints = 5
	term := plan.Terms[0]
	for _, order := range []string{"in order", "backwards"} {
		w := newWorld(t, plan)
		var values []schemas.Value
		for i := range 300 {
			k := i
			if order == "backwards" {
				k = 299 - i
			}
			m := event(sarah, mail, "look", fmt.Sprint(k), start+schemas.Instant(k)*hour, number("item", float64(k%150)))
			m.Cause, m.Event.Received = start+400*hour, start+400*hour
			w.hear(m)
			if k >= 300-expression.MostListed {
				values = append(values, schemas.NumberOf(float64(k%150)))
			}
		}
		if order == "in order" {
			slices.Reverse(values)
		}
		if got, want := w.told(plan, sarah).features[term.ID], expression.ListOf(values); got != want {
			t.Errorf("%s the list is %v, want %v", order, got, want)
		}
	}
}
