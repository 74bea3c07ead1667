package identity

import (
	"slices"

	"kairos/processors/stage"
	"kairos/schemas"
)

// A component all of whose identifiers expire is forgotten as one, when none of
// them has been heard of for the longest of their expiries. Its root knows when
// that is, since rows report to it when they were last heard of. The root asks;
// whoever was heard of since declines, and lives on with what evidence is left,
// in the root's row.
//
// Profile forgets a person on the very millisecond, so nothing here need be
// exact: a row reports at most eight times during its expiry (see heardUntil).

func endOfDay(t schemas.Instant) schemas.Instant { return t - t%day + day }

// heardUntil rounds up when an identifier was heard of.
func (n *namespace) heardUntil(t schemas.Instant) schemas.Instant {
	grain := max(n.expires/8/day, 1) * day
	return t - t%grain + grain
}

// wake is about forgetting: a row asks for nothing else.
func (s *steps) wake(in stage.In[row, stage.Wake], out *stage.Out[row]) {
	t := s.begin(in.Key, in.Row, in.Time, out)
	t.woken, t.anew = true, true
	t.end()
}

// expire notes when the row was heard of and is to be looked at next. It tells
// whether the row is to be forgotten at once.
func (t *turn) expire() bool {
	ns := t.rules.of(t.key)
	if ns.expires == 0 {
		if t.row.WakeAt != 0 || t.row.LastSeen != 0 {
			t.row.WakeAt, t.row.LastSeen, t.changed = 0, 0, true
		}
		return false
	}
	if until := ns.heardUntil(t.heard); t.heard != 0 && until > t.row.LastSeen {
		t.row.LastSeen, t.changed, t.anew = until, true, true
		if t.row.Root != "" {
			t.toRoot(&schemas.IdentityMessage{Seen: t.self()})
		}
	}
	switch {
	case t.row.Root != "":
		t.wakeAt(0)
		return false
	case t.anew || t.evidence:
		return t.fade()
	}
	return false
}

// self is what the row says of its identifier.
func (t *turn) self() *schemas.Member {
	return &schemas.Member{Identifier: t.key, FirstSeen: t.row.FirstSeen, Hot: t.row.Hot, LastSeen: t.row.LastSeen}
}

func (t *turn) wakeAt(at schemas.Instant) {
	if t.row.WakeAt != at {
		t.row.WakeAt, t.changed = at, true
	}
}

// fade asks the members of the component to forget themselves if they all have
// been silent for long enough. It tells whether nobody else is left.
func (t *turn) fade() bool {
	if t.neverSaid() {
		t.row.LastSeen, t.changed = t.rules.of(t.key).heardUntil(t.now), true
	}
	c := t.open()
	t.noteLastSeen(c)
	last, keep := t.rules.silence(c)
	switch at := last + keep + day; {
	case keep == 0:
		t.wakeAt(0)
		return false
	case at > t.now || !t.woken && !t.fading:
		t.wakeAt(max(at, t.now+1)) // whatever comes at the very boundary comes first
		return false
	case len(c.Members) == 1:
		return true
	}
	t.wakeAt(0) // the answers will come
	if t.woken {
		for i := range c.Members {
			if key := c.Members[i].Identifier; key != t.key {
				t.send(&schemas.IdentityMessage{To: key, Expire: &schemas.Expiry{Identifier: key, Root: t.key, LastSeen: last}})
			}
		}
	}
	return false
}

// neverSaid tells whether the row is from before rows noted when they were heard
// of: that is now, then.
func (t *turn) neverSaid() bool {
	if t.row.LastSeen != 0 || !t.row.Arrived {
		return false
	}
	t.heard = t.now
	return true
}

// noteLastSeen lets the component know what its root's row does.
func (t *turn) noteLastSeen(c *schemas.Component) {
	if i := indexOf(c.Members, t.key); i >= 0 {
		c.Members[i].LastSeen = t.row.LastSeen
	}
}

// silence tells when anybody in a component was last heard of, and the longest
// expiry; 0 if somebody does not expire.
func (r *rules) silence(c *schemas.Component) (last, keep schemas.Instant) {
	for _, all := range [][]schemas.Member{c.Members, c.Heard} {
		for i := range all {
			expires := r.of(all[i].Identifier).expires
			if expires == 0 {
				return 0, 0
			}
			last, keep = max(last, all[i].LastSeen), max(keep, expires)
		}
	}
	for i := range c.Links {
		l := &c.Links[i]
		if r.of(l.A).expires == 0 || r.of(l.B).expires == 0 { // not joined yet
			return 0, 0
		}
		last = max(last, schemas.Instant(l.Day+1)*day)
	}
	for i := range c.Partings {
		last = max(last, endOfDay(c.Partings[i].Time))
	}
	return last, keep
}

// asked forgets the row, unless it was heard of since its root knew.
func (t *turn) asked(f *schemas.Expiry) {
	switch {
	case !t.fresh && t.row.Root == "": // it has begun anew
	case !t.fresh && (t.row.LastSeen > f.LastSeen || t.neverSaid() || t.rules.of(t.key).expires == 0):
		t.row.Root, t.changed = f.Root, true
		t.toRoot(&schemas.IdentityMessage{Seen: t.self()})
		return
	default:
		t.silent = !t.fresh
	}
	done := *f
	done.Done = true
	t.send(&schemas.IdentityMessage{To: f.Root, Expire: &done})
}

// forgotten takes a member that has forgotten itself out of the component, with
// its evidence. What was said of it since is about another life of it.
func (t *turn) forgotten(m *schemas.IdentityMessage) {
	f := m.Expire
	switch {
	case t.fresh:
		t.out.Drop(DropStale)
		return
	case t.row.Root != "":
		forward := *m
		forward.To = t.row.Root
		t.send(&forward)
		return
	}
	c := t.open()
	c.Members = slices.DeleteFunc(c.Members, func(m schemas.Member) bool { return m.Identifier == f.Identifier })
	c.Links = slices.DeleteFunc(c.Links, func(l schemas.Evidence) bool {
		return (l.A == f.Identifier || l.B == f.Identifier) && schemas.Instant(l.Day+1)*day <= f.LastSeen
	})
	c.Partings = slices.DeleteFunc(c.Partings, func(p schemas.Parting) bool {
		return (p.A == f.Identifier || p.B == f.Identifier) && endOfDay(p.Time) <= f.LastSeen
	})
	t.evidence = true
	if slices.ContainsFunc(c.Links, func(l schemas.Evidence) bool { return l.A == f.Identifier || l.B == f.Identifier }) {
		t.seek(f.Identifier)
	}
	if last, keep := t.rules.silence(c); keep > 0 && last+keep+day <= t.now {
		t.fading = true
		return
	}
	t.settle(f.Identifier+" was forgotten", nothing)
}

// forget removes the row and lets profile know.
func (t *turn) forget() {
	t.out.Delete()
	t.leave(schemas.PersonEvent{Forget: true})
}
