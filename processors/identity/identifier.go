package identity

import (
	"math"
	"time"

	"github.com/cespare/xxhash/v2"

	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// The reasons for which a message, or a part of it, changes nothing. A new link
// that a rule refuses is counted as "refused-" and the rule.
const (
	DropBlocked = "blocked" // an event without any identifier that means somebody
	DropCommand = "command" // a command: it is not an event of anybody
	DropHot     = "hot"     // a link of an identifier that has too many
	DropIdle    = "idle"    // a link whose other end links nobody new any more
	DropFull    = "component-full"
	DropStale   = "stale" // word of a component that has become part of another
)

// event handles an event whose primary identifier the row is of.
func (t *turn) event(e *schemas.Event) {
	if isCommand(e.Name) {
		t.command(e)
		return
	}
	t.seen(e.Received)
	t.heard = max(t.heard, min(e.Time, e.Received))
	stage.Emit(t.out, &topologies.PersonEvents, t.row.Person, &schemas.PersonEvent{
		Person: t.row.Person, Identifier: t.key, Epoch: t.row.Epoch, Cause: e.Received, Event: e,
	})
	own := t.rules.of(t.key)
	if own.session > 0 {
		t.use(e.Time)
	}
	if !own.links {
		return
	}
	for _, other := range e.Identifiers[1:] {
		switch n := t.rules.namespace(other.Namespace); {
		case !n.links:
		case n.session > 0:
			t.linkDevice(n, other, e)
		default:
			t.link(other, e)
		}
	}
}

// seen notes an event of the identifier itself.
func (t *turn) seen(received schemas.Instant) {
	if !t.row.Arrived {
		t.row.Arrived, t.changed = true, true // the event itself tells profile
		t.wake()
	}
	if first := earlier(t.row.FirstSeen, received); first != t.row.FirstSeen {
		t.row.FirstSeen, t.changed = first, true
		t.tellRoot()
	}
}

// tellRoot tells the component what the row knows of its identifier. A row
// that no component holds yet has nobody to tell.
func (t *turn) tellRoot() {
	if t.row.Root != "" || len(t.row.Component) > 0 || t.component != nil {
		t.toRoot(&schemas.IdentityMessage{Seen: &schemas.Member{Identifier: t.key, FirstSeen: t.row.FirstSeen, Hot: t.row.Hot}})
	}
}

const day = schemas.Instant(24 * time.Hour / time.Millisecond)

// link reports that an event names another identifier, unless that is known.
func (t *turn) link(other schemas.Identifier, e *schemas.Event) {
	seen := neighbour{hashOf(other), int64(e.Time / day), e.Received}
	known, news := t.note(seen)
	if !news || known && t.row.Hot {
		return
	}
	t.tellOther(other.String(), e, 0, !known)
}

// linkDevice is link for a device that is bound to sessions. Each use of it is
// news, of a hot identifier too: it may chain the parts of a session.
func (t *turn) linkDevice(n *namespace, device schemas.Identifier, e *schemas.Event) {
	known, news := t.noteUse(neighbour{hashOfDevice(device), int64(e.Time / minute), e.Received})
	if news {
		t.tellOther(n.partOf(device, e.Time), e, e.Time, !known)
	}
}

// tellOther tells the other end of a link about it.
func (t *turn) tellOther(to string, e *schemas.Event, active schemas.Instant, isNew bool) {
	a, b := pair(t.key, to)
	t.send(&schemas.IdentityMessage{
		To:     to,
		Link:   &schemas.Evidence{A: a, B: b, Day: int64(e.Time / day), First: e.Received, Source: e.Source},
		Active: active,
		Idle:   t.row.Hot || isNew && t.row.Full,
	})
}

// linked handles a link one end of which the row's identifier is.
func (t *turn) linked(m *schemas.IdentityMessage) {
	e, other := m.Link, m.Link.A
	if other == t.key {
		other = e.B
	}
	t.heard = max(t.heard, schemas.Instant(e.Day)*day)
	if m.Active != 0 {
		t.use(m.Active)
	}
	sibling := sameDevice(t.key, other)
	if sibling || t.row.Session == nil {
		t.arrive()
	}
	known := sibling
	switch {
	case sibling:
	case schemas.IsSession(other): // its uses are for the device's rows to note
		known, _ = t.noteUse(neighbour{other: hashOfDevice(schemas.IdentifierOf(other)), first: never})
	default:
		known, _ = t.note(neighbour{xxhash.Sum64String(other), e.Day, e.First})
	}
	switch {
	case t.row.Hot:
		t.out.Drop(DropHot)
	case m.Idle:
		t.out.Drop(DropIdle)
	case !known && t.row.Full:
		t.out.Drop(DropFull)
	default: // not only if it is news here: the sender may be the root, and this its own word coming back
		t.toRoot(&schemas.IdentityMessage{Link: e})
	}
}

// arrive tells profile of the identifier, once, before any event of it.
func (t *turn) arrive() {
	if t.row.Arrived {
		return
	}
	t.row.Arrived, t.changed = true, true
	stage.Emit(t.out, &topologies.PersonEvents, t.row.Person, &schemas.PersonEvent{
		Person: t.row.Person, Identifier: t.key, Epoch: t.row.Epoch, Cause: t.now,
	})
	t.wake()
}

// note keeps what is new about a link: whether the other end was known, and
// whether this was news. An identifier with more links than the rules allow is
// hot from then on, and notes no more of them.
func (t *turn) note(seen neighbour) (known, news bool) {
	links := neighbours(t.row.Links)
	i, known := links.find(seen.other)
	switch {
	case known:
		l := links.at(i)
		if seen.day <= l.day && seen.first >= l.first {
			return true, false
		}
		links.set(i, neighbour{l.other, max(l.day, seen.day), min(l.first, seen.first)})
	case t.row.Hot:
		return false, true
	default:
		t.row.Links = links.insert(i, seen)
		if links.len()+1 > t.rules.maxLinks {
			t.heat()
		}
	}
	t.changed = true
	return known, true
}

// heat takes the identifier out as a link, for good.
func (t *turn) heat() {
	t.row.Hot, t.changed = true, true
	t.tellRoot()
}

// told handles the word of a root.
func (t *turn) told(a *schemas.Assign) {
	if t.fresh { // it has been forgotten
		t.out.Drop(DropStale)
		return
	}
	if a.Full {
		t.row.Full, t.changed = true, true
		return
	}
	if a.Version <= t.row.Version {
		t.out.Drop(DropStale)
		return
	}
	t.row.Version, t.changed = a.Version, true
	if t.row.Root != "" {
		t.row.Root = a.Root
	}
	from := t.row.Person
	t.move(a.Person, a.Reason)
	if a.Ended && from != a.Person && t.row.Arrived { // nobody else will say so; the last who leaves does
		t.tell(schemas.PersonEvent{Forget: true}, from, noEpoch)
	}
}

// move sends the identifier to another person. Where profile does not know of
// the identifier yet, there is nothing to move.
func (t *turn) move(person, reason string) {
	from := t.row.Person
	if from == person {
		return
	}
	t.row.Person, t.changed = person, true
	if !t.row.Arrived {
		return
	}
	t.row.Epoch++
	stage.Emit(t.out, &topologies.PersonEvents, from, &schemas.PersonEvent{
		Person: from, Identifier: t.key, Epoch: t.row.Epoch, Cause: t.now, MoveTo: person, Reason: reason,
	})
}

// command turns an operator's word into evidence.
func (t *turn) command(e *schemas.Event) {
	t.out.Drop(DropCommand)
	if e.Name == Erase {
		t.toRoot(&schemas.IdentityMessage{Erase: t.key})
		return
	}
	a, b := pair(e.Identifiers[0].String(), e.Identifiers[1].String())
	p := &schemas.Parting{
		A: a, B: b, Day: int64(e.Time / day), Time: e.Received, Undone: e.Name == Relink,
		Source: e.Source, Why: e.Properties.Get(Why).Text,
	}
	if e.Properties.Get(Always).True() {
		p.Day = math.MaxInt64
	}
	if other := e.Identifiers[1].String(); t.rules.of(t.key).session > 0 {
		t.send(&schemas.IdentityMessage{To: other, Parting: p}) // where the sessions' links come together
		return
	}
	t.toRoot(&schemas.IdentityMessage{Parting: p})
	t.send(&schemas.IdentityMessage{To: e.Identifiers[1].String(), Parting: p}) // so that either end's erasure finds it
}

// hashOf is the hash of an identifier's key, without making the key.
func hashOf(id schemas.Identifier) uint64 {
	var space [maxNamespace + 1 + maxValueBytes]byte
	key := append(space[:0], id.Namespace...)
	key = append(key, ':')
	key = append(key, id.Value...)
	return xxhash.Sum64(key)
}
