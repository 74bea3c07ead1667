package expression

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"kairos/schemas"
)

// A chain is events("name"), restrictions, and a result at the end. It becomes
// one term over one series.

// restrictions are the steps between events(...) and the result.
var restrictions = [...]string{"where", "from", "within", "between", "since", "on"}

// results are the steps that end a chain.
var results = [...]string{"any", "none", "count", "sum", "avg", "min", "max", "first", "last", "unique",
	"most_frequent", "list", "ratio", "recency", "streak"}

// result describes the last step of a chain.
type result struct {
	aggregate Aggregate
	takes     bool // it looks at a field
	numeric   bool // of which only numbers make sense
	gives     Type // AnyType: the field's
}

func resultOf(step string) (result, bool) {
	switch step {
	case "any":
		return result{aggregate: Any, gives: BooleanType}, true
	case "none":
		return result{aggregate: None, gives: BooleanType}, true
	case "count":
		return result{aggregate: Count, gives: NumberType}, true
	case "sum":
		return result{Sum, true, true, NumberType}, true
	case "avg", "ratio":
		return result{Avg, true, true, NumberType}, true
	case "min":
		return result{Min, true, true, NumberType}, true
	case "max":
		return result{Max, true, true, NumberType}, true
	case "first":
		return result{First, true, false, AnyType}, true
	case "last":
		return result{Last, true, false, AnyType}, true
	case "unique":
		return result{Unique, true, false, NumberType}, true
	case "most_frequent":
		return result{MostFrequent, true, false, AnyType}, true
	case "list":
		return result{List, true, false, ListType}, true
	case "recency":
		return result{aggregate: Recency, gives: NumberType}, true
	case "streak":
		return result{aggregate: Streak, gives: NumberType}, true
	default:
		return result{}, false
	}
}

// chain is a term being built.
type chain struct {
	*work
	kind       string // of the group whose members are asked; empty: the person
	event      string
	fields     map[string]Type
	conditions []ast.Expr // of all where(...), rewritten, joined by &&
	sender     string     // of from(...)
	periods    []period
	days       []time.Weekday
	daysZone   *time.Location
	window     time.Duration
	calendar   *Calendar // a window, too
	only       int       // of first(n), negative, and last(n)
	unit       *Calendar // of a streak
	failed     bool
}

// steps lists the calls of a chain from events(...) on. ok tells whether e is
// such a chain at all.
func steps(e ast.Expr) (calls []ast.Expr, ok bool) {
	for e.Kind() == ast.CallKind {
		call := e.AsCall()
		calls = append(calls, e)
		if !call.IsMemberFunction() {
			slices.Reverse(calls)
			return calls, beginsChain(call.FunctionName())
		}
		e = call.Target()
	}
	return nil, false
}

// term makes the term of the chain at e, compared with bound, and returns the
// node that stands for it in place of at. ok is false if e is no chain, or one
// whose result is not compared like that.
func (w *work) term(at, e ast.Expr, comparison Comparison, bound operand) (node ast.Expr, ok bool) {
	calls, ok := steps(e)
	if !ok {
		return nil, false
	}
	last := calls[len(calls)-1].AsCall()
	r, ends := resultOf(last.FunctionName())
	switch {
	case !ends || len(calls) == 1:
		if comparison != NoComparison {
			return nil, false // the whole is refused once its side is rewritten
		}
		w.refuseEnd(calls)
		return e, true
	case comparison != NoComparison && (r.gives == BooleanType || r.gives == ListType || bound.elapsed && r.aggregate != Recency):
		return nil, false
	case isSequence(calls):
		return w.sequence(at, calls, r, comparison, bound.number), true
	case bound.elapsed:
		r.aggregate = Elapsed
	}
	c := &chain{work: w}
	c.begin(calls[0])
	for _, call := range calls[1 : len(calls)-1] {
		c.restrict(call)
	}
	t := &Term{
		Window: c.window, Limit: c.only, Aggregate: r.aggregate,
		Compare: comparison, Operand: bound.number,
	}
	gives := c.finish(t, calls[len(calls)-1], r)
	if c.failed {
		return at, true
	}
	return w.stand(at, t, gives), true
}

// operand is what a result is compared with: a number, or a duration in
// milliseconds.
type operand struct {
	number  float64
	elapsed bool
}

// stand interns a term, whose aggregate is of type gives, and makes the node
// that stands for it in place of at.
func (w *work) stand(at ast.Expr, t *Term, gives Type) ast.Expr {
	t = w.environment.Terms.intern(t)
	w.terms[t.ID] = t
	if t.Compare != NoComparison {
		gives = BooleanType
	}
	id, empty := t.ID, t.Empty()
	return w.personInput(at, gives, termKey+t.Canonical, func(in Inputs) value {
		if v := in.Term(id); v.Kind != 0 {
			return v
		}
		return empty
	})
}

