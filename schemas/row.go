package schemas

import "encoding/binary"

// Clock is the head of every row of every table: the first two fields, in this
// order, so that the host can read them without decoding the row (see
// [WakeOf]).
type Clock struct {
	WakeAt Instant `avro:"wake_ms"` // when the step wants the key back; 0: never
	Now    Instant `avro:"now_ms"`  // the newest time applied to the key
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
	FirstSeen Instant    `avro:"first_seen_ms"`
	Person    string     `avro:"person"`  // whom events of the identifier go to
	Epoch     int64      `avro:"epoch"`   // how often the identifier has moved
	Version   int64      `avro:"version"` // of the component that said so
	Root      string     `avro:"root"`    // the identifier whose row holds the component; empty: this one
	Links     []LinkSeen `avro:"links"`   // evidence already reported, so that a known link costs nothing
	Component *Component `avro:"component"`
}

// LinkSeen is a link that an identifier's row has already reported.
type LinkSeen struct {
	Other string `avro:"other"`
	Day   int64  `avro:"day"` // newest reported, days since 1970
}

// Component is all evidence of identifiers that any link, accepted or refused,
// connects, and the people computed from it.
type Component struct {
	Version int64      `avro:"version"`
	Members []Member   `avro:"members"` // sorted by identifier
	Links   []Evidence `avro:"links"`   // sorted
	Unlinks []Evidence `avro:"unlinks"` // sorted; part the two identifiers for links up to their day
}

// Member is one identifier of a component.
type Member struct {
	Identifier string  `avro:"identifier"`
	FirstSeen  Instant `avro:"first_seen_ms"`
	Person     string  `avro:"person"` // computed
}

// Evidence says that two identifiers are one person's, or are not.
type Evidence struct {
	A      string `avro:"a"` // A < B
	B      string `avro:"b"`
	Day    int64  `avro:"day"` // newest day, since 1970
	Source string `avro:"source"`
	Why    string `avro:"why"`
}

// IdentityMessage is what rows of identity tell each other through the loop.
// Exactly one of the pointers is set.
type IdentityMessage struct {
	To     string     `avro:"to"` // identifier: the record's key
	Cause  Instant    `avro:"at_ms"`
	Link   *Evidence  `avro:"link"`   // evidence, for the root of To
	Unlink *Evidence  `avro:"unlink"` // likewise
	Seen   *Member    `avro:"seen"`   // an earlier first_seen, for the root of To
	Join   string     `avro:"join"`   // root of the component that must become one with To's
	Absorb *Component `avro:"absorb"` // a component that gives itself up to To's
	Assign *Assign    `avro:"assign"` // whom To's events go to from now on
	Event  *Event     `avro:"event"`  // an event that arrived under a foreign key
}

// At is the time of the cause.
func (m *IdentityMessage) At() Instant { return m.Cause }

// Assign tells an identifier's row its person and its root.
type Assign struct {
	Person  string `avro:"person"`
	Root    string `avro:"root"`
	Version int64  `avro:"version"`
	Reason  string `avro:"reason"`
}
