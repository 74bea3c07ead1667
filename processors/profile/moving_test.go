package profile_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/schemas"
)

// moving are all terms that time changes while nothing leaves, that look at
// calendars, or at some events only.
var moving = []string{
	`events("buy").most_frequent("amount") == "a"`, `events("buy").most_frequent("amount") > 1`,
	`events("buy").within("3h").most_frequent("amount") == "a"`,
	`"a" in events("buy").list("amount")`, `size(events().within("1d").list("amount")) > 1`,
	`events("buy").recency() > 1 || events("buy").recency() == 2.5`, `events("buy").recency() == p.n`, `events("buy").within("3d").recency() >= 2`,
	`events().recency() >= "1h" || events().recency() < "30m"`, `events("buy").within("1d").first(1).recency() > "3h"`,
	`events("buy").streak("1d") >= 2`, `events("buy").streak("1d", "Europe/Paris") == p.n`,
	`events("buy").within("3d").streak("1d") == p.n`, `events().streak("1w", "America/New_York") > 1`, `events().streak("month") == p.n`,
	`events("buy").within("today", "Europe/Paris").count() == p.n`, `events("buy").within("this week").sum("amount") > 3`,
	`events("buy").within("this month", "Asia/Kathmandu").unique("amount") == p.n`, `events().within("this year", "America/New_York").none()`,
	`events("buy").within("today").first(2).list("amount") == p.n`,
	`events("buy").last(2).sum("amount") == p.n`, `events("buy").first(2).sum("amount") == p.n`,
	`events("buy").within("3h").last(5).count() == p.n`, `events("buy").within("1d").first(2).avg("amount") == p.n`,
	`events().last(3).most_frequent("amount") == "b"`, `events("buy").first(3).last("amount") == p.n`,
	`events("buy").on("saturday", "sunday", "Pacific/Auckland").any()`,
	`daysUntil(p.day) <= 7 || daysUntil(p.day) == p.n`, `daysSince(p.day, "America/New_York") > 3`,
	`anniversary(p.day) && anniversary(p.day, "Asia/Kathmandu")`, `daysUntilAnniversary(p.day) < 3 || daysUntilAnniversary(p.day) == p.n`,
	`yearsSince(p.day) >= 30`, `yearsSince(p.day, "Europe/Paris") == p.n`,
}

// plans makes what the laws of terms are tried on, by name.
func plans(t fatal) map[string]func(*rapid.T) *definition.Plan {
	all := map[string]func(*rapid.T) *definition.Plan{}
	for _, exact := range []int{64, 3, 0} {
		every := everyTerm(t, exact)
		all[fmt.Sprint("sums with ", exact, " exact points")] = func(*rapid.T) *definition.Plan { return every }
		all[fmt.Sprint("moving terms with ", exact, " exact points")] = func(t *rapid.T) *definition.Plan { return drawMoving(t, exact) }
	}
	return all
}

// drawPlan draws one of them.
func drawPlan(t *rapid.T, exact int) *definition.Plan {
	if rapid.Bool().Draw(t, "moving terms") {
		return drawMoving(t, exact)
	}
	return everyTerm(t, exact)
}

func drawMoving(t *rapid.T, exact int) *definition.Plan {
	plan := everyTerm(t, exact)
	plan.Terms, plan.Series = termsOf(rapid.SliceOfNDistinct(rapid.SampledFrom(moving), 4, 8, rapid.ID[string]).Draw(t, "terms")...)
	return plan
}

// termsOf compiles expressions and returns what profile must keep for them.
func termsOf(sources ...string) ([]*expression.Term, []*expression.Series) {
	environment := expression.Environment{Terms: expression.NewTerms()}
	for _, source := range sources {
		// A list is only comparable with itself; the term is what counts here.
		source = strings.ReplaceAll(source, `.list("amount") == p.n`, `.list("amount").size() == p.n`)
		if _, err := expression.Compile(source, environment); err != nil {
			panic(fmt.Sprint(source, ": ", err))
		}
	}
	return environment.Terms.All(), environment.Terms.AllSeries()
}

// From here on the second, dumb implementation, by Go's own calendar.

