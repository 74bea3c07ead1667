package identity

import (
	"time"

	"github.com/cespare/xxhash/v2"

	"kairos/schemas"
)

// Where a namespace is bound to sessions, a device is not one identifier but
// one per part of a session: the spans that begin at multiples of the gap. Two
// uses within a part are of one session, and those of neighbouring parts if
// less than the gap lies between: then a link chains the parts. All of it is
// evidence like any other, a function of the set of uses.

const minute = schemas.Instant(time.Minute / time.Millisecond)

// partOf is the key of the part of a session in which a device was used.
func (n *namespace) partOf(device schemas.Identifier, at schemas.Instant) string {
	return schemas.SessionKey(device, at-at%n.session)
}

// hashOfDevice stands for a device among the neighbours of others: one, however
// many sessions it has had. No identifier has its key.
func hashOfDevice(device schemas.Identifier) uint64 {
	return xxhash.Sum64String(device.Namespace + "@:" + device.Value)
}

// sameDevice says whether two keys are of parts of one device's sessions.
func sameDevice(a, b string) bool {
	if !schemas.IsSession(a) || !schemas.IsSession(b) {
		return false
	}
	return schemas.IdentifierOf(a) == schemas.IdentifierOf(b)
}

// asleep says whether the row is of a part of a session in which nothing
// happened but links: what it links would be nothing, so the evidence stays
// here, unless something does happen.
func (t *turn) asleep() bool { return t.row.Session != nil && !t.row.Arrived }

// wake lets what was kept here be known to those whom it is about.
func (t *turn) wake() {
	if t.row.Session == nil || len(t.row.Component) == 0 && t.component == nil {
		return
	}
	for _, l := range t.open().Links {
		t.seek(l.A)
		t.seek(l.B)
	}
}

// use notes when the device was used, if the row is of a part of its sessions.
func (t *turn) use(at schemas.Instant) {
	device, start, ok := schemas.SessionOf(t.key)
	gap := t.rules.namespace(device.Namespace).session
	if !ok || gap == 0 {
		return
	}
	at -= at % minute
	t.heard = max(t.heard, at)
	s := t.session()
	if s.First == 0 || at < s.First {
		s.First, t.changed = at, true
		t.send(&schemas.IdentityMessage{To: schemas.SessionKey(device, start-gap), Next: at})
	}
	if at > s.Last {
		s.Last, t.changed = at, true
	}
	t.chain()
}

// followed hears when the part after this one was first used.
func (t *turn) followed(next schemas.Instant) {
	t.heard = max(t.heard, next)
	if s := t.session(); s.Next == 0 || next < s.Next {
		s.Next, t.changed = next, true
	}
	t.chain()
}

func (t *turn) session() *schemas.Session {
	if t.row.Session == nil {
		t.row.Session = &schemas.Session{}
	}
	return t.row.Session
}

// chain links the part with the next one, once, if they are of one session.
func (t *turn) chain() {
	s := t.row.Session
	device, start, ok := schemas.SessionOf(t.key)
	gap := t.rules.namespace(device.Namespace).session
	if !ok || s.Chained || s.Last == 0 || s.Next == 0 || s.Next-s.Last >= gap {
		return
	}
	s.Chained, t.changed = true, true
	t.arrive()
	next := start + gap
	a, b := pair(t.key, schemas.SessionKey(device, next))
	t.send(&schemas.IdentityMessage{
		To:   schemas.SessionKey(device, next),
		Link: &schemas.Evidence{A: a, B: b, Day: int64(next / day), First: never, Source: "session"},
		Idle: t.row.Hot || t.row.Full,
	})
}

// noteUse keeps what is new about a link with a device that is bound to
// sessions: each minute in which both were named is news, once. The neighbour's
// day is the newest such minute, its first the earliest mention in it.
func (t *turn) noteUse(seen neighbour) (known, news bool) {
	links := neighbours(t.row.Links)
	i, known := links.find(seen.other)
	if !known {
		return t.note(seen)
	}
	switch l := links.at(i); {
	case seen.day < l.day:
		return true, true
	case seen.day == l.day && seen.first >= l.first:
		return true, false
	}
	links.set(i, seen)
	t.changed = true
	return true, true
}
