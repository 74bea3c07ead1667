package schemas

import (
	"strings"
	"time"
)

// Identifier is one name that a person goes by: a value within a namespace
// such as email, crm_id or anonymous_id.
type Identifier struct {
	Namespace string `avro:"namespace"`
	Value     string `avro:"value"`
}

// String is the identifier's key, "namespace:value". A namespace holds no colon.
func (i Identifier) String() string { return i.Namespace + ":" + i.Value }

// IdentifierOf splits a key made by [Identifier.String] or [SessionKey]. A
// session's identifier is that of its device.
func IdentifierOf(key string) Identifier {
	namespace, value, _ := strings.Cut(key, ":")
	namespace, _, _ = strings.Cut(namespace, "@")
	return Identifier{namespace, value}
}

const sessionTime = "20060102T1504"

// SessionKey is the key of a part of a session of a device that is bound to
// sessions: "namespace@20260301T0930:value" for the part that starts then, in
// UTC. A namespace holds no @.
func SessionKey(device Identifier, start Instant) string {
	return device.Namespace + "@" + start.Time().Format(sessionTime) + ":" + device.Value
}

// SessionOf splits a key made by [SessionKey]. ok says whether it is one.
func SessionOf(key string) (device Identifier, start Instant, ok bool) {
	namespace, value, _ := strings.Cut(key, ":")
	namespace, session, ok := strings.Cut(namespace, "@")
	if !ok {
		return Identifier{}, 0, false
	}
	t, err := time.Parse(sessionTime, session)
	return Identifier{namespace, value}, InstantOf(t), err == nil
}

// IsSession says whether a key is one of [SessionKey].
func IsSession(key string) bool {
	at := strings.IndexByte(key, '@')
	return at >= 0 && at < strings.IndexByte(key, ':')
}

// Event is something that a person did or that became known about a person,
// as the door accepted it: the only way into the topology.
type Event struct {
	ID          string       `avro:"id"`          // unique per primary identifier; a repetition within the window is a duplicate
	Name        string       `avro:"name"`        // such as "purchase"
	Time        Instant      `avro:"time_ms"`     // when it happened, by the client's corrected clock
	Received    Instant      `avro:"received_ms"` // when it was accepted
	Source      string       `avro:"source"`      // who says so: web, app, crm ...
	Identifiers []Identifier `avro:"identifiers"` // the first is primary: the record's key, and where the event stays when people part
	Properties  Properties   `avro:"properties"`  // about the event
	Attributes  Properties   `avro:"attributes"`  // about the person; Null removes one
}

// At is when the event was accepted: the time by which the pipeline advances.
func (e *Event) At() Instant { return e.Received }

// PersonEvent is what identity tells about one identifier of one person, in
// order: that it belongs to the person (none of the last four set), that an
// event happened (Event), that it leaves for another person (MoveTo), that
// nothing is known of it any more (Forget), or that nothing is to be left of it
// (Erased).
// Epoch counts the identifier's moves. An event of epoch n comes before the
// move to epoch n+1 in the same partition, so the old person never sees an
// event of an identifier that has left.
type PersonEvent struct {
	Person     string  `avro:"person"`
	Identifier string  `avro:"identifier"` // Identifier.String()
	Epoch      int64   `avro:"epoch"`      // a move carries the epoch that begins
	Cause      Instant `avro:"at_ms"`      // when the cause was accepted
	Event      *Event  `avro:"event"`
	MoveTo     string  `avro:"move_to"`
	Reason     string  `avro:"reason"`               // of a move, for people
	Forget     bool    `avro:"forget,default=false"` // it was silent for too long; if it is heard of again it begins anew, with epoch 0
	Erased     bool    `avro:"erased,default=false"`
}

// At is when the cause was accepted.
func (e *PersonEvent) At() Instant { return e.Cause }

// Change is what of a profile became different, and why: the difference
// between two moments of one person, in order.
type Change struct {
	Person      string       `avro:"person"`
	Cause       Instant      `avro:"at_ms"`  // the exact time of the cause, however late it was computed
	Reason      string       `avro:"reason"` // "purchase", "window of events(purchase) closed", "merged into ..." ...
	EventID     string       `avro:"event_id"`
	Gone        bool         `avro:"gone"`                    // the person holds nothing any more
	MergedInto  string       `avro:"merged_into"`             // who holds it now, if somebody does
	Forgotten   bool         `avro:"forgotten,default=false"` // of somebody who is gone: nothing of them is to be kept
	Features    []Feature    `avro:"features"`                // changed ones, by rising ID
	Attributes  Properties   `avro:"attributes"`              // changed ones; Null: removed
	Identifiers []Identifier `avro:"identifiers"`             // all of them, sorted; empty when unchanged; one without namespace and value when there is none any more
}

// ReasonErased is the reason of a Change by which a person is erased, and of
// what follows from it.
const ReasonErased = "erased"

// Erased says whether the person was erased, and not only forgotten: local
// stores are to keep no byte.
func (c *Change) Erased() bool { return c.Forgotten && c.Reason == ReasonErased }

// At is the time of the cause.
func (c *Change) At() Instant { return c.Cause }

// Feature is the value of one behavioural term for one person.
type Feature struct {
	ID    int64 `avro:"id"` // definition.Term.ID
	Value Value `avro:"value"`
}

// Tick says that no more records accepted at or before Time come from its
// source: the time of the log, by which timers fire. Ticks travel in the
// topics, between the records; see processors/host.
//
// In a loop a tick is one partition's word in a round of all partitions of the
// group, and says more: see the host's barrier.
type Tick struct {
	Source string  `avro:"source"` // writer and partition
	Time   Instant `avro:"time_ms"`
	Round  int64   `avro:"round"`    // 0: not of a loop
	Done   Instant `avro:"done_ms"`  // wakes until then have run too
	Least  Instant `avro:"least_ms"` // the earliest cause of what was sent since the last round; 0: nothing

	Others []string `avro:"others,default=[]"` // sources that say the same, in the same transaction
}

// At is the tick's time.
func (t *Tick) At() Instant { return t.Time }
