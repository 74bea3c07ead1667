package segment

import (
	"fmt"

	"kairos/processors/definition"
	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// New is the stage that follows plan.
func New(plan *definition.Plan) *stage.Stage {
	r := newRules(plan)
	return stage.Define(topologies.Segment, topologies.SegmentTable,
		stage.On(topologies.Changes, r.follow),
		stage.On(topologies.Scores, r.followScores),
		stage.OnWake(r.wake),
		stage.OnSweep(r.sweep),
	)
}

// The reasons for which segment refuses or drops.
const (
	refuseForeignKey = "kairos-segment-foreign-key"
	dropUnused       = "unused"  // no audience and no stage behind asks for what changed
	dropUnknown      = "unknown" // the person is gone already
)

type out = stage.Out[schemas.SegmentRow]

// follow takes over a change of a profile.
func (r *rules) follow(in stage.In[schemas.SegmentRow, schemas.Change], o *out) {
	c := in.Message
	row := rowOf(in.Row)
	e := r.evaluation(row, cause{c.Person, c.Cause, c.Reason, c.EventID}, false, in.Time)
	switch {
	case c.Person != in.Key:
		refuseForeign(o, in.Key, c.Person)
		return
	case c.Erased() && row.Rules == 0: // what outlived a profile that is gone
		m := &schemas.Membership{Change: r.behind.part(c)}
		e.erase(c, m, func(name string) bool { return !isMember(row.Standings, name) })
		stage.Emit(o, &topologies.Memberships, c.Person, m)
		e.keep(o)
		o.Purge()
		return
	case c.Gone && row.Rules == 0 && !(c.Forgotten && len(row.Standings) > 0):
		o.Drop(dropUnknown)
		return
	}
	m := &schemas.Membership{Change: r.behind.part(c)}
	if c.Gone {
		ofLine := r.ofLine(false)
		mine := func(name string) bool { return row.Scored == nil || ofLine(name) } // without scores yet, the plain line answers for all
		e.exit(goneReason(c), mine)
		e.erase(c, m, mine)
		row.Rules, row.Features, row.Attributes = 0, nil, nil
		if c.Erased() {
			o.Purge()
		}
		e.tell(o, m)
		e.keep(o)
		return
	}
	different := e.learnFeatures(&row.Features, &r.plain, c.Features)
	different = e.learn(&row.Attributes, r.plain.attributes, c.Attributes) || different
	e.look(o, m, different)
}

// followScores takes over a word of propensity.
func (r *rules) followScores(in stage.In[schemas.SegmentRow, schemas.Scored], o *out) {
	s := in.Message
	row := rowOf(in.Row)
	e := r.evaluation(row, cause{s.Person, s.Cause, s.Reason, s.EventID}, true, in.Time)
	switch {
	case s.Person != in.Key:
		refuseForeign(o, in.Key, s.Person)
		return
	case len(r.scored.all) == 0:
		o.Drop(dropUnused)
		return
	case s.Gone && row.Scored == nil:
		o.Drop(dropUnknown)
		return
	case due(in.Row, in.Time):
		r.pass(o, in.Key, in.Row, in.Time)
	}
	m := &schemas.Membership{Scored: true, Change: schemas.Change{
		Person: s.Person, Cause: s.Cause, Reason: s.Reason, EventID: s.EventID, Gone: s.Gone, MergedInto: s.MergedInto,
		Forgotten: s.Forgotten, Attributes: s.Attributes, Identifiers: s.Identifiers,
	}}
	if s.Gone {
		e.exit(goneReason(&m.Change), r.ofLine(true))
		e.erase(&m.Change, m, r.ofLine(true))
		row.Scored = nil
		if m.Change.Erased() {
			o.Purge()
		}
		e.tell(o, m)
		e.keep(o)
		return
	}
	if row.Scored == nil {
		row.Scored = &schemas.ScoredInputs{}
	}
	known := row.Scored
	different := e.learnFeatures(&known.Features, &r.scored, s.Features)
	different = e.learn(&known.Attributes, r.scored.attributes, s.Attributes) || different
	different = e.learn(&known.Scores, r.scored.scores, scoresOf(s)) || different
	different = e.learn(&known.Memberships, r.scored.memberships, s.Memberships) || different
	e.touchScheduled(&r.scored, s.Cause)
	e.look(o, m, different)
}

func rowOf(row *schemas.SegmentRow) *schemas.SegmentRow {
	if row == nil {
		return &schemas.SegmentRow{}
	}
	return row
}

// look evaluates what changed inputs touch, and says what came of it.
func (e *evaluation) look(o *out, m *schemas.Membership, different bool) {
	turning := !m.Scored && due(e.row, e.now)
	anew := e.catchUp(m.Scored)
	if turning { // with what changed at the same instant, so that nobody enters only to exit
		e.touchScheduled(&e.rules.plain, e.now)
	}
	e.run()
	if anew {
		m.Members = e.members(m.Scored)
	}
	if anew || different || turning || len(e.transitions) > 0 {
		e.keep(o)
	}
	switch {
	case anew && !m.Scored, turning && e.rules.scored.turns(e.rules, e.now), len(e.transitions) > 0, len(m.Members) > 0, asks(&m.Change):
		e.tell(o, m)
	case !anew && !different && !turning:
		o.Drop(dropUnused)
	}
}

// sweep looks again at all audiences of a row that older definitions made.
func (r *rules) sweep(in stage.In[schemas.SegmentRow, stage.Sweep], o *out) {
	row := in.Row
	if row == nil {
		return
	}
	if due(row, in.Time) {
		r.pass(o, in.Key, row, in.Time)
	}
	if row.Rules != 0 && row.Rules != r.fingerprint {
		r.sweepLine(o, in, false)
	}
	if row.Scored != nil && row.Scored.Rules != r.fingerprint {
		r.sweepLine(o, in, true)
	}
}

func (r *rules) sweepLine(o *out, in stage.In[schemas.SegmentRow, stage.Sweep], scored bool) {
	e := r.evaluation(in.Row, cause{person: in.Key, at: in.Time, reason: reasonDefinition}, scored, in.Time)
	e.catchUp(scored)
	e.run()
	if scored && len(r.scored.all) == 0 {
		in.Row.Scored = nil
	}
	e.tell(o, &schemas.Membership{
		Change: schemas.Change{Person: in.Key, Cause: in.Time, Reason: reasonDefinition}, Members: e.members(scored), Scored: scored,
	})
	e.keep(o)
}

func (r *rules) evaluation(row *schemas.SegmentRow, why cause, scored bool, now schemas.Instant) *evaluation {
	e := &evaluation{rules: r, cause: why, now: now, row: row, scored: scored, person: &plainPerson{why.person, row}}
	if scored {
		e.person = &scoredPerson{why.person, row, r}
	}
	return e
}

// catchUp makes the run look at whatever a first evaluation or a change of
// definitions requires besides the changed inputs, exits audiences that are no
// more, and reports whether there was any reason to.
func (e *evaluation) catchUp(scored bool) bool {
	r, l, evaluated := e.rules, &e.rules.plain, &e.row.Rules
	if scored {
		l, evaluated = &r.scored, &e.row.Scored.Rules
	}
	switch *evaluated {
	case r.fingerprint:
		return false
	case 0:
		e.first = true
		e.touchAll(l.unprompted, reasonFirst)
		e.touchInherited(l)
	default:
		r.prune(e.row)
		e.exit(reasonDefinition, r.retired)
		e.touchAll(l.all, reasonDefinition)
	}
	*evaluated = r.fingerprint
	return true
}

// touchInherited notes memberships that a change of definitions handed from
// the other line to this one.
func (e *evaluation) touchInherited(l *line) {
	for i := range e.row.Standings {
		p, known := e.rules.position[e.row.Standings[i].Audience]
		if known && e.row.Standings[i].Member && e.rules.lineOf(&e.rules.audiences[p]) == l {
			e.touched = append(e.touched, touch{audience: p, why: reasonDefinition})
		}
	}
}

// tell emits the transitions, and m with them.
func (e *evaluation) tell(o *out, m *schemas.Membership) {
	m.Transitions = e.transitions
	for i := range e.transitions {
		t := &e.transitions[i]
		stage.EmitKeyed(o, &topologies.Transitions, t.Key(), t.Person, t)
	}
	stage.Emit(o, &topologies.Memberships, e.cause.person, m)
}

// keep stores the row while there is anything to remember: at the end the
// revisions, so that they rise further if the person comes back.
func (e *evaluation) keep(o *out) {
	e.row.WakeAt = e.rules.next(e.row, e.now)
	if e.row.Rules == 0 && e.row.Scored == nil && len(e.row.Standings) == 0 {
		o.Delete()
		return
	}
	o.Set(e.row)
}

func asks(c *schemas.Change) bool {
	return len(c.Features) > 0 || len(c.Attributes) > 0 || len(c.Identifiers) > 0
}

func scoresOf(s *schemas.Scored) schemas.Properties {
	scores := make(schemas.Properties, len(s.Scores))
	for i := range s.Scores {
		scores[i] = schemas.Property{Name: s.Scores[i].Model, Value: schemas.NumberOf(s.Scores[i].Value)}
	}
	return scores
}

func goneReason(c *schemas.Change) string {
	switch {
	case c.Erased():
		return schemas.ReasonErased
	case c.Forgotten:
		return reasonExpired
	case c.MergedInto != "":
		return reasonMerged
	}
	return reasonGone
}

func refuseForeign(o *out, key, person string) {
	o.Refuse(refuseForeignKey, fmt.Sprintf("a record about person %q lies under the key %q; send it under the person's own key", person, key))
}
