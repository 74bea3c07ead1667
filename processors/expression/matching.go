package expression

import "kairos/schemas"

// Matching tells which of events are a step of a sequence that is complete at a
// time. They come in the order in which sequences see them: by time, then by id;
// all of them have happened. It is for people who ask why, not for streams: it
// takes the square of their number.
func (t *Term) Matching(events []*schemas.Event, at schemas.Instant) []bool {
	m := &matching{term: t, events: events, at: at, leads: map[spot]bool{}}
	for i := range events {
		if t.Window == 0 || events[i].Time > at.Add(-t.Window) {
			m.follow(0, i)
		}
	}
	taking := make([]bool, len(events))
	for s, leads := range m.leads {
		taking[s.event] = taking[s.event] || leads
	}
	return taking
}

// matching looks for the ways to the end of a sequence.
type matching struct {
	term   *Term
	events []*schemas.Event
	at     schemas.Instant
	leads  map[spot]bool // whether one goes on from there; none that cannot be come to
}

// spot is an event as a step.
type spot struct{ step, event int }

func (m *matching) follow(step, i int) bool {
	s := spot{step, i}
	leads, known := m.leads[s]
	if known {
		return leads
	}
	if !m.plays(i, m.term.Sequence.Steps[step].Role) {
		return false
	}
	if step == len(m.term.Sequence.Steps)-1 {
		m.leads[s] = m.ends(i)
		return m.leads[s]
	}
	next := m.term.Sequence.Steps[step+1]
	for k := i + 1; k < len(m.events); k++ {
		if next.Within != 0 && m.events[k].Time > m.events[i].Time.Add(next.Within) {
			break
		}
		leads = m.follow(step+1, k) || leads
		if m.spoils(k, m.term.Sequence.Steps[step].Without) {
			break
		}
	}
	m.leads[s] = leads
	return leads
}

// ends reports whether nothing has come, or can come any more, that must not
// after the last step.
func (m *matching) ends(i int) bool {
	for _, w := range m.term.Sequence.Steps[len(m.term.Sequence.Steps)-1].Without {
		until := m.events[i].Time.Add(w.For)
		if until > m.at {
			return false
		}
		for k := i + 1; k < len(m.events); k++ {
			if m.plays(k, w.Role) && (w.For == 0 || m.events[k].Time <= until) {
				return false
			}
		}
	}
	return true
}

func (m *matching) spoils(i int, without []Without) bool {
	for _, w := range without {
		if m.plays(i, w.Role) {
			return true
		}
	}
	return false
}

func (m *matching) plays(i, role int) bool { return m.term.Series.Roles[role].playedBy(m.events[i]) }
