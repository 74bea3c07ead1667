package expression

import (
	"time"

	"kairos/schemas"
)

// Series is a stream of one person's events that terms look at: those of one
// name that a filter lets pass, with the value of one field. That of a date is
// of no events at all: it names the attribute.
type Series struct {
	ID        int64                              // xxhash64 of Canonical
	Canonical string                             // such as `purchase where e.amount > 50.0 take amount`
	Event     string                             // name; empty: any event
	Match     func(*schemas.Event) bool          // nil: all. Total: an error is false
	Value     func(*schemas.Event) schemas.Value // nil: no field is needed
	Keep      time.Duration                      // the longest window of a term that looks at it; 0: for ever
	Roles     []Role                             // what events may be to sequences, by Canonical; nil: no sequence looks at it. A value tells roles: see RolesOf
	Calendar  *Calendar                          // its terms look at the current period of this only, whatever Keep says
	Attribute string                             // its terms look at this attribute, not at events
	needs     need                               // what Match asks at least; see Index
}

// Aggregate is what a term computes from the points within its window.
type Aggregate uint8

// The aggregates. Any and None give a Boolean; Count and Unique a Number, 0
// without points; Sum a Number, 0 without points; Avg, Min and Max a Number,
// Null without points; First and Last the value of the oldest and newest point
// that has one, Null without.
//
// MostFrequent gives the value that most points have; of several the one that
// came last, of those the greatest; Null without. List gives the different
// values, newest first (see [List] and [Elements]).
//
// The others change as time passes. Recency is the Number of whole days since
// the newest point, Elapsed that of milliseconds, which makes sense compared
// only; both Null without points. Streak is how many periods of Term.Unit in a
// row have a point, up to the current one or, as long as that has none, the one
// before; 0 without. The Number of a point is the period's index then.
//
// The last ones are of a date, the value of an attribute, by the calendar of
// Term.Unit: see [Term.OfDate].
const (
	Any Aggregate = iota
	None
	Count
	Sum
	Avg
	Min
	Max
	First
	Last
	Unique
	MostFrequent
	List
	Recency
	Elapsed
	Streak
	DaysUntil
	DaysSince
	YearsSince
	Anniversary
	DaysUntilAnniversary
)

// Comparison turns a term's number into a Boolean, so that only crossing the
// bound is a change.
type Comparison uint8

// The comparisons.
const (
	NoComparison Comparison = iota
	Less
	LessOrEqual
	Equal
	NotEqual
	GreaterOrEqual
	Greater
)

// Term is one behavioural part of an expression: an aggregate over the points
// of a series within a window, perhaps compared with a constant. At time T the
// window holds points with T-Window < time <= T: an event leaves on the very
// millisecond Window after it happened.
type Term struct {
	ID        int64  // xxhash64 of Canonical
	Canonical string // source text in normal form
	Short     string // for people, such as `events(purchase)`
	Kind      string // of the group whose members' events count; empty: only the person's own do
	Series    *Series
	Window    time.Duration // 0: for ever, or the current period of Series.Calendar
	Limit     int           // only the newest Limit points within the window count, or the -Limit oldest; 0: all
	Unit      *Calendar     // of a streak or a date
	Sequence  *Sequence     // the points must make such a sequence; nil: each counts on its own
	Dwell     *Dwell        // the term is whether somebody has been in an audience for a time; it has no series and no aggregate
	Aggregate Aggregate     // of a sequence Any, None or Count
	Compare   Comparison
	Operand   float64
}

// looksAgain tells whether t's value at a time in the past takes more than the
// points that were within its window then.
func (t *Term) looksAgain() bool {
	return t.Limit != 0 || t.Aggregate > Unique || t.Series != nil && (t.Series.Calendar != nil || t.Series.Attribute != "")
}

// Turns tells whether the passing of time alone may give t another value.
func (t *Term) Turns() bool {
	switch t.Aggregate {
	case Recency, Elapsed, Streak:
		return true
	}
	return t.Window != 0 || t.Sequence != nil || t.Dwell != nil || t.Series.Calendar != nil || t.Series.Attribute != ""
}

// Inputs is what an expression may ask for about one person.
type Inputs interface {
	Term(id int64) schemas.Value // Null: not known, which counts as a term without points
	Attribute(name string) schemas.Value
	Score(model string) schemas.Value // Null: not scored yet
	Audience(name string) bool
	Person() string // for stable splits
}

// Expression is a checked, compiled expression.
type Expression struct {
	Source     string
	Type       Type
	Terms      []*Term  // by rising ID
	Attributes []string // sorted, as are those below
	Scores     []string
	Audiences  []string
	Guards     []Guard // all must be so for it to be true; there may be others that are not listed
	eval       func(Inputs) schemas.Value
}

// Eval evaluates e. It never fails: what cannot be computed is Null.
func (e *Expression) Eval(in Inputs) schemas.Value { return e.eval(in) }

// New makes an expression out of a Go function, for tests and for whatever
// builds conditions without source text. Eval must be a pure function of what
// it asks of its inputs, and ask for nothing that is not listed.
func New(source string, terms []*Term, attributes, scores, audiences []string, eval func(Inputs) schemas.Value) *Expression {
	return &Expression{Source: source, Terms: terms, Attributes: attributes, Scores: scores, Audiences: audiences, eval: eval}
}
