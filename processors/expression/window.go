package expression

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/common/ast"
)

// The parts of a chain that choose among events by the calendar or by rank.

// currentUnit reads "today", "this week", "this month" and "this year".
func currentUnit(text string) (Unit, bool) {
	if text == "today" {
		return Day, true
	}
	word, ok := strings.CutPrefix(text, "this ")
	u, known := unitOf(word)
	return u, ok && known && u != Day
}

func unitOf(word string) (Unit, bool) {
	for u := Day; u <= Year; u++ {
		if word == u.String() {
			return u, true
		}
	}
	return 0, false
}

// calendarOf is a calendar in the time zone that rest may name: UTC if not.
func (w *work) calendarOf(e ast.Expr, unit Unit, rest []ast.Expr) *Calendar {
	zone := time.UTC
	if len(rest) > 0 {
		name, ok := textOf(rest[0])
		var err error
		if zone, err = w.environment.Terms.zone(name); !ok || err != nil || len(rest) > 1 {
			next := Suggest(name, w.environment.Terms.zones.names())
			if !strings.HasPrefix(next, "did") {
				next = "write the IANA name of one, such as \"Europe/Paris\""
			}
			w.refuse(e, fmt.Sprintf("there is no time zone %q", name), next)
			zone = time.UTC
		}
	}
	return &Calendar{unit, zone}
}

// mostLimited bounds first(n) and last(n), so that their events can be kept.
const mostLimited = 100

// limitOf tells whether e is a step first(n) or last(n), and n.
func limitOf(e ast.Expr) (n float64, ok bool) {
	call := e.AsCall()
	if name := call.FunctionName(); name != "first" && name != "last" || len(call.Args()) != 1 {
		return 0, false
	}
	return numberOf(call.Args()[0])
}

func (c *chain) keepOnly(e ast.Expr, step string, n float64) {
	switch {
	case n != math.Trunc(n) || n < 1 || n > mostLimited:
		c.refuse(e, fmt.Sprintf("%s takes a whole number from 1 to %d, or a field if it stands at the end", step, mostLimited), "write "+step+"(3)")
	case c.only != 0:
		c.refuse(e, "first(n) or last(n) is there twice", "keep one")
	case step == "first":
		c.only = -int(n)
	default:
		c.only = int(n)
	}
}

// streak reads streak("1d") and streak("week", "Europe/Paris").
func (c *chain) streak(e ast.Expr, arguments []ast.Expr) []ast.Expr {
	text := ""
	if len(arguments) > 0 {
		text, _ = textOf(arguments[0])
	}
	unit, ok := unitOf(text)
	if i := slices.Index([]string{"1d", "1w"}, text); i >= 0 {
		unit, ok = Unit(i), true
	}
	switch {
	case !ok:
		c.refuse(e, "streak takes what it counts: days, weeks, months or years", "write streak(\"1d\"), streak(\"1w\"), streak(\"month\") or streak(\"year\"), and a time zone behind it")
	case c.calendar != nil:
		c.refuse(e, "a streak runs from period to period, so it cannot end with one", "leave within(\"this ...\") out, or write a duration")
	default:
		c.unit = c.calendarOf(e, unit, arguments[1:])
	}
	return nil
}

func isConstant(e ast.Expr) bool {
	_, isNumber := numberOf(e)
	return isNumber || e.Kind() == ast.LiteralKind
}

// operandOf reads the constant that a result is compared with.
func (w *work) operandOf(compared, constant ast.Expr) (operand, bool) {
	if number, ok := numberOf(constant); ok {
		return operand{number: number}, true
	}
	calls, isChain := steps(compared)
	text, isText := textOf(constant)
	if !isChain || !isText || calls[len(calls)-1].AsCall().FunctionName() != "recency" {
		return operand{}, false
	}
	d, err := ParseDuration(text)
	if err != nil {
		w.refuse(constant, err.Error(), "")
	}
	return operand{float64(d.Milliseconds()), true}, true
}

// isListed tells whether e is a chain that ends in list(...), or may be a list
// with a name.
func (w *work) isListed(e ast.Expr) bool {
	switch of, name, ok := path(e); {
	case ok && of == "features":
		return true // the checker knows its type
	case ok && of == "p":
		t, defined := w.environment.Attributes[name]
		return w.environment.Attributes == nil || defined && t == ListType
	}
	calls, ok := steps(e)
	return ok && calls[len(calls)-1].AsCall().FunctionName() == "list"
}
