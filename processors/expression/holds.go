package expression

import (
	"slices"
	"time"

	"kairos/schemas"
)

// Holds tells whether v may be a value of type t. Null may be of any.
func (t Type) Holds(v schemas.Value) bool {
	switch t {
	case BooleanType:
		return v.Kind == schemas.Boolean || v.Kind == schemas.Null
	case NumberType:
		return v.Kind == schemas.Number || v.Kind == schemas.Null
	case TextType:
		return v.Kind == schemas.Text || v.Kind == schemas.Null
	default:
		return true
	}
}

// LooksAt tells whether events of a name can count for t. A dwell looks at
// what its parts look at.
func (t *Term) LooksAt(event string) bool {
	switch {
	case t.Dwell != nil || t.Series.Attribute != "":
		return false
	case t.Series.Event != "" || t.Sequence == nil:
		return t.Series.Event == "" || t.Series.Event == event
	}
	is := func(role int) bool { r := &t.Series.Roles[role]; return r.Event == "" || r.Event == event }
	for _, step := range t.Sequence.Steps {
		if is(step.Role) || slices.ContainsFunc(step.Without, func(w Without) bool { return is(w.Role) }) {
			return true
		}
	}
	return false
}

// LooksBack is how long after it happened an event can still change t's value,
// at most; 0: for ever. Of a streak or recency that is compared with a constant
// that is as far as the comparison asks.
func (t *Term) LooksBack() time.Duration {
	switch {
	case t.Dwell != nil || t.Series.Attribute != "":
		return 0
	case t.Series.Calendar != nil:
		return t.Series.Calendar.Unit.longest()
	case t.Window != 0 || t.Compare == NoComparison:
		return t.Window
	case t.Aggregate == Recency:
		return times(t.Operand+1, 24*time.Hour)
	case t.Aggregate == Elapsed:
		return times(t.Operand, time.Millisecond) + time.Millisecond
	case t.Aggregate == Streak:
		return times(t.Operand+1, t.Unit.Unit.longest())
	}
	return 0
}

// times is n units, within what a duration holds.
func times(n float64, unit time.Duration) time.Duration {
	const most = float64(1 << 62)
	return time.Duration(min(max(n, 1)*float64(unit), most))
}

// longest is how long a period of the unit can be: clocks are set back by an
// hour or two.
func (u Unit) longest() time.Duration {
	const day = 24 * time.Hour
	return [...]time.Duration{day, 7 * day, 31 * day, 366 * day}[u] + 2*time.Hour
}
