package goka

import (
	lovoo "github.com/lovoo/goka"

	"kairos/schemas"
	"kairos/topologies"
)

// step folds an event into its person and says what changed. A window that
// closes before the event is dealt with before it; others close when a tick
// finds them due.
type step struct {
	rules  *rules
	stores *stores
}

func (s *step) hear(ctx lovoo.Context, message any) {
	h := message.(*heard)
	if h.event == nil {
		for _, key := range s.stores.due(ctx.Partition(), h.at) {
			ctx.Loopback(key, h.at)
		}
		return
	}
	p := s.open(ctx)
	e := h.event
	now := max(p.row.now, e.Received)
	p.close(now)
	p.row.now = now
	for _, t := range s.rules.byEvent[e.Name] {
		if term := &s.rules.terms[t]; term.matches(e) {
			p.row.add(t, min(e.Time, e.Received), term.count)
			p.look(term.audiences, now, e.ID)
		}
	}
	p.store()
}

// wake lets somebody's windows close that do so by a time.
func (s *step) wake(ctx lovoo.Context, message any) {
	now := max(message.(schemas.Instant), s.stores.now(ctx.Partition()))
	p := s.open(ctx)
	p.close(now)
	p.row.now = max(p.row.now, now)
	p.store()
}

// person is somebody whom a message is about.
type person struct {
	rules *rules
	ctx   lovoo.Context
	row   *row
}

func (s *step) open(ctx lovoo.Context) *person {
	w, ok := ctx.Value().(*row)
	if !ok {
		w = s.rules.newRow()
	}
	return &person{s.rules, ctx, w}
}

func (p *person) store() {
	p.row.wake = p.nextClose()
	p.ctx.SetValue(p.row)
}

// nextClose is the instant after now at which the first term stops being true.
func (p *person) nextClose() (first schemas.Instant) {
	for t := range p.row.times {
		if closes := p.closes(t); closes > p.row.now && (first == 0 || closes < first) {
			first = closes
		}
	}
	return first
}

// closes is when a term stops being true, whether or not it has; 0: it never was.
func (p *person) closes(t int) schemas.Instant {
	term, times := &p.rules.terms[t], p.row.times[t]
	if len(times) < term.count {
		return 0
	}
	return times[0].Add(term.window)
}

// close lets the windows close that do so by a time, one instant after the other.
func (p *person) close(now schemas.Instant) {
	for next := p.nextClose(); next != 0 && next <= now; next = p.nextClose() {
		p.row.now = next
		for t := range p.row.times {
			if p.closes(t) == next {
				p.look(p.rules.terms[t].audiences, next, "")
			}
		}
	}
}

func (p *person) look(audiences []int, at schemas.Instant, event string) {
	for _, a := range audiences {
		is := p.holds(&p.rules.audiences[a], at)
		if is == p.row.in[a] {
			continue
		}
		p.row.in[a] = is
		p.row.revisions[a]++
		p.ctx.Emit(lovoo.Stream(topologies.Transitions.Name), p.ctx.Key(), &schemas.Transition{
			Person: p.ctx.Key(), Audience: p.rules.audiences[a].name, Entered: is, Revision: int64(p.row.revisions[a]),
			Cause: at, Version: 1, EventID: event,
		})
	}
}

func (p *person) holds(a *audience, at schemas.Instant) bool {
	for _, t := range a.all {
		if p.closes(t) <= at {
			return false
		}
	}
	for _, t := range a.none {
		if p.closes(t) > at {
			return false
		}
	}
	return true
}
