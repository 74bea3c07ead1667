package profile_test

import (
	"cmp"
	"math/big"
	"slices"
	"time"

	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/schemas"
)

// history is the second implementation, deliberately dumb: it keeps all events
// for ever and looks through all of them whenever it is asked anything. It
// shares no code with the first one.
type history struct {
	plan *definition.Plan
	all  []happened
	now  map[string]schemas.Instant // by identifier: the newest cause
}

// happened is an event that counts.
type happened struct {
	identifier string
	cause      schemas.Instant
	at         schemas.Instant
	event      *schemas.Event
}

func newHistory(plan *definition.Plan) *history {
	return &history{plan: plan, now: map[string]schemas.Instant{}}
}

// add takes an event in, unless it is a duplicate.
func (h *history) add(m *schemas.PersonEvent) bool {
	h.now[m.Identifier] = max(h.now[m.Identifier], m.Cause)
	for _, x := range h.all {
		if x.identifier == m.Identifier && x.event.ID == m.Event.ID && x.cause.Add(h.plan.Profile.DuplicateWindow) > h.now[m.Identifier] {
			return false
		}
	}
	h.all = append(h.all, happened{m.Identifier, m.Cause, min(m.Event.Time, m.Event.Received), m.Event})
	return true
}

// seen is an event as one term sees it.
type seen struct {
	at     schemas.Instant
	leaves schemas.Instant // 0: never
	value  schemas.Value
	rough  bool // not kept exactly
}

// sees lists what a term sees of all identifiers, oldest first.
func (h *history) sees(t *expression.Term, identifiers []string) []seen {
	return h.seesRoughly(t, identifiers, t.Window)
}

// seesRoughly rounds what is not kept exactly as a window of a length does.
func (h *history) seesRoughly(t *expression.Term, identifiers []string, length time.Duration) []seen {
	var all []seen
	for _, identifier := range identifiers {
		var own []seen
		for _, x := range h.all {
			s := t.Series
			if x.identifier != identifier || s.Event != "" && s.Event != x.event.Name || s.Match != nil && !s.Match(x.event) {
				continue
			}
			var value schemas.Value
			if s.Value != nil {
				value = s.Value(x.event)
			}
			own = append(own, seen{at: x.at, value: value})
		}
		slices.SortFunc(own, func(a, b seen) int {
			if a.at != b.at {
				return int(a.at - b.at)
			}
			return a.value.Compare(b.value)
		})
		exact := max(0, len(own)-h.exact(t.Series))
		for i := range own {
			own[i].leaves = own[i].at.Add(t.Window)
			if c := t.Series.Calendar; c != nil {
				own[i].leaves = nextPeriod(c, own[i].at)
				continue
			}
			if i < exact {
				own[i].rough = true
				end := roundedUp(own[i].at, length)
				if exact < len(own) {
					end = min(end, own[exact].at)
				}
				own[i].leaves = end.Add(t.Window)
			}
			if t.Window == 0 {
				own[i].leaves = 0
			}
		}
		all = append(all, own...)
	}
	slices.SortStableFunc(all, func(a, b seen) int { return int(a.at - b.at) })
	return all
}

// exact is how many events a series keeps exactly.
func (h *history) exact(s *expression.Series) int {
	exact := h.plan.Profile.ExactPoints
	for _, t := range h.plan.Terms {
		if t.Series == s {
			exact = max(exact, t.Limit)
		}
	}
	return exact
}

// roundedUp is the end of the cell in which a window sees an event that is not
// kept exactly: the smallest 1 s, 2 s, 4 s ... that are at least a 32nd of it.
func roundedUp(at schemas.Instant, window time.Duration) schemas.Instant {
	cell := schemas.Instant(1000)
	for cell*32 < schemas.Instant(window.Milliseconds()) {
		cell *= 2
	}
	return (at/cell + 1) * cell
}

