package profile_test

import (
	"time"

	"kairos/processors/expression"
	"kairos/schemas"
)

// everyDwell compiles audiences and dwells in them.
func everyDwell(t fatal) []*expression.Term {
	t.Helper()
	terms := expression.NewTerms()
	c, err := expression.NewCompiler(expression.Environment{Terms: terms})
	if err != nil {
		t.Fatalf("compiler: %v", err)
	}
	audiences := map[string]expression.Condition{}
	for name, source := range map[string]string{
		"cart":     `events("look").within("3h").any() && events("buy").within("1h").none()`,
		"idle":     `events().within("1h").none()`,
		"three":    `p.n == 3`,
		"either":   `in("cart") || events("buy").within("1d").count() >= 2`,
		"left":     `events("look").without("buy", "1h").within("1d").any()`,
		"dear":     `events("buy").within("3h").avg("amount") > 1 || events("buy").unique("amount") > 2`,
		"not here": `!in("cart") && p.l != 3`,
	} {
		e, err := c.Compile(source)
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		audiences[name] = expression.Condition{Expression: e}
	}
	for _, source := range []string{
		`inFor("cart", "20m")`, `inFor("cart", "1h")`, `inFor("idle", "1h")`, `inFor("three", "1d")`, `inFor("either", "3h")`,
		`inFor("left", "30m")`, `inFor("dear", "1s")`, `inFor("dear", "1d")`, `inFor("not here", "12h")`,
	} {
		e, err := c.Compile(source)
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		if err := e.Terms[0].Dwell.Bind(audiences); err != nil {
			t.Fatalf("%s: %v", source, err)
		}
	}
	return terms.All()
}

// dwell looks at every instant of the time in question at which anything may
// have changed, and at its beginning.
func (h *history) dwell(t *expression.Term, identifiers []string, now schemas.Instant) schemas.Value {
	d := t.Dwell
	began := now.Add(-d.For)
	first, seen := h.firstSeen(identifiers)
	if !seen || first > began {
		return schemas.BooleanOf(false)
	}
	for _, at := range append(h.partBorders(d, identifiers), began, now) {
		if at >= began && at <= now && !d.Holds(&then{h, d, identifiers, at}) {
			return schemas.BooleanOf(false)
		}
	}
	return schemas.BooleanOf(true)
}

func (h *history) firstSeen(identifiers []string) (first schemas.Instant, seen bool) {
	for _, x := range h.all {
		for _, identifier := range identifiers {
			if x.identifier == identifier && (!seen || x.at < first) {
				first, seen = x.at, true
			}
		}
	}
	return first, seen
}

// partBorders lists when anything that a dwell looks at comes or goes.
func (h *history) partBorders(d *expression.Dwell, identifiers []string) []schemas.Instant {
	var all []schemas.Instant
	for _, part := range d.Parts {
		if part.Sequence != nil {
			all = append(all, h.sequenceBorders(part, identifiers)...)
			for _, x := range h.doings(part, identifiers) {
				all = append(all, x.at)
			}
			continue
		}
		for _, s := range h.seesRoughly(part, identifiers, part.Window+d.For) {
			all = append(all, s.at, s.leaves)
		}
	}
	return all
}

func (h *history) dwellBorders(t *expression.Term, identifiers []string) []schemas.Instant {
	var all []schemas.Instant
	for _, at := range h.partBorders(t.Dwell, identifiers) {
		all = append(all, at, at.Add(t.Dwell.For))
	}
	if first, seen := h.firstSeen(identifiers); seen {
		all = append(all, first.Add(t.Dwell.For))
	}
	return all
}

// then is a person as known now, at an earlier time.
type then struct {
	history     *history
	dwell       *expression.Dwell
	identifiers []string
	at          schemas.Instant
}

func (p *then) Term(id int64) schemas.Value {
	for _, t := range p.dwell.Parts {
		if t.ID != id {
			continue
		}
		if t.Sequence != nil {
			return p.history.sequence(t, p.identifiers, p.at)
		}
		var in []seen
		for _, s := range p.history.seesRoughly(t, p.identifiers, t.Window+time.Duration(p.dwell.For)) {
			if (s.rough || s.at <= p.at) && (s.leaves == 0 || s.leaves > p.at) {
				in = append(in, s)
			}
		}
		return t.Compared(aggregateOf(t.Aggregate, in))
	}
	return schemas.Value{}
}

func (p *then) Attribute(name string) schemas.Value { return p.history.attribute(name, p.identifiers) }
func (p *then) Score(string) schemas.Value          { return schemas.Value{} }
func (p *then) Audience(string) bool                { return false }
func (p *then) Person() string                      { return sarah }