// refuseEnd refuses a chain that has no result at its end, at the first step
// that is not a restriction.
func (w *work) refuseEnd(calls []ast.Expr) {
	for _, e := range calls[1:] {
		step := e.AsCall().FunctionName()
		if _, limits := limitOf(e); limits || slices.Contains(restrictions[:], step) || isSequenceStep(step) {
			continue
		}
		w.refuseStep(e, step)
		return
	}
	w.refuse(calls[0], "events(...) has no result", "end it with any(), none(), count(), recency(), sum, avg, min, max, first, last, unique, "+
		"most_frequent, list, ratio or streak")
}

func (w *work) refuseStep(e ast.Expr, step string) {
	if _, ends := resultOf(step); ends {
		w.refuse(e, "`"+step+"` gives a result, so nothing can restrict it afterwards", "put where(...) and within(...) before it")
		return
	}
	w.refuse(e, "unknown step `"+step+"` after events(...)", Suggest(step, slices.Concat(restrictions[:], []string{"then", "without"}, results[:])))
}

// refuse notes that the chain cannot become a term.
func (c *chain) refuse(e ast.Expr, message, next string) {
	c.failed = true
	c.work.refuse(e, message, next)
}

// begin reads events("name").
func (c *chain) begin(e ast.Expr) {
	arguments := c.source(e)
	if len(arguments) == 0 {
		return
	}
	name, ok := textOf(arguments[0])
	if !ok || name == "" || len(arguments) > 1 {
		c.refuse(e, "events takes one name as a constant text, or nothing for any event", "write events(\"purchase\")")
		return
	}
	c.named(arguments[0], name)
}

// named looks an event up.
func (c *chain) named(e ast.Expr, name string) {
	ok := false
	c.event = name
	if c.fields, ok = c.environment.event(name); !ok {
		c.refuse(e, "unknown event `"+name+"`", Suggest(name, keys(c.environment.Events)))
	}
}

// restrict reads a step between.
func (c *chain) restrict(e ast.Expr) {
	call := e.AsCall()
	n, limits := limitOf(e)
	if !limits && c.only != 0 {
		c.refuse(e, "nothing can restrict the events behind first(n) or last(n)", "put it before")
		return
	}
	switch step := call.FunctionName(); step {
	case "first", "last":
		if !limits {
			c.refuseStep(e, step)
			return
		}
		c.keepOnly(e, step, n)
	case "where":
		c.where(e, call.Args())
	case "from":
		c.from(e, call.Args())
	case "within":
		c.within(e, call.Args())
	case "between", "since":
		c.between(e, step, call.Args())
	case "on":
		c.on(e, call.Args())
	default:
		c.failed = true
		c.refuseStep(e, step)
	}
}

// where reads where(e, condition).
func (c *chain) where(e ast.Expr, arguments []ast.Expr) {
	if len(arguments) != 2 || arguments[0].Kind() != ast.IdentKind {
		c.refuse(e, "where takes a name for the event and a condition", "write where(e, e.amount > 50)")
		return
	}
	condition, t := c.about(arguments[0].AsIdent(), arguments[1])
	if !c.failed && t != BooleanType && t != AnyType {
		c.refuse(arguments[1], "the condition of where is a "+t.String()+", not a boolean", "compare it with something")
	}
	c.conditions = append(c.conditions, condition)
}

// about rewrites and checks an expression about the event called variable.
func (c *chain) about(variable string, e ast.Expr) (ast.Expr, Type) {
	before := len(c.problems)
	rewritten := c.rewrite(e, eventScope{c, variable})
	t := AnyType
	if len(c.problems) == before {
		var checked *ast.AST
		checked, t = c.check(rewritten)
		rewritten = checked.Expr()
	}
	if len(c.problems) > before {
		c.failed = true
	}
	return rewritten, t
}

func (c *chain) from(e ast.Expr, arguments []ast.Expr) {
	source, ok := "", false
	if len(arguments) == 1 {
		source, ok = textOf(arguments[0])
	}
	if !ok || source == "" || c.sender != "" {
		c.refuse(e, "from takes one source as a constant text, once", "write from(\"app\")")
		return
	}
	c.sender = source
}

func (c *chain) within(e ast.Expr, arguments []ast.Expr) {
	text, ok := "", false
	if len(arguments) > 0 {
		text, ok = textOf(arguments[0])
	}
	unit, ofCalendar := currentUnit(text)
	switch {
	case !ok || len(arguments) > 1 && !ofCalendar:
		c.refuse(e, "within takes one duration, or a period with its time zone, as constant texts", "write within(\"30d\") or within(\"this month\", \"Europe/Paris\")")
		return
	case c.window != 0 || c.calendar != nil:
		c.refuse(e, "within is there twice", "keep the shorter one")
		return
	case ofCalendar:
		c.calendar = c.calendarOf(e, unit, arguments[1:])
		return
	}
	window, err := ParseDuration(text)
	if err != nil {
		next := ""
		if meant := Suggest(text, []string{"today", "this week", "this month", "this year"}); strings.HasPrefix(meant, "did") {
			next = meant
		}
		c.refuse(arguments[0], err.Error(), next)
		return
	}
	c.window = window
}

