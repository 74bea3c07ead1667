package schemas

import "encoding/binary"

// Clock is the head of every row of every table: the first two fields, in this
// order, so that the host can read them without decoding the row (see
// [WakeOf]).
type Clock struct {
	WakeAt Instant `avro:"wake_ms"` // when the step wants the key back; 0: never
	Now    Instant `avro:"now_ms"`  // the newest time applied to the key; 0 in tables whose step is never woken
}

// RowClock gives the stage runner access to a row's head.
func (c *Clock) RowClock() *Clock { return c }

// Row is a pointer to a record that starts with a Clock.
type Row interface{ RowClock() *Clock }

// WakeOf reads wake_ms out of an encoded row: the first field after the
// single-object header of ten bytes. 0 for anything too short to be a row.
func WakeOf(row []byte) Instant {
	const header = 10
	if len(row) <= header {
		return 0
	}
	wake, n := binary.Varint(row[header:]) // Avro's long is zigzag varint, as Go's
	if n <= 0 {
		return 0
	}
	return Instant(wake)
}

// IdentityRow is what identity keeps under one identifier. The row of a
// component's root also holds the evidence of the whole component.
type IdentityRow struct {
	Clock
	FirstSeen Instant  `avro:"first_seen_ms"`          // earliest received of the events that it was primary in; 0: none
	LastSeen  Instant  `avro:"last_seen_ms,default=0"` // when it was last heard of, rounded up by identity; 0: its namespace does not expire
	Person    string   `avro:"person"`                 // whom events of the identifier go to
	Epoch     int64    `avro:"epoch"`                  // how often the identifier has moved
	Arrived   bool     `avro:"arrived"`                // profile has been told of the identifier
	Hot       bool     `avro:"hot"`                    // it had more links than the rules allow, and links nobody any more
	Full      bool     `avro:"full"`                   // its component takes no new links
	Version   int64    `avro:"version"`                // of the component that said Person
	Root      string   `avro:"root"`                   // the identifier whose row holds the component; empty: this one
	Links     []byte   `avro:"links"`                  // links already reported, packed by identity, so that a known link costs nothing
	Session   *Session `avro:"session"`                // of a part of a session of a device that is bound to sessions
	Component []byte   `avro:"component"`              // a Component, encoded: opened only when evidence changes; empty: no evidence, or not the root
}

// Session is what the part of a session that begins with a key's time knows of
// when its device was used, to the minute. The part ends where the next begins.
type Session struct {
	First   Instant `avro:"first_ms"` // 0: never
	Last    Instant `avro:"last_ms"`
	Next    Instant `avro:"next_ms"` // the first use in the part after it; 0: none
	Chained bool    `avro:"chained"` // the part after it is of the same session
}

// Component is all evidence of identifiers that any evidence, accepted or
// refused, connects, and the people computed from it.
type Component struct {
	Version  int64      `avro:"version"`
	Members  []Member   `avro:"members"`  // sorted by identifier
	Heard    []Member   `avro:"heard"`    // what identifiers say of themselves that are members soon: their component is on its way
	Links    []Evidence `avro:"links"`    // sorted by A, B
	Partings []Parting  `avro:"partings"` // sorted by A, B
}

// Member is one identifier of a component.
type Member struct {
	Identifier string  `avro:"identifier"`
	FirstSeen  Instant `avro:"first_seen_ms"` // as in its row
	Hot        bool    `avro:"hot"`
	Person     string  `avro:"person"`                 // as last assigned
	LastSeen   Instant `avro:"last_seen_ms,default=0"` // as its row has reported
}

// Evidence says that two identifiers are one person's.
type Evidence struct {
	A      string  `avro:"a"` // A < B
	B      string  `avro:"b"`
	Day    int64   `avro:"day"`      // newest day on which an event named both, since 1970
	First  Instant `avro:"first_ms"` // earliest received of such an event
	Source string  `avro:"source"`   // who said so on that day
}

// Parting is an operator's word that two identifiers are not one person's, as
// far as links up to a day say so. The newest word about a pair counts.
type Parting struct {
	A      string  `avro:"a"` // A < B
	B      string  `avro:"b"`
	Day    int64   `avro:"day"`    // links after it count again
	Time   Instant `avro:"at_ms"`  // of the command
	Undone bool    `avro:"undone"` // the parting is taken back
	Source string  `avro:"source"`
	Why    string  `avro:"why"`
}

// IdentityMessage is what rows of identity tell each other through the loop.
// Exactly one of Link, Parting, Seen, Join, Absorb, Return, Assign, Event, Next,
// Expire, Erase, Erased and Forget is set.
type IdentityMessage struct {
	To      string     `avro:"to"` // identifier: the record's key
	Cause   Instant    `avro:"at_ms"`
	Link    *Evidence  `avro:"link"`                 // evidence, for To if it is an end, then for To's root
	Idle    bool       `avro:"idle"`                 // of a link: count it, but it links nobody
	Active  Instant    `avro:"active_ms,default=0"`  // of a link: when it says that To, a part of a session, was in use
	Next    Instant    `avro:"next_ms,default=0"`    // first use of the part of a session after To
	Parting *Parting   `avro:"parting"`              // evidence, for the root of To
	Seen    *Member    `avro:"seen"`                 // what a member says of itself, for the root of To
	Join    string     `avro:"join"`                 // root of the component that must become one with To's
	Sought  string     `avro:"sought"`               // the identifier that evidence there names; empty in a root's answer
	Weight  int64      `avro:"weight"`               // of that component
	Absorb  *Component `avro:"absorb"`               // a component that gives itself up to To's
	Return  *Component `avro:"return"`               // a component that gave itself up, but did not fit
	Assign  *Assign    `avro:"assign"`               // whom To's events go to from now on
	Event   *Event     `avro:"event"`                // an event that arrived under a foreign key
	Erase   string     `avro:"erase,default="`       // an identifier whose person is to be erased, for its root
	Erased  bool       `avro:"erased,default=false"` // To is of a person who is erased: nothing is to be left of it
	Forget  string     `avro:"forget,default="`      // an identifier that links of To named, and that is erased
	Expire  *Expiry    `avro:"expire"`               // that To, or a member of To's component, was silent for too long
}

// At is the time of the cause.
func (m *IdentityMessage) At() Instant { return m.Cause }

// Expiry asks an identifier to go, unless it was heard of since LastSeen, or
// tells its root that it has gone.
type Expiry struct {
	Identifier string  `avro:"identifier"`
	Root       string  `avro:"root"`         // of the component that is silent
	LastSeen   Instant `avro:"last_seen_ms"` // of all of it, as the root knows
	Done       bool    `avro:"done"`
}

// Assign tells an identifier's row its person and its root, or only that its
// component is full.
type Assign struct {
	Person  string `avro:"person"`
	Root    string `avro:"root"`
	Version int64  `avro:"version"`
	Reason  string `avro:"reason"`
	Full    bool   `avro:"full"`
	Ended   bool   `avro:"ended,default=false"` // the identifier that founded the person before is forgotten
}
