package profile_test

import (
	"cmp"
	"slices"
	"time"

	"kairos/processors/expression"
	"kairos/schemas"
)

// inOrder compiles sequences: the terms that tests add to their plans.
func inOrder(t fatal, sources ...string) []*expression.Term {
	t.Helper()
	c, err := expression.NewCompiler(expression.Environment{})
	if err != nil {
		t.Fatalf("compiler: %v", err)
	}
	var terms []*expression.Term
	for _, source := range sources {
		e, err := c.Compile(source)
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		terms = append(terms, e.Terms...)
	}
	slices.SortFunc(terms, func(a, b *expression.Term) int { return cmp.Compare(a.ID, b.ID) })
	return slices.Compact(terms)
}

// everySequence speaks of the events that drawEvents draws.
var everySequence = []string{
	`events("look").then("buy", "1h").any()`,
	`events("look").then("buy", "1h").within("1d").none()`,
	`events("look").then("buy").count()`,
	`events("look").then("buy").within("3h").count() >= 2`,
	`events("look").without("buy", "1h").any()`,
	`events("look").without("buy", "1h").within("1d").count()`,
	`events("look").without("buy").within("1d").any()`,
	`events("look").without("buy").count()`,
	`events("look").then("look").without("buy", "1h").without("look", "30m").within("5d").count()`,
	`events("look").without("buy").then("look", "1d").any()`,
	`events("buy").where(e, e.amount > 0.1).then("look", "1d").then("buy", "3h", e, e.amount < 3).within("2d").count()`,
	`events("buy").without("look").without("buy", e, e.amount == 3).then("buy", "1d").without("look", "1h").within("5d").any()`,
	`events().then("buy", "1s").then("look", "1h").count() == 1`,
	`events("look").from("web").then("look").from("app").without("look").count()`,
}

// doing is an event as a sequence sees it.
type doing struct {
	at    schemas.Instant
	event *schemas.Event
}

// doings lists what a sequence sees of all identifiers, of each the newest
// events that may be part of it, in order.
func (h *history) doings(t *expression.Term, identifiers []string) []doing {
	order := func(a, b doing) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.event.ID, b.event.ID)) }
	var all []doing
	for _, identifier := range identifiers {
		var own []doing
		for _, x := range h.all {
			if x.identifier == identifier && slices.ContainsFunc(t.Series.Roles, func(r expression.Role) bool { return plays(x.event, r) }) {
				own = append(own, doing{x.at, x.event})
			}
		}
		slices.SortFunc(own, order)
		all = append(all, own[max(0, len(own)-h.plan.Profile.ExactPoints):]...)
	}
	slices.SortFunc(all, order)
	return all
}

func plays(e *schemas.Event, r expression.Role) bool {
	return (r.Event == "" || r.Event == e.Name) && (r.Match == nil || r.Match(e))
}

// sequence tries every way to choose events for the steps.
func (h *history) sequence(t *expression.Term, identifiers []string, now schemas.Instant) schemas.Value {
	all := slices.DeleteFunc(h.doings(t, identifiers), func(d doing) bool { return d.at > now })
	steps, roles := t.Sequence.Steps, t.Series.Roles
	ends := map[int]bool{}
	// none reports that nothing of from..to, exclusive, plays what must not come.
	none := func(w expression.Without, from, to int) bool {
		for i := from + 1; i < to; i++ {
			if plays(all[i].event, roles[w.Role]) && (w.For == 0 || all[i].at <= all[from].at.Add(w.For)) {
				return false
			}
		}
		return true
	}
	var choose func(k, begin, before int)
	choose = func(k, begin, before int) {
		if k == len(steps) {
			for _, w := range steps[k-1].Without {
				if !none(w, before, len(all)) || now < all[before].at.Add(w.For) {
					return
				}
			}
			if t.Window == 0 || all[begin].at.Add(t.Window) > now {
				ends[before] = true
			}
			return
		}
		for i := before + 1; i < len(all); i++ {
			if !plays(all[i].event, roles[steps[k].Role]) {
				continue
			}
			if k == 0 {
				choose(1, i, i)
				continue
			}
			fits := steps[k].Within == 0 || all[i].at <= all[before].at.Add(steps[k].Within)
			for _, w := range steps[k-1].Without {
				fits = fits && none(w, before, i)
			}
			if fits {
				choose(k+1, begin, i)
			}
		}
	}
	choose(0, -1, -1)
	switch t.Aggregate {
	case expression.Any:
		return t.Compared(schemas.BooleanOf(len(ends) > 0))
	case expression.None:
		return t.Compared(schemas.BooleanOf(len(ends) == 0))
	default:
		return t.Compared(schemas.NumberOf(float64(len(ends))))
	}
}

// sequenceBorders lists when time may change the term: the window after each
// event, and what must not come after it.
func (h *history) sequenceBorders(t *expression.Term, identifiers []string) []schemas.Instant {
	var all []schemas.Instant
	for _, d := range h.doings(t, identifiers) {
		waits := []time.Duration{t.Window}
		for _, step := range t.Sequence.Steps {
			for _, w := range step.Without {
				waits = append(waits, w.For)
			}
		}
		for _, wait := range waits {
			if wait > 0 {
				all = append(all, d.at.Add(wait))
			}
		}
	}
	return all
}