// finish reads the result, and makes the series.
func (c *chain) finish(t *Term, e ast.Expr, r result) Type {
	call := e.AsCall()
	arguments := call.Args()
	if r.aggregate == Streak {
		arguments = c.streak(e, arguments)
	}
	taken, gives := c.take(e, call.FunctionName(), arguments, r)
	if c.failed {
		return gives
	}
	s := &Series{Event: c.event, Canonical: c.canonical(taken), Match: c.match(), Calendar: c.calendar, needs: c.needs()}
	if unit := c.unit; unit != nil {
		t.Unit = unit
		s.Value = func(e *event) value { return schemas.NumberOf(float64(unit.At(e.Time).Index)) }
	}
	if taken != nil {
		get := native[*event]{eventSlot}.value(taken)
		s.Value = func(e *event) value { return settled(get(e)) }
	}
	t.Series = c.environment.Terms.internSeries(s)
	t.Kind, t.Short = c.kind, c.short()
	t.Canonical = t.text()
	return gives
}

// take reads the arguments of the result: nothing, a field as a text, or a
// name for the event and an expression.
func (c *chain) take(e ast.Expr, step string, arguments []ast.Expr, r result) (ast.Expr, Type) {
	if !r.takes {
		if len(arguments) > 0 {
			c.refuse(e, step+"() takes nothing", "restrict the events with where(e, ...) before it")
		}
		return nil, r.gives
	}
	var taken ast.Expr
	var t Type
	switch field, ok := "", false; {
	case len(arguments) == 2 && arguments[0].Kind() == ast.IdentKind:
		taken, t = c.about(arguments[0].AsIdent(), arguments[1])
	case len(arguments) == 1 && step != "ratio":
		if field, ok = textOf(arguments[0]); ok {
			taken, t = eventScope{c, ""}.property(arguments[0], field)
			break
		}
		fallthrough
	default:
		c.refuse(e, step+" needs to know of what", "write "+example(step))
		return nil, r.gives
	}
	if c.failed {
		return nil, r.gives
	}
	switch {
	case step == "ratio" && t != BooleanType:
		c.refuse(e, "ratio takes a condition", "write "+example(step))
	case step == "ratio":
		taken = c.factory.NewCall(c.newID(e), operators.Conditional, taken,
			c.factory.NewLiteral(c.newID(e), types.Double(1)), c.factory.NewLiteral(c.newID(e), types.Double(0)))
	case r.numeric && t != NumberType && t != AnyType:
		c.refuse(e, fmt.Sprintf("%s of a %s", step, t), "take a field that is a number")
	}
	if r.gives == AnyType {
		return taken, t
	}
	return taken, r.gives
}

func example(step string) string {
	if step == "ratio" {
		return "ratio(e, e.opened == true)"
	}
	return step + "(\"amount\") or " + step + "(e, e.price * e.quantity)"
}

// canonical is the series in normal form.
func (c *chain) canonical(taken ast.Expr) string {
	var b strings.Builder
	b.WriteString(quotedUnlessName(c.event))
	if c.sender != "" {
		fmt.Fprintf(&b, " from %q", c.sender)
	}
	for _, p := range c.normalPeriods() {
		b.WriteString(" " + p.String())
	}
	if len(c.days) > 0 {
		b.WriteString(" on " + daysText(c.days, c.daysZone))
	}
	if c.calendar != nil {
		b.WriteString(" this " + c.calendar.String())
	}
	if len(c.conditions) > 0 {
		b.WriteString(" where " + conjunctionText(c.conditions))
	}
	if taken != nil {
		b.WriteString(" take " + canonicalText(taken))
	}
	if c.unit != nil {
		b.WriteString(" by " + c.unit.String())
	}
	return b.String()
}

func quotedUnlessName(name string) string {
	for _, r := range name {
		if r != '_' && r != '-' && r != '.' && !isLetterOrDigit(r) {
			return fmt.Sprintf("%q", name)
		}
	}
	if name == "" {
		return "*"
	}
	return name
}

// text is the term in normal form.
func (t *Term) text() string {
	var b strings.Builder
	if t.Kind != "" {
		b.WriteString(memberCall + " " + t.Kind + " ")
	}
	if t.Sequence != nil {
		b.WriteString(t.Sequence.text(t.Series.Roles))
	} else {
		b.WriteString(t.Series.Canonical)
	}
	if t.Window > 0 {
		b.WriteString(" within " + FormatDuration(t.Window))
	}
	if t.Limit > 0 {
		fmt.Fprintf(&b, " last %d", t.Limit)
	} else if t.Limit < 0 {
		fmt.Fprintf(&b, " first %d", -t.Limit)
	}
	b.WriteString(" " + t.Aggregate.String())
	if t.Compare == NoComparison {
		return b.String()
	}
	operand := numberText(t.Operand)
	if t.Aggregate == Elapsed {
		operand = FormatDuration(time.Duration(t.Operand) * time.Millisecond)
	}
	b.WriteString(" " + t.Compare.String() + " " + operand)
	return b.String()
}
