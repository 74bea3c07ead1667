package segment

import (
	"slices"

	"kairos/processors/stage"
	"kairos/schemas"
)

// schedules say when audiences begin and end. Those of paused ones do not.
type schedules struct {
	turns []schemas.Instant          // that concern everybody, rising: beginnings, and ends that look at scores
	ends  map[string]schemas.Instant // that concern members only
}

func (r *rules) readSchedules() {
	r.ends = map[string]schemas.Instant{}
	for i := range r.audiences {
		a := &r.audiences[i]
		if a.paused || a.from == 0 && a.until == 0 {
			continue
		}
		l := r.lineOf(a)
		l.scheduled = append(l.scheduled, int32(i))
		if a.from != 0 {
			r.turns = append(r.turns, a.from)
		}
		switch {
		case a.until == 0:
		case a.scored: // whether somebody is a member may come to light later, when propensity is behind
			r.turns = append(r.turns, a.until)
		default:
			r.ends[a.name] = a.until
		}
	}
	slices.Sort(r.turns)
	r.turns = slices.Compact(r.turns)
}

// open reports whether the schedule lets anybody be a member at t.
func (a *audience) open(t schemas.Instant) bool { return t >= a.from && (a.until == 0 || t < a.until) }

// next is when the passing of time may next change what somebody is in, after
// now. 0: never.
func (r *rules) next(row *schemas.SegmentRow, now schemas.Instant) schemas.Instant {
	if row.Rules == 0 { // the profile holds nothing
		return 0
	}
	next := schemas.Instant(0)
	if i, _ := slices.BinarySearch(r.turns, now+1); i < len(r.turns) {
		next = r.turns[i]
	}
	if len(r.ends) == 0 {
		return next
	}
	for i := range row.Standings {
		s := &row.Standings[i]
		if end := r.ends[s.Audience]; s.Member && end > now && (next == 0 || end < next) {
			next = end
		}
	}
	return next
}

// due reports whether the row's wake has come. Whatever stores the row must
// deal with it, since it sets the next one.
func due(row *schemas.SegmentRow, now schemas.Instant) bool {
	return row != nil && row.WakeAt != 0 && row.WakeAt <= now
}

// wake looks at the audiences that begin or end now.
func (r *rules) wake(in stage.In[schemas.SegmentRow, stage.Wake], o *out) {
	r.pass(o, in.Key, in.Row, in.Time)
}

// pass deals with a wake. Audiences that look at scores wait for propensity's
// word, which the membership emitted here calls for: the scored line hears of
// time only so, and follows its own records alone.
func (r *rules) pass(o *out, person string, row *schemas.SegmentRow, now schemas.Instant) {
	e := r.evaluation(row, cause{person: person, at: now, reason: reasonSchedule}, false, now)
	m := &schemas.Membership{Change: schemas.Change{Person: person, Cause: now, Reason: reasonSchedule}}
	if row.Rules != 0 {
		if e.catchUp(false) {
			m.Members = e.members(false)
		}
		e.touchScheduled(&r.plain, now)
		e.run()
	}
	if len(e.transitions) > 0 || len(m.Members) > 0 || r.scored.turns(r, now) {
		e.tell(o, m)
	}
	e.keep(o)
}

// turns reports whether an audience of the line begins or ends at t.
func (l *line) turns(r *rules, t schemas.Instant) bool {
	return slices.ContainsFunc(l.scheduled, func(i int32) bool { return r.audiences[i].turns(t) })
}

func (a *audience) turns(t schemas.Instant) bool { return t != 0 && (a.from == t || a.until == t) }

// touchScheduled notes the audiences of a line that begin or end at t.
func (e *evaluation) touchScheduled(l *line, t schemas.Instant) {
	for _, i := range l.scheduled {
		if e.rules.audiences[i].turns(t) {
			e.touched = append(e.touched, touch{audience: i, why: reasonSchedule})
		}
	}
}
