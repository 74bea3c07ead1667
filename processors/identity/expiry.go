package identity

import (
	"slices"

	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// An identifier of a namespace with an expiry, which nothing has ever been
// linked with, is forgotten when it has been silent for that long. Its row says
// nothing that the next event would not make it say again, except since when
// the identifier is known; so nothing that is under way can miss it. Profile is
// told in the order of the identifier's events.

// wake forgets the identifier: a row asks for nothing else.
func (s *steps) wake(in stage.In[row, stage.Wake]) stage.Out[row] {
	t := s.begin(in.Key, in.Row, in.Time)
	t.woken, t.changed = true, true
	return t.end()
}

// expires notes when the row is to be forgotten, and tells whether that is now.
func (t *turn) expires() bool {
	keep := t.rules.of(t.key).expires
	if keep == 0 || !t.bare() {
		if t.row.WakeAt != 0 || t.row.LastSeen != 0 {
			t.row.WakeAt, t.row.LastSeen, t.changed = 0, 0, true
		}
		return false
	}
	if t.heard > t.row.LastSeen {
		t.row.LastSeen, t.changed = t.heard, true
	}
	if t.row.LastSeen == 0 {
		return false
	}
	at := t.row.LastSeen + keep
	if t.woken && at <= t.now {
		return true
	}
	if at = max(at, t.now+1); t.row.WakeAt != at { // whatever comes at the very boundary comes first
		t.row.WakeAt, t.changed = at, true
	}
	return false
}

// bare tells whether the row holds no evidence, and never did.
func (t *turn) bare() bool {
	r := t.row
	return r.Root == "" && len(r.Links) == 0 && r.Epoch == 0 && !r.Hot && !r.Full && r.Person == PersonOf(t.key) &&
		(len(r.Component) == 0 && t.component == nil || t.holdsCopies())
}

// holdsCopies tells whether all evidence here is partings that rest with their
// stronger end too. They are here for its erasure, and may go.
func (t *turn) holdsCopies() bool {
	c := t.open()
	if len(c.Members) > 1 || len(c.Links)+len(c.Heard) > 0 {
		return false
	}
	own := schemas.IdentifierOf(t.key)
	return !slices.ContainsFunc(c.Partings, func(p schemas.Parting) bool {
		other := p.A
		if other == t.key {
			other = p.B
		}
		return t.rules.stronger(own, schemas.IdentifierOf(other)) < 0
	})
}

// forget removes the row and lets profile know.
func (t *turn) forget() {
	t.out.Delete()
	stage.Emit(&t.out, &topologies.PersonEvents, t.row.Person, &schemas.PersonEvent{
		Person: t.row.Person, Identifier: t.key, Cause: t.now, Forget: true,
	})
}
