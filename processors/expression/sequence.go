package expression

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/common/ast"

	"kairos/schemas"
)

// Sequence is an order in which events must come. It looks at the points of a
// series with roles, ordered by time and, at the same millisecond, by event id.
//
// A match is one event for each step, each after the one before. It holds from
// its last event, or from when the longest time of a Without there has passed,
// until its first event leaves the term's window. Any and None ask whether some
// match holds; Count counts the last events of the matches that hold: each
// once, in however many ways it ends one.
type Sequence struct {
	Steps []Step
}

// Step is one event of a sequence.
type Step struct {
	Role    int           // in the series' Roles
	Within  time.Duration // it comes at most so long after the step before, to the millisecond; 0: at any time
	Without []Without     // what must not come after it and before the next step
}

// Without is a role that no event may play after a step. After the last step
// it speaks of the time For, of which the end is part; 0: of all time until now.
type Without struct {
	Role int
	For  time.Duration
}

// Role is what an event may be to a sequence.
type Role struct {
	Canonical string                    // as a series'
	Event     string                    // name; empty: any event
	Match     func(*schemas.Event) bool // nil: all of that name
	needs     need
}

func (r *Role) playedBy(e *schemas.Event) bool {
	return (r.Event == "" || r.Event == e.Name) && (r.Match == nil || r.Match(e))
}

const (
	longestSequence = 32 // steps and withouts, so that roles fit into a number
	longestEventID  = 64 // bytes of an id that decide on the order
	rolesBase       = 36
)

// The value of a point of a series with roles is a text: the event's id, so that
// values of the same millisecond are ordered by it, and then the roles.
func playing(e *event, roles uint64) value {
	return schemas.TextOf(e.ID[:min(len(e.ID), longestEventID)] + "\x00" + strconv.FormatUint(roles, rolesBase))
}

// RolesOf reads the value of a point of a series with roles: bit i tells
// whether the event plays Roles[i].
func RolesOf(v schemas.Value) uint64 {
	roles, err := strconv.ParseUint(v.Text[strings.LastIndexByte(v.Text, 0)+1:], rolesBase, 64)
	if err != nil {
		return 0
	}
	return roles
}

// seriesOfRoles makes the series of events that play any of roles.
func seriesOfRoles(roles []Role) *Series {
	texts := make([]string, len(roles))
	for i := range roles {
		texts[i] = roles[i].Canonical
	}
	return &Series{
		Canonical: "[" + strings.Join(texts, " | ") + "]",
		Roles:     roles,
		Match: func(e *event) bool {
			return slices.ContainsFunc(roles, func(r Role) bool { return r.playedBy(e) })
		},
		Value: func(e *event) value {
			played := uint64(0)
			for i := range roles {
				if roles[i].playedBy(e) {
					played |= 1 << i
				}
			}
			return playing(e, played)
		},
	}
}

// isSequence reports whether a chain has steps after its first events.
func isSequence(calls []ast.Expr) bool {
	return slices.ContainsFunc(calls[1:], func(e ast.Expr) bool { return isSequenceStep(e.AsCall().FunctionName()) })
}

func isSequenceStep(step string) bool { return step == "then" || step == "without" }

// sequence is a sequence being built.
type sequence struct {
	*work
	parts []part
	whole chain // for within, which is about all of it
}

// part is events(...), then(...) or without(...), with what restricts it.
type part struct {
	*chain
	at      ast.Expr
	without bool
	limit   time.Duration
	role    int
}

// sequence makes the term of a chain with then and without, and returns the
// node that stands for it in place of at.
func (w *work) sequence(at ast.Expr, calls []ast.Expr, r result, comparison Comparison, bound float64) ast.Expr {
	s := &sequence{work: w, whole: chain{work: w}}
	first := &chain{work: w}
	first.begin(calls[0])
	s.parts = append(s.parts, part{chain: first, at: calls[0]})
	for _, call := range calls[1 : len(calls)-1] {
		s.read(call)
	}
	end := calls[len(calls)-1]
	s.checkEnd(end, r)
	if s.whole.calendar != nil {
		s.whole.refuse(calls[0], "a sequence has no window of the calendar", "write within(\"30d\"), or restrict a step with since(\"2026-01-31\")")
	}
	for _, p := range s.parts {
		if p.only != 0 {
			p.refuse(p.at, "a sequence takes no first(n) and no last(n)", "restrict it by time with within(\"30d\")")
		}
	}
	if len(s.parts) > longestSequence {
		s.whole.refuse(s.parts[longestSequence].at, fmt.Sprintf("the sequence has more than %d steps", longestSequence),
			"split it into audiences and join them with in(\"...\")")
	}
	if s.whole.failed || slices.ContainsFunc(s.parts, func(p part) bool { return p.failed }) {
		return at
	}
	t := &Term{Kind: first.kind, Window: s.whole.window, Aggregate: r.aggregate, Compare: comparison, Operand: bound, Short: s.short()}
	t.Series = w.environment.Terms.internSeries(seriesOfRoles(s.roles()))
	t.Sequence = s.steps()
	t.Canonical = t.text()
	return w.stand(at, t, r.gives)
}

