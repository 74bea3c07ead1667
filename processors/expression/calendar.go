package expression

import (
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/common/ast"

	"kairos/schemas"
)

// Calendar restrictions look at when an event happened, in UTC or a time zone
// that they name. But for the windows of calendars they are part of the filter
// of a series: whether an event passes never changes.

// period is from <= time < to; a zero to is open.
type period struct{ from, to schemas.Instant }

func (p period) holds(t schemas.Instant) bool { return t >= p.from && (p.to == 0 || t < p.to) }

// String is the period in normal form.
func (p period) String() string {
	if p.to == 0 {
		return "since " + p.from.String()
	}
	return "between " + p.from.String() + " and " + p.to.String()
}

// between reads since("2026-01-01") and between("2026-01-01", "2026-02-01").
func (c *chain) between(e ast.Expr, step string, arguments []ast.Expr) {
	var times []schemas.Instant
	zone, arguments := c.zoneAtEnd(arguments)
	for _, argument := range arguments {
		text, ok := textOf(argument)
		t, err := dayIn(zone, text)
		if err != nil {
			t, err = time.Parse(time.RFC3339, text)
		}
		if !ok || err != nil || t.Unix() <= 0 {
			c.refuse(argument, step+" takes days after 1970 as constant texts", "write \"2026-01-31\" or \"2026-01-31T08:00:00Z\"")
			return
		}
		times = append(times, schemas.InstantOf(t))
	}
	switch {
	case step == "since" && len(times) == 1:
		c.periods = append(c.periods, period{from: times[0]})
	case step == "between" && len(times) == 2 && times[0] < times[1]:
		c.periods = append(c.periods, period{times[0], times[1]})
	case step == "since":
		c.refuse(e, "since takes one day", "write since(\"2026-01-31\")")
	default:
		c.refuse(e, "between takes two days, the earlier first; the second is not part of it", "write between(\"2026-01-01\", \"2026-02-01\")")
	}
}

// on reads on("2026-11-27") and on("saturday", "sunday").
func (c *chain) on(e ast.Expr, arguments []ast.Expr) {
	var days []time.Weekday
	zone, arguments := c.zoneAtEnd(arguments)
	for _, argument := range arguments {
		text, _ := textOf(argument)
		if weekday, ok := weekdayOf(text); ok {
			days = append(days, weekday)
		} else if t, err := time.Parse(time.DateOnly, text); err == nil && t.Unix() > 0 && len(arguments) == 1 {
			p := (&Calendar{Day, zone}).Period(t.Unix() / daySeconds)
			c.periods = append(c.periods, period{p.From, p.To})
			return
		} else {
			next := "write on(\"2026-11-27\") or on(\"saturday\", \"sunday\")"
			if meant := Suggest(text, weekdays()); strings.HasPrefix(meant, "did") {
				next = meant
			}
			c.refuse(argument, "on takes one day, or days of the week", next)
			return
		}
	}
	if len(days) == 0 || len(c.days) > 0 {
		c.refuse(e, "on takes one day, or days of the week, once", "write on(\"2026-11-27\") or on(\"saturday\", \"sunday\")")
		return
	}
	slices.Sort(days)
	c.days, c.daysZone = slices.Compact(days), zone
}

// zoneAtEnd takes a time zone off the end of arguments: UTC if there is none.
func (c *chain) zoneAtEnd(arguments []ast.Expr) (*time.Location, []ast.Expr) {
	if n := len(arguments); n > 0 {
		text, _ := textOf(arguments[n-1])
		if zone, err := c.environment.Terms.zone(text); err == nil {
			return zone, arguments[:n-1]
		}
	}
	return time.UTC, arguments
}

// dayIn is the beginning of a day such as "2026-01-31" in a zone.
func dayIn(zone *time.Location, text string) (time.Time, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return t, err
	}
	return (&Calendar{Day, zone}).begins(floorDivide(t.Unix(), daySeconds)).Time(), nil
}

func weekdays() []string {
	var names []string
	for d := time.Sunday; d <= time.Saturday; d++ {
		names = append(names, strings.ToLower(d.String()))
	}
	return names
}

func weekdayOf(name string) (time.Weekday, bool) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(d.String(), name) {
			return d, true
		}
	}
	return 0, false
}

// normalPeriods are the periods as one, or none: their intersection.
func (c *chain) normalPeriods() []period {
	if len(c.periods) == 0 {
		return nil
	}
	p := c.periods[0]
	for _, q := range c.periods[1:] {
		p.from = max(p.from, q.from)
		if q.to != 0 && (p.to == 0 || q.to < p.to) {
			p.to = q.to
		}
	}
	return []period{p}
}

func daysText(days []time.Weekday, zone *time.Location) string {
	names := make([]string, len(days))
	for i, d := range days {
		names[i] = strings.ToLower(d.String())
	}
	return strings.Join(names, ",") + inZone(zone)
}

func onDays(days []time.Weekday, zone *time.Location) func(*event) bool {
	var wanted [7]bool
	for _, d := range days {
		wanted[d] = true
	}
	if zone == time.UTC {
		return func(e *event) bool { return wanted[e.Time.Time().Weekday()] }
	}
	calendar := &Calendar{Day, zone}
	return func(e *event) bool { return wanted[((calendar.day(e.Time)+4)%7+7)%7] }
}
