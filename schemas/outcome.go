package schemas

import (
	"fmt"
	"hash/fnv"
	"strconv"
)

// Transition says that a person entered or exited an audience.
type Transition struct {
	Person   string  `avro:"person"`
	Audience string  `avro:"audience"`
	Entered  bool    `avro:"entered"`  // false: exited
	Revision int64   `avro:"revision"` // 1, 2, 3 ... per person and audience
	Cause    Instant `avro:"at_ms"`    // the exact time of the cause
	Version  int64   `avro:"version"`  // of the audience's definition
	Reason   string  `avro:"reason"`
	EventID  string  `avro:"event_id"` // the event that caused it, empty for the passing of time
}

// At is the time of the cause.
func (t *Transition) At() Instant { return t.Cause }

// Key is the record key of a transition, its own.
func (t *Transition) Key() string {
	return t.Person + "/" + t.Audience + "/" + strconv.FormatInt(t.Revision, 10)
}

// Word is "entered" or "exited".
func (t *Transition) Word() string {
	if t.Entered {
		return "entered"
	}
	return "exited"
}

// Membership is segment's word to the stages after it about one change of a
// profile: the change itself and the transitions that it caused.
//
// There are two lines of it, each in the order of its own causes: one follows
// the profile's changes, and one (Scored) the scores, for the audiences that
// look at scores. No reader may mix what the two say, so that the outcome does
// not depend on how far one line is ahead of the other.
type Membership struct {
	Change      Change       `avro:"change"` // what the stages behind need of it
	Transitions []Transition `avro:"transitions"`
	Members     []Transition `avro:"members"`          // after a change of definitions: how all current memberships came about, told again
	Scored      bool         `avro:"scored"`           // the cause was a Scored record
	Erase       []string     `avro:"erase,default=[]"` // audiences that a forgotten person was ever in: what was published about them goes
}

// At is the time of the cause.
func (m *Membership) At() Instant { return m.Change.Cause }

// Score is a model's word about one person.
type Score struct {
	Model   string        `avro:"model"`
	Version int64         `avro:"version"`
	Value   float64       `avro:"value"` // calibrated probability, 0..1
	Reasons []ScoreReason `avro:"reasons"`
}

// ScoreReason is one input's part in a score.
type ScoreReason struct {
	Input string  `avro:"input"`
	Value Value   `avro:"value"`
	Part  float64 `avro:"part"` // log-odds against the model's average person
}

// Scored is propensity's word about one change: the scores that it changed,
// and the other inputs of audiences that look at scores as they stood then, so
// that those audiences come out alike wherever and whenever they are computed.
type Scored struct {
	Person      string     `avro:"person"`
	Cause       Instant    `avro:"at_ms"`
	Reason      string     `avro:"reason"`
	EventID     string     `avro:"event_id"`
	Gone        bool       `avro:"gone"`
	MergedInto  string     `avro:"merged_into"`
	Forgotten   bool       `avro:"forgotten,default=false"` // as in Change
	Scores      []Score    `avro:"scores"`
	Features    []Feature  `avro:"features"`    // changed ones that score audiences use
	Attributes  Properties `avro:"attributes"`  // changed ones that score audiences, or destinations that want one, use
	Memberships Properties `avro:"memberships"` // changed ones that score audiences use: name -> Boolean

	Identifiers []Identifier `avro:"identifiers"` // all, if changed and a destination wants a score audience
}

// At is the time of the cause.
func (s *Scored) At() Instant { return s.Cause }

// Activation is what one destination is told about one person and audience.
// Its topic is compacted by key: read from the start it is the current list.
//
// Identifiers of an entry are those that hold; those of an exit are all that were
// told and not taken back since. Whoever lists people by address takes Former off
// and puts Identifiers on at an entry, and takes Identifiers off at an exit. A
// record with Former is followed by the same one without, so that what no longer
// holds stays in no current list.
type Activation struct {
	Destination string       `avro:"destination"`
	Person      string       `avro:"person"`
	Audience    string       `avro:"audience"`
	Entered     bool         `avro:"entered"`
	Revision    int64        `avro:"revision"`
	Cause       Instant      `avro:"at_ms"`
	Reason      string       `avro:"reason"`
	Identifiers []Identifier `avro:"identifiers"` // those that the destination may see, hashed where it says so
	Attributes  Properties   `avro:"attributes"`  // those that its mapping names

	Former []Identifier `avro:"former,default=[]"` // of an entry: what was told of the person and audience, and holds no longer
}

// At is the time of the cause.
func (a *Activation) At() Instant { return a.Cause }

// DeadLetter is a record that could not be processed, with everything needed
// to understand it and to send it again.
type DeadLetter struct {
	Stage     string  `avro:"stage"`
	Topic     string  `avro:"topic"`
	Partition int32   `avro:"partition"`
	Offset    int64   `avro:"offset"`
	Reason    string  `avro:"reason"` // an immutable id such as "kairos-identity-empty-key"
	Detail    string  `avro:"detail"` // what, where, next move
	Key       []byte  `avro:"key"`
	Value     []byte  `avro:"value"` // the original bytes
	Cause     Instant `avro:"at_ms"` // the time of the step that refused; 0 if none ran
}

// At is the time of the step that refused the record.
func (d *DeadLetter) At() Instant { return d.Cause }

// PlaceKey is the record key of a dead letter: its own, though several may be
// about records of one key, and one about a wake has no place in a topic.
func (d *DeadLetter) PlaceKey() string {
	h := fnv.New64a()
	h.Write(d.Key)
	return fmt.Sprintf("%s/%d/%d/%016x/%d", d.Topic, d.Partition, d.Offset, h.Sum64(), d.Cause)
}

// KeyRing is the secrets by which records are sealed, or a part of them: see
// processors/keyring. The last part of a version says so.
type KeyRing struct {
	Version int64     `avro:"version"`
	Salt    []byte    `avro:"salt"`
	Nodes   []KeyNode `avro:"nodes"`
	Last    bool      `avro:"last"`
}

// KeyNode is one secret.
type KeyNode struct {
	Depth  int32  `avro:"depth"`
	Prefix int64  `avro:"prefix"`
	Secret []byte `avro:"secret"`
}

// Definition is one published definition, as text: audiences, features,
// models, destinations, identity rules.
type Definition struct {
	Kind    string  `avro:"kind"`
	Name    string  `avro:"name"`
	Version int64   `avro:"version"` // rises by one with each change
	Text    string  `avro:"text"`    // YAML, one document
	Cause   Instant `avro:"at_ms"`
}

// At is when it was published.
func (d *Definition) At() Instant { return d.Cause }

// Import is how far the import of a file has got.
type Import struct {
	Fingerprint string  `avro:"fingerprint"` // SHA-256 of the file, in hexadecimal
	Mapping     string  `avro:"mapping"`     // by which its rows are read
	Rows        int64   `avro:"rows"`        // dealt with, from the first on
	Refused     int64   `avro:"refused"`     // of those, the ones that are no events
	Done        bool    `avro:"done"`        // there are no more
	Cause       Instant `avro:"at_ms"`
}

// At is when it got there.
func (i *Import) At() Instant { return i.Cause }