// value computes a term at time now.
func (h *history) value(t *expression.Term, identifiers []string, now schemas.Instant) schemas.Value {
	switch {
	case t.Sequence != nil:
		return h.sequence(t, identifiers, now)
	case t.Dwell != nil:
		return h.dwell(t, identifiers, now)
	}
	var in []seen
	for _, s := range h.sees(t, identifiers) {
		if s.at <= now && (s.leaves == 0 || s.leaves > now) {
			in = append(in, s)
		}
	}
	if t.Series.Attribute != "" {
		return t.Compared(ofDate(t, h.attribute(t.Series.Attribute, identifiers), now))
	}
	if t.Limit != 0 {
		slices.SortStableFunc(in, func(a, b seen) int { return cmp.Or(cmp.Compare(a.at, b.at), a.value.Compare(b.value)) })
		if t.Limit > 0 {
			in = in[max(0, len(in)-t.Limit):]
		} else {
			in = in[:min(len(in), -t.Limit)]
		}
	}
	if t.Aggregate > expression.Unique {
		return t.Compared(movingAggregate(t, in, now))
	}
	return t.Compared(aggregateOf(t.Aggregate, in))
}

func aggregateOf(a expression.Aggregate, in []seen) schemas.Value {
	var valued, numbers []seen
	different := map[schemas.Value]bool{}
	for _, s := range in {
		if s.value.Kind != schemas.Null {
			valued = append(valued, s)
			different[s.value] = true
		}
		if s.value.Kind == schemas.Number {
			numbers = append(numbers, s)
		}
	}
	switch a {
	case expression.Any:
		return schemas.BooleanOf(len(in) > 0)
	case expression.None:
		return schemas.BooleanOf(len(in) == 0)
	case expression.Count:
		return schemas.NumberOf(float64(len(in)))
	case expression.Unique:
		return schemas.NumberOf(float64(len(different)))
	case expression.Sum:
		return schemas.NumberOf(exactSum(numbers))
	case expression.First, expression.Last:
		return endOfAll(a, valued)
	}
	if len(numbers) == 0 {
		return schemas.Value{}
	}
	least, most := numbers[0].value.Number, numbers[0].value.Number
	for _, s := range numbers {
		least, most = min(least, s.value.Number), max(most, s.value.Number)
	}
	switch a {
	case expression.Min:
		return schemas.NumberOf(least)
	case expression.Max:
		return schemas.NumberOf(most)
	default:
		return schemas.NumberOf(exactSum(numbers) / float64(len(numbers)))
	}
}

// exactSum adds numbers that have at most six decimals.
func exactSum(numbers []seen) float64 {
	sum := new(big.Rat)
	for _, s := range numbers {
		x, _ := new(big.Rat).SetString(s.value.String())
		sum.Add(sum, x)
	}
	f, _ := sum.Float64()
	return f
}

func endOfAll(a expression.Aggregate, valued []seen) schemas.Value {
	if len(valued) == 0 {
		return schemas.Value{}
	}
	best := valued[0]
	for _, s := range valued {
		older := s.at < best.at || s.at == best.at && s.value.Compare(best.value) < 0
		newer := s.at > best.at || s.at == best.at && s.value.Compare(best.value) > 0
		if a == expression.First && older || a == expression.Last && newer {
			best = s
		}
	}
	return best.value
}

// leavings lists the instants after t and before until at which anything
// leaves a window.
func (h *history) leavings(identifiers []string, t, until schemas.Instant) []schemas.Instant {
	var all []schemas.Instant
	for _, term := range h.plan.Terms {
		all = append(all, h.borders(term, identifiers)...)
		if term.Sequence != nil || term.Dwell != nil {
			continue
		}
		for _, s := range h.sees(term, identifiers) {
			all = append(all, turns(term, s.at, until)...)
		}
		for at := t; term.Unit != nil && at < until; {
			at = nextPeriod(term.Unit, at)
			all = append(all, at)
		}
	}
	all = slices.DeleteFunc(all, func(at schemas.Instant) bool { return at <= t || at >= until })
	slices.Sort(all)
	return slices.Compact(all)
}