// read reads a step between events(...) and the result.
func (s *sequence) read(e ast.Expr) {
	switch step := e.AsCall().FunctionName(); {
	case isSequenceStep(step):
		s.add(e, step)
	case step == "within":
		s.whole.within(e, e.AsCall().Args())
	default:
		s.parts[len(s.parts)-1].restrict(e)
	}
}

// add reads then("name") and without("name"), with a duration or a condition
// or, in this order, both.
func (s *sequence) add(e ast.Expr, step string) {
	p := part{chain: &chain{work: s.work}, at: e, without: step == "without"}
	arguments := e.AsCall().Args()
	name, ok := "", false
	if len(arguments) > 0 {
		name, ok = textOf(arguments[0])
	}
	if !ok || name == "" || len(arguments) > 4 {
		p.refuse(e, step+" takes the name of an event, perhaps a duration, perhaps a condition", "write "+exampleOf(step))
		s.parts = append(s.parts, p)
		return
	}
	p.named(arguments[0], name)
	rest := arguments[1:]
	if len(rest)%2 == 1 {
		p.limit = p.duration(rest[0], step)
		rest = rest[1:]
	}
	if len(rest) == 2 && !p.failed {
		p.where(e, rest)
	}
	s.parts = append(s.parts, p)
}

func exampleOf(step string) string {
	return step + "(\"purchase\"), " + step + "(\"purchase\", \"1h\") or " + step + "(\"purchase\", \"1h\", e, e.amount > 50)"
}

func (p *part) duration(e ast.Expr, step string) time.Duration {
	text, ok := textOf(e)
	if !ok {
		p.refuse(e, "the second thing that "+step+" takes is a duration as a constant text", "write "+exampleOf(step))
		return 0
	}
	d, err := ParseDuration(text)
	if err != nil {
		p.refuse(e, err.Error(), "")
	}
	return d
}

// checkEnd refuses results that sequences do not have, and waiting where
// nothing waits.
func (s *sequence) checkEnd(end ast.Expr, r result) {
	if step := end.AsCall().FunctionName(); r.aggregate > Count || r.takes {
		s.whole.refuse(end, "a sequence has no `"+step+"`", "end it with any(), none() or count()")
	} else if len(end.AsCall().Args()) > 0 {
		s.whole.refuse(end, step+"() takes nothing", "give the condition to a step: then(\"purchase\", e, e.amount > 50)")
	}
	last := len(s.parts) - 1
	for last > 0 && s.parts[last].without {
		last--
	}
	for i, p := range s.parts {
		switch {
		case !p.without || p.limit == 0:
		case i < last:
			p.refuse(p.at, "without takes a duration only after the last step", "say how long with the step behind it: then(\"checkout\", \"1h\")")
		case s.whole.window != 0 && p.limit >= s.whole.window:
			p.refuse(p.at, "this can never be true: the first event leaves within(...) before "+FormatDuration(p.limit)+" have passed",
				"make within(...) longer")
		}
	}
}

// roles lists what events may be to the sequence, each role once, and tells
// the parts theirs.
func (s *sequence) roles() []Role {
	var roles []Role
	for i := range s.parts {
		p := &s.parts[i]
		roles = append(roles, Role{Canonical: p.canonical(nil), Event: p.event, Match: p.match(), needs: p.needs()})
	}
	texts := func(a, b Role) int { return cmp.Compare(a.Canonical, b.Canonical) }
	played := slices.Clone(roles)
	slices.SortStableFunc(roles, texts)
	roles = slices.CompactFunc(roles, func(a, b Role) bool { return a.Canonical == b.Canonical })
	for i := range s.parts {
		s.parts[i].role, _ = slices.BinarySearchFunc(roles, played[i], texts)
	}
	return roles
}

// steps is the sequence of the parts.
func (s *sequence) steps() *Sequence {
	q := &Sequence{}
	for _, p := range s.parts {
		if !p.without {
			q.Steps = append(q.Steps, Step{Role: p.role, Within: p.limit})
			continue
		}
		last := &q.Steps[len(q.Steps)-1]
		last.Without = append(last.Without, Without{p.role, p.limit})
	}
	for i := range q.Steps {
		without := q.Steps[i].Without
		slices.SortFunc(without, func(a, b Without) int { return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.For, b.For)) })
		q.Steps[i].Without = slices.Compact(without)
	}
	return q
}

func (s *sequence) short() string {
	var b strings.Builder
	for i, p := range s.parts {
		switch {
		case i == 0:
			b.WriteString(p.chain.short())
		case p.without:
			b.WriteString(" without " + p.event)
		default:
			b.WriteString(" then " + p.event)
		}
	}
	return b.String()
}

// text is the sequence in normal form.
func (q *Sequence) text(roles []Role) string {
	var b strings.Builder
	for i, step := range q.Steps {
		if i > 0 {
			b.WriteString(" then ")
		}
		b.WriteString("[" + roles[step.Role].Canonical + "]")
		if step.Within > 0 {
			b.WriteString(" after " + FormatDuration(step.Within))
		}
		for _, w := range step.Without {
			b.WriteString(" without [" + roles[w.Role].Canonical + "]")
			if w.For > 0 {
				b.WriteString(" for " + FormatDuration(w.For))
			}
		}
	}
	return b.String()
}
