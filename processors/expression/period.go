package expression

import (
	"time"

	"kairos/schemas"
)

// Unit is a length of calendars.
type Unit uint8

// The units. A week begins on Monday.
const (
	Day Unit = iota
	Week
	Month
	Year
)

// String is the word for u.
func (u Unit) String() string { return [...]string{"day", "week", "month", "year"}[u] }

// Calendar cuts time into periods: the days, weeks, months or years of a time
// zone. A day begins when the zone's calendars show its date for the first
// time, which need not be at midnight and need not be 24 hours before the next.
type Calendar struct {
	Unit Unit
	Zone *time.Location
}

// String is c in normal form, such as `day` (of UTC) or `week in Europe/Paris`.
func (c *Calendar) String() string { return c.Unit.String() + inZone(c.Zone) }

func inZone(zone *time.Location) string {
	if zone == nil || zone == time.UTC {
		return ""
	}
	return " in " + zone.String()
}

// Period is a stretch of a calendar.
type Period struct {
	Index    int64 // rises by one from period to period
	From, To schemas.Instant
}

// Holds tells whether t lies in p.
func (p Period) Holds(t schemas.Instant) bool { return p.From <= t && t < p.To }

// At is the period that holds t.
func (c *Calendar) At(t schemas.Instant) Period { return c.Period(c.Unit.index(c.day(t))) }

// Period is the period of an index. One that the zone has left out is empty.
func (c *Calendar) Period(index int64) Period {
	return Period{index, c.begins(c.Unit.first(index)), c.begins(c.Unit.first(index + 1))}
}

const daySeconds = 24 * 60 * 60

// day numbers the day that holds t: 0 is 1970-01-01.
func (c *Calendar) day(t schemas.Instant) int64 {
	second := floorDivide(int64(t), 1000)
	d := floorDivide(second+c.offset(second), daySeconds)
	for c.Zone != time.UTC && c.begins(d+1) <= t { // clocks that went back show an earlier day again
		d++
	}
	return d
}

// begins is the first instant at which calendars show day d, or a later one.
func (c *Calendar) begins(d int64) schemas.Instant {
	midnight := d * daySeconds // as the clock shows it
	if c.Zone == time.UTC {
		return schemas.Instant(midnight * 1000)
	}
	const farthest = 16 * 60 * 60 // no zone is farther than this from UTC
	from, to := midnight-farthest, midnight+farthest
	before, after := c.offset(from), c.offset(to)
	if at := midnight - before; before == after {
		return schemas.Instant(at * 1000)
	}
	for to-from > 1 { // the clocks change between: find the second. Time.ZoneBounds is wrong at the end of leap years
		if middle := (from + to) / 2; c.offset(middle) == before {
			from = middle
		} else {
			to = middle
		}
	}
	if at := midnight - before; at < to {
		return schemas.Instant(at * 1000)
	}
	return schemas.Instant(max(midnight-after, to) * 1000)
}

// offset is how many seconds the clocks of the zone are ahead of UTC.
func (c *Calendar) offset(second int64) int64 {
	_, offset := time.Unix(second, 0).In(c.Zone).Zone()
	return int64(offset)
}

// index is the number of the period that holds day d.
func (u Unit) index(d int64) int64 {
	switch u {
	case Day:
		return d
	case Week:
		return floorDivide(d+3, 7) // 1970-01-01 was a Thursday
	}
	year, month, _ := dateOf(d)
	if u == Month {
		return int64(year)*12 + int64(month) - 1
	}
	return int64(year)
}

// first is the first day of a period.
func (u Unit) first(index int64) int64 {
	switch u {
	case Day:
		return index
	case Week:
		return 7*index - 3
	case Month:
		return numberOfDay(0, time.Month(index+1), 1) // Go counts months beyond December on
	default:
		return numberOfDay(int(index), time.January, 1)
	}
}

func dateOf(d int64) (year int, month time.Month, day int) {
	return time.Unix(d*daySeconds, 0).UTC().Date()
}

func numberOfDay(year int, month time.Month, day int) int64 {
	return floorDivide(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix(), daySeconds)
}

func floorDivide(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