// dateIn is the day that a calendar on the wall shows.
func dateIn(zone *time.Location, t schemas.Instant) time.Time {
	y, m, d := t.Time().In(zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// beginning is the first day of the period that holds a day.
func beginning(u expression.Unit, day time.Time) time.Time {
	switch u {
	case expression.Week:
		return day.AddDate(0, 0, -(int(day.Weekday())+6)%7)
	case expression.Month:
		return time.Date(day.Year(), day.Month(), 1, 0, 0, 0, 0, time.UTC)
	case expression.Year:
		return time.Date(day.Year(), time.January, 1, 0, 0, 0, 0, time.UTC)
	}
	return day
}

// nextPeriod is when the period that holds t is over, in zones that change
// their clocks at other times than midnight.
func nextPeriod(c *expression.Calendar, t schemas.Instant) schemas.Instant {
	day := beginning(c.Unit, dateIn(c.Zone, t))
	switch c.Unit {
	case expression.Day:
		day = day.AddDate(0, 0, 1)
	case expression.Week:
		day = day.AddDate(0, 0, 7)
	case expression.Month:
		day = day.AddDate(0, 1, 0)
	case expression.Year:
		day = day.AddDate(1, 0, 0)
	}
	return schemas.InstantOf(time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, c.Zone))
}

// turns lists when a term may change because an event has become old.
func turns(t *expression.Term, at, until schemas.Instant) (all []schemas.Instant) {
	switch t.Aggregate {
	case expression.Recency:
		for at += day; at < until; at += day {
			all = append(all, at)
		}
	case expression.Elapsed:
		all = append(all, at+schemas.Instant(t.Operand), at+schemas.Instant(t.Operand)+1)
	}
	return all
}

func movingAggregate(t *expression.Term, in []seen, now schemas.Instant) schemas.Value {
	count, newest := map[schemas.Value]int{}, map[schemas.Value]schemas.Instant{}
	days := map[time.Time]bool{}
	var latest schemas.Instant
	for _, s := range in {
		latest = max(latest, s.at)
		if t.Unit != nil {
			days[beginning(t.Unit.Unit, dateIn(t.Unit.Zone, s.at))] = true
		} else if s.value.Kind != schemas.Null {
			count[s.value]++
			newest[s.value] = max(newest[s.value], s.at)
		}
	}
	values := make([]schemas.Value, 0, len(count))
	for v := range count {
		values = append(values, v)
	}
	slices.SortFunc(values, func(a, b schemas.Value) int { return cmp.Or(cmp.Compare(newest[b], newest[a]), b.Compare(a)) })
	switch {
	case t.Aggregate == expression.List:
		return expression.ListOf(values)
	case t.Aggregate == expression.MostFrequent:
		var best schemas.Value
		for _, v := range values { // newest first
			if count[v] > count[best] {
				best = v
			}
		}
		return best
	case t.Aggregate == expression.Streak:
		return schemas.NumberOf(float64(rowOf(t.Unit.Unit, days, dateIn(t.Unit.Zone, now))))
	case len(in) == 0:
		return schemas.Value{}
	case t.Aggregate == expression.Elapsed:
		return schemas.NumberOf(float64(now - latest))
	default:
		whole := 0
		for at := latest + day; at <= now; at += day {
			whole++
		}
		return schemas.NumberOf(float64(whole))
	}
}

// rowOf counts periods in a row that are among those given, back from today's,
// which may still be to come.
func rowOf(u expression.Unit, periods map[time.Time]bool, today time.Time) int {
	row := 0
	this := beginning(u, today)
	if !periods[this] {
		this = beginning(u, this.AddDate(0, 0, -1))
	}
	for ; periods[this]; row++ {
		this = beginning(u, this.AddDate(0, 0, -1))
	}
	return row
}

func ofDate(t *expression.Term, v schemas.Value, now schemas.Instant) schemas.Value {
	day, err := time.Parse(time.DateOnly, v.Text)
	if err != nil {
		at, err := time.Parse(time.RFC3339, v.Text)
		if err != nil {
			return schemas.Value{}
		}
		day = dateIn(t.Unit.Zone, schemas.InstantOf(at))
	}
	today := dateIn(t.Unit.Zone, now)
	between := func(from, to time.Time) schemas.Value { return schemas.NumberOf(to.Sub(from).Hours() / 24) }
	years, next := -1, day // next: the first anniversary that is not over
	for years = -1; !anniversaryOf(day, years+1).After(today); years++ {
	}
	for k := 0; next.Before(today); k++ {
		next = anniversaryOf(day, k)
	}
	if day.After(today) {
		for years = -1; anniversaryOf(day, years).After(today); years-- {
		}
	}
	switch t.Aggregate {
	case expression.DaysUntil:
		return between(today, day)
	case expression.DaysSince:
		return between(day, today)
	case expression.YearsSince:
		return schemas.NumberOf(float64(years))
	case expression.Anniversary:
		return schemas.BooleanOf(next.Equal(today))
	default:
		return between(today, next)
	}
}

// anniversaryOf is the same day some years later: 28 February for 29 February
// where there is none.
func anniversaryOf(day time.Time, years int) time.Time {
	later := time.Date(day.Year()+years, day.Month(), day.Day(), 0, 0, 0, 0, time.UTC)
	if later.Month() != day.Month() {
		return time.Date(day.Year()+years, time.February, 28, 0, 0, 0, 0, time.UTC)
	}
	return later
}