// borders lists when the passing of time may change a term.
func (h *history) borders(t *expression.Term, identifiers []string) []schemas.Instant {
	switch {
	case t.Sequence != nil:
		return h.sequenceBorders(t, identifiers)
	case t.Dwell != nil:
		return h.dwellBorders(t, identifiers)
	}
	var all []schemas.Instant
	for _, s := range h.sees(t, identifiers) {
		all = append(all, s.leaves)
	}
	return all
}

// attribute finds what is believed about an attribute, by walking through all
// that was ever said.
func (h *history) attribute(name string, identifiers []string) schemas.Value {
	type said struct {
		happened
		value schemas.Value
	}
	var all []said
	var removed schemas.Instant
	for _, x := range h.all {
		if !slices.Contains(identifiers, x.identifier) {
			continue
		}
		for _, p := range x.event.Attributes {
			if p.Name == name {
				all = append(all, said{x, p.Value})
				if p.Value.Kind == schemas.Null {
					removed = max(removed, x.at)
				}
			}
		}
	}
	rule := h.plan.Profile.Survivorship[name]
	if rule == definition.Union {
		return unionOf(all, func(s said) (schemas.Value, bool) { return s.value, s.at >= removed })
	}
	if rule == definition.First || rule == definition.Largest {
		all = slices.DeleteFunc(all, func(s said) bool { return s.value.Kind == schemas.Null || s.at < removed })
	}
	strength := func(s said) int { return h.plan.Profile.SourcePriority[s.event.Source] }
	better := func(a, b said) bool {
		switch {
		case rule == definition.Priority && strength(a) != strength(b):
			return strength(a) > strength(b)
		case rule == definition.Largest && a.value != b.value:
			return a.value.Compare(b.value) > 0
		case rule == definition.First && a.at != b.at:
			return a.at < b.at
		case a.at != b.at:
			return a.at > b.at
		case strength(a) != strength(b):
			return strength(a) > strength(b)
		default:
			return a.value.Compare(b.value) > 0
		}
	}
	if len(all) == 0 {
		return schemas.Value{}
	}
	best := all[0]
	for _, s := range all {
		if better(s, best) {
			best = s
		}
	}
	return best.value
}

// unionOf is the sorted list of the different values that are not removed.
func unionOf[T any](all []T, value func(T) (v schemas.Value, stays bool)) schemas.Value {
	var different []schemas.Value
	for _, x := range all {
		if v, stays := value(x); stays && v.Kind != schemas.Null && !slices.Contains(different, v) {
			different = append(different, v)
		}
	}
	if len(different) == 0 {
		return schemas.Value{}
	}
	slices.SortFunc(different, schemas.Value.Compare)
	return expression.ListOf(different)
}

// biography is what the dumb implementation expects of one person: what they
// hold, and every change of a value.
type biography struct {
	history     *history
	identifiers []string
	value       map[int64]schemas.Value
	last        schemas.Instant
	changes     []change
}

func biographyOf(h *history) *biography {
	b := &biography{history: h}
	b.forget()
	return b
}

func (b *biography) forget() {
	b.value = map[int64]schemas.Value{}
	for _, t := range b.history.plan.Terms {
		b.value[t.ID] = t.Empty()
	}
}

// pass lets time go by until just before t.
func (b *biography) pass(t schemas.Instant) {
	for _, at := range b.history.leavings(b.identifiers, b.last, t) {
		b.look(at, "")
	}
	b.last = max(b.last, t)
}

// look notes what is different at an instant, and why; without a reason it is
// that time has passed.
func (b *biography) look(at schemas.Instant, reason string) {
	if len(b.identifiers) == 0 {
		b.forget()
		return
	}
	for _, t := range b.history.plan.Terms {
		if v := b.history.value(t, b.identifiers, at); v != b.value[t.ID] {
			b.value[t.ID] = v
			if reason == "" {
				reason = "window of " + t.Short + " closed"
			}
			b.changes = append(b.changes, change{at, t.Canonical, v, reason})
		}
	}
}
