package expression

import (
	"math"
	"slices"
	"time"

	"cel.dev/cel-go/common/ast"

	"kairos/schemas"
)

// Dates that move: functions of an attribute that holds a day, and of the day
// that it is. They become terms, since profile knows attributes and the time.

// ofDate describes a function of a date.
func ofDate(function string) (aggregate Aggregate, gives Type, ok bool) {
	for a := DaysUntil; a <= DaysUntilAnniversary; a++ {
		if a.String() == function {
			if a == Anniversary {
				return a, BooleanType, true
			}
			return a, NumberType, true
		}
	}
	return 0, AnyType, false
}

// date makes the term of a call such as daysUntil(p.renewal, "Europe/Paris"),
// compared with bound, and returns the node that stands for it in place of at.
func (s personScope) date(at, e ast.Expr, comparison Comparison, bound float64) (node ast.Expr, ok bool) {
	if e.Kind() != ast.CallKind {
		return nil, false
	}
	call := e.AsCall()
	aggregate, gives, ok := ofDate(call.FunctionName())
	if !ok || comparison != NoComparison && gives == BooleanType {
		return nil, false
	}
	arguments := call.Args()
	of, name, isAttribute := "", "", false
	if len(arguments) > 0 {
		of, name, isAttribute = path(arguments[0])
	}
	if call.IsMemberFunction() || !isAttribute || of != "p" || len(arguments) > 2 {
		s.refuse(e, aggregate.String()+" takes an attribute that holds a day, and perhaps a time zone", "write "+aggregate.String()+"(p.birthday, \"Europe/Paris\")")
		return at, true
	}
	if t, known := s.environment.Attributes[name]; s.environment.Attributes != nil && !known {
		s.refuse(arguments[0], "unknown attribute `"+name+"`", Suggest(name, keys(s.environment.Attributes)))
		return at, true
	} else if known && t != TextType && t != AnyType {
		s.refuse(arguments[0], "the attribute is a "+t.String()+", so it holds no day", "keep days as texts, such as \"1990-02-28\"")
		return at, true
	}
	before := len(s.problems)
	unit := s.calendarOf(e, Day, arguments[1:])
	if len(s.problems) > before {
		return at, true
	}
	attribute := fieldText("p." + name)
	t := &Term{
		Series: &Series{ID: hash(attribute), Canonical: attribute, Attribute: name, Match: func(*event) bool { return false }},
		Unit:   unit, Aggregate: aggregate, Compare: comparison, Operand: bound,
		Short: aggregate.String() + "(" + attribute + ")",
	}
	t.Canonical = aggregate.String() + "(" + attribute + inZone(unit.Zone) + ")"
	if comparison != NoComparison {
		t.Canonical += " " + comparison.String() + " " + numberText(bound)
	}
	return s.stand(at, t, gives), true
}

// OfDate is the value of a term of a date when its attribute is v, and the next
// instant at which the passing of time gives it another one; 0 for never. What
// is no day, such as "1990-02-28" or "2026-11-27T08:00:00Z", gives Null.
func (t *Term) OfDate(v schemas.Value, now schemas.Instant) (result schemas.Value, due schemas.Instant) {
	of, ok := t.dayOf(v)
	if !ok {
		return t.Empty(), 0
	}
	today := t.Unit.day(now)
	result = t.Compared(t.onDay(of, today))
	for _, day := range t.turns(of, today) {
		if day > today && t.Compared(t.onDay(of, day)) != result {
			return result, t.Unit.begins(day)
		}
	}
	return result, 0
}

// dayOf reads a day: a date, or the day on which an instant lies.
func (t *Term) dayOf(v schemas.Value) (int64, bool) {
	if v.Kind != schemas.Text {
		return 0, false
	}
	if date, err := time.Parse(time.DateOnly, v.Text); err == nil {
		return floorDivide(date.Unix(), daySeconds), true
	}
	at, err := time.Parse(time.RFC3339, v.Text)
	if err != nil {
		return 0, false
	}
	return t.Unit.day(schemas.InstantOf(at)), true
}

// onDay is the aggregate on a day.
func (t *Term) onDay(of, today int64) schemas.Value {
	switch t.Aggregate {
	case DaysUntil:
		return schemas.NumberOf(float64(of - today))
	case DaysSince:
		return schemas.NumberOf(float64(today - of))
	}
	born, _, _ := dateOf(of)
	year, _, _ := dateOf(today)
	passed := int64(year - born) // years, if this year's day has come
	if anniversary(of, passed) > today {
		passed--
	}
	next := anniversary(of, passed)
	if next < today {
		next = anniversary(of, passed+1)
	}
	next = max(next, of)
	switch t.Aggregate {
	case YearsSince:
		return schemas.NumberOf(float64(passed))
	case Anniversary:
		return schemas.BooleanOf(next == today)
	default:
		return schemas.NumberOf(float64(next - today))
	}
}

// anniversary is the day some years after a day. That of 29 February is the
// 28th where there is no 29th.
func anniversary(of, years int64) int64 {
	year, month, day := dateOf(of)
	there := numberOfDay(year+int(years), month, day)
	if _, m, _ := dateOf(there); m != month {
		there--
	}
	return there
}

// turns lists days, rising, of which the first that gives another value is the
// next to do so.
func (t *Term) turns(of, today int64) []int64 {
	if t.Compare == NoComparison && t.Aggregate != Anniversary && t.Aggregate != YearsSince {
		return []int64{today + 1}
	}
	born, _, _ := dateOf(of)
	year, _, _ := dateOf(today)
	var days []int64
	switch t.Aggregate {
	case DaysUntil:
		for _, n := range t.thresholds() {
			days = append(days, of-n)
		}
	case DaysSince:
		for _, n := range t.thresholds() {
			days = append(days, of+n)
		}
	case YearsSince:
		if t.Compare == NoComparison {
			days = append(days, anniversary(of, int64(year-born)), anniversary(of, int64(year-born)+1))
		}
		for _, n := range t.thresholds() {
			days = append(days, anniversary(of, n))
		}
	default:
		// Years do not all have as many days: eight decide what never comes.
		from := max(int64(year-born), 0)
		for years := from; years <= from+9; years++ {
			day := anniversary(of, years)
			days = append(days, day, day+1)
			for _, n := range t.thresholds() {
				days = append(days, day-n)
			}
		}
	}
	slices.Sort(days)
	return days
}

// thresholds are the whole numbers at which a comparison may turn, those
// beyond them included.
func (t *Term) thresholds() []int64 {
	const farthest = 4_000_000 // days, more than there are in the calendar
	if t.Compare == NoComparison || math.Abs(t.Operand) > farthest {
		return nil
	}
	n := int64(math.Floor(t.Operand))
	return []int64{n - 1, n, n + 1, n + 2}
}
