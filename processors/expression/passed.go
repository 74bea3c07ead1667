package expression

import (
	"fmt"
	"time"

	"kairos/schemas"
)

// Passed says, for people, what the passing of time did to t at an instant,
// when t became v.
func (t *Term) Passed(v schemas.Value, at schemas.Instant) string {
	switch {
	case t.Dwell != nil && v.True():
		return fmt.Sprintf("in %s for %s, since %v", t.Dwell.Audience, FormatDuration(t.Dwell.For), at.Add(-t.Dwell.For))
	case t.Dwell != nil:
		return "no longer in " + t.Dwell.Audience
	case t.Series == nil:
	case t.Series.Attribute != "":
		return t.dayPassed(v)
	case t.Aggregate == Streak:
		return "streak of " + t.Short + " broken"
	case t.Aggregate == Recency && t.Compare == NoComparison:
		return "one more day without " + t.Short
	case t.Aggregate == Recency:
		return "no " + t.Short + " for " + days(t.Operand)
	case t.Aggregate == Elapsed:
		return "no " + t.Short + " for " + FormatDuration(time.Duration(t.Operand)*time.Millisecond)
	case t.Series.Calendar != nil:
		return "the " + t.Series.Calendar.Unit.String() + " is over for " + t.Short
	case t.Sequence != nil && v.True():
		if wait := t.Sequence.waits(); wait != 0 {
			return t.Short + " for " + FormatDuration(wait)
		}
	}
	return "window of " + t.Short + " closed"
}

// waits is how long nothing may come after the last step; 0: no such time.
func (q *Sequence) waits() (longest time.Duration) {
	for _, w := range q.Steps[len(q.Steps)-1].Without {
		longest = max(longest, w.For)
	}
	return longest
}

// dayPassed is Passed for a term of a date.
func (t *Term) dayPassed(v schemas.Value) string {
	of := t.Series.Attribute
	if t.Aggregate == DaysUntilAnniversary || t.Aggregate == Anniversary {
		of = "anniversary of " + of
	}
	coming := t.Compare == LessOrEqual || t.Compare == Equal
	gone := t.Compare == GreaterOrEqual || t.Compare == Equal
	switch {
	case t.Aggregate == Anniversary && v.True():
		return of + " reached"
	case t.Aggregate == Anniversary, t.Aggregate == DaysUntilAnniversary && coming && !v.True():
		return of + " over"
	case t.Compare == NoComparison:
		return "one more day for " + t.Short
	case (t.Aggregate == DaysUntil || t.Aggregate == DaysUntilAnniversary) && coming && v.True():
		return days(t.Operand) + " until " + of
	case t.Aggregate == DaysSince && gone && v.True():
		return days(t.Operand) + " since " + of
	case t.Aggregate == YearsSince && gone && v.True():
		return fmt.Sprintf("%s years since %s", numberText(t.Operand), of)
	}
	asks := t.Short + " " + t.Compare.String() + " " + numberText(t.Operand)
	if v.True() {
		return asks + " from today on"
	}
	return asks + " until yesterday"
}

func days(n float64) string {
	if n == 1 {
		return "1 day"
	}
	return numberText(n) + " days"
}
