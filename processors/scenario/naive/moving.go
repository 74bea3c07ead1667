package naive

import (
	"cmp"
	"slices"
	"time"

	"kairos/processors/expression"
	"kairos/schemas"
)

// point is an event as a term sees it.
type point struct {
	at    schemas.Instant
	value schemas.Value
}

// dayOf is the day that a calendar on the wall shows, as midnight in UTC.
func dayOf(zone *time.Location, t schemas.Instant) time.Time {
	y, m, d := t.Time().In(zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// periodOf is the first day of the period that holds a day.
func periodOf(u expression.Unit, day time.Time) time.Time {
	switch u {
	case expression.Week:
		return day.AddDate(0, 0, -(int(day.Weekday())+6)%7)
	case expression.Month:
		return day.AddDate(0, 0, 1-day.Day())
	case expression.Year:
		return day.AddDate(0, 0, 1-day.YearDay())
	}
	return day
}

// samePeriod says whether two instants are of one period.
func samePeriod(c *expression.Calendar, a, b schemas.Instant) bool {
	return periodOf(c.Unit, dayOf(c.Zone, a)).Equal(periodOf(c.Unit, dayOf(c.Zone, b)))
}

// midnights lists when days begin in a zone whose clocks do not change at
// midnight.
func midnights(zone *time.Location, from, to schemas.Instant) (all []schemas.Instant) {
	for day := dayOf(zone, from); ; {
		day = day.AddDate(0, 0, 1)
		at := schemas.InstantOf(time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, zone))
		if at > to {
			return all
		}
		all = append(all, at)
	}
}

// lapses lists the instants after from and until t at which time alone may
// change a term, because of an event at from or because a day begins.
func lapses(term *expression.Term, from, t schemas.Instant) (all []schemas.Instant) {
	switch {
	case term.Dwell != nil:
		return nil
	case term.Series.Calendar != nil:
		return midnights(term.Series.Calendar.Zone, from, t)
	case term.Unit != nil:
		return midnights(term.Unit.Zone, from, t)
	case term.Aggregate == expression.Recency:
		for at := from.Add(24 * time.Hour); at <= t; at = at.Add(24 * time.Hour) {
			all = append(all, at)
		}
	case term.Aggregate == expression.Elapsed:
		all = append(all, from+schemas.Instant(term.Operand), from+schemas.Instant(term.Operand)+1)
	}
	return all
}

// limited leaves the newest or the oldest points.
func limited(points []point, limit int) []point {
	switch {
	case limit > 0:
		return points[max(0, len(points)-limit):]
	case limit < 0:
		return points[:min(len(points), -limit)]
	}
	return points
}

// movingAggregate is what points, oldest first, come to under an aggregate that
// looks at more than their values.
func movingAggregate(term *expression.Term, points []point, t schemas.Instant) schemas.Value {
	switch {
	case term.Aggregate == expression.Streak:
		return schemas.NumberOf(float64(streak(term.Unit, points, t)))
	case term.Aggregate == expression.List:
		var list []schemas.Value
		for _, p := range slices.Backward(points) {
			if p.value.Kind != schemas.Null && !slices.Contains(list, p.value) {
				list = append(list, p.value)
			}
		}
		return expression.ListOf(list)
	case term.Aggregate == expression.MostFrequent:
		count := map[schemas.Value]int{}
		for _, p := range points {
			count[p.value]++
		}
		count[schemas.Value{}] = 0
		var best schemas.Value
		for _, p := range slices.Backward(points) { // of several the newest
			if count[p.value] > count[best] {
				best = p.value
			}
		}
		return best
	case len(points) == 0:
		return schemas.Value{}
	}
	since := t.Sub(points[len(points)-1].at)
	if term.Aggregate == expression.Elapsed {
		return schemas.NumberOf(float64(since.Milliseconds()))
	}
	return schemas.NumberOf(float64(since / (24 * time.Hour)))
}

// streak walks back from t, period by period.
func streak(c *expression.Calendar, points []point, t schemas.Instant) (row int) {
	has := func(first time.Time) bool {
		return slices.ContainsFunc(points, func(p point) bool { return periodOf(c.Unit, dayOf(c.Zone, p.at)).Equal(first) })
	}
	back := func(first time.Time) time.Time { return periodOf(c.Unit, first.AddDate(0, 0, -1)) }
	at := periodOf(c.Unit, dayOf(c.Zone, t))
	if !has(at) {
		at = back(at)
	}
	for ; has(at); at = back(at) {
		row++
	}
	return row
}

// date is a term of a date at t, by walking through years.
func date(term *expression.Term, v schemas.Value, t schemas.Instant) schemas.Value {
	day, err := time.Parse(time.DateOnly, v.Text)
	if err != nil || v.Kind != schemas.Text {
		return term.Compared(schemas.Value{})
	}
	today := dayOf(term.Unit.Zone, t)
	var next time.Time // anniversary that is not over
	years := 0
	for ; ; years++ {
		next = time.Date(day.Year()+years, day.Month(), day.Day(), 0, 0, 0, 0, time.UTC)
		if next.Month() != day.Month() {
			next = next.AddDate(0, 0, -1)
		}
		if !next.Before(today) {
			break
		}
	}
	days := func(d time.Duration) schemas.Value { return schemas.NumberOf(float64(d / (24 * time.Hour))) }
	switch term.Aggregate {
	case expression.DaysUntil:
		return term.Compared(days(day.Sub(today)))
	case expression.DaysSince:
		return term.Compared(days(today.Sub(day)))
	case expression.Anniversary:
		return schemas.BooleanOf(next.Equal(today))
	case expression.DaysUntilAnniversary:
		return term.Compared(days(next.Sub(today)))
	}
	if next.After(today) {
		years--
	}
	return term.Compared(schemas.NumberOf(float64(years)))
}

func byTime(a, b point) int { return cmp.Or(cmp.Compare(a.at, b.at), a.value.Compare(b.value)) }
