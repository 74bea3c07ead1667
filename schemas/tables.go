package schemas

// ProfileRow is what profile keeps under one person: a fragment per
// identifier. Everything said about the person is a function of the set of
// fragments, so people merge by union and part by partition.
//
// A row is read and written with each event, so its long lists are packed: a
// column of bytes each, in a format that processors/profile documents (its
// packed.go). A format never changes; a new one gets a column of a new name.
type ProfileRow struct {
	Clock
	ForwardTo string        `avro:"forward_to"`            // who holds the fragments now, once all are gone
	Rules     int64         `avro:"rules"`                 // fingerprint of what the row was last fully computed under
	Fragments []Fragment    `avro:"fragments"`             // sorted by identifier
	Parked    []PersonEvent `avro:"parked"`                // arrived before their fragment did, in order
	Terms     []byte        `avro:"terms"`                 // packed: values as last told, and when time changes them next
	Told      []byte        `avro:"told"`                  // packed: attributes as last told
	Expired   bool          `avro:"expired,default=false"` // the person was forgotten, and nothing has been heard since
}

// EncodedSize estimates how many bytes the encoded row takes: rather more, what
// is parked aside.
func (r *ProfileRow) EncodedSize() int {
	size := 64 + len(r.ForwardTo) + len(r.Terms) + len(r.Told) + 256*len(r.Parked)
	for i := range r.Fragments {
		f := &r.Fragments[i]
		size += 96 + len(f.Identifier) + len(f.Recent) + len(f.Claims) + len(f.Series) + len(f.Timeline)
		for _, source := range f.Sources {
			size += 4 + len(source)
		}
	}
	return size
}

// Fragment is the part of a profile that events under one identifier built.
// Its content is a function of the set of those events, of the newest Cause
// among them and of the rules: never of the order in which they came.
type Fragment struct {
	Identifier string   `avro:"identifier"`
	Epoch      int64    `avro:"epoch"`
	Rules      int64    `avro:"rules"`  // fingerprint of what decides on its content
	Now        Instant  `avro:"now_ms"` // the newest cause applied
	FirstSeen  Instant  `avro:"first_seen_ms"`
	LastSeen   Instant  `avro:"last_seen_ms"`
	Events     int64    `avro:"events"`   // counted, duplicates aside
	Recent     []byte   `avro:"recent"`   // packed: event ids, for recognising duplicates
	Claims     []byte   `avro:"claims"`   // packed: what is said about attributes
	Series     []byte   `avro:"series"`   // packed: what terms look at
	Timeline   []byte   `avro:"timeline"` // packed: the newest events
	Sources    []string `avro:"sources"`  // sorted
}

// FragmentMove carries a fragment from one person to another.
type FragmentMove struct {
	Person   string   `avro:"person"` // the new one: the record's key
	From     string   `avro:"from"`
	Cause    Instant  `avro:"at_ms"`
	Reason   string   `avro:"reason"`
	Fragment Fragment `avro:"fragment"`
}

// At is the time of the cause.
func (m *FragmentMove) At() Instant { return m.Cause }

// SegmentRow is what segment keeps under one person.
type SegmentRow struct {
	Clock
	Rules      int64         `avro:"rules"`    // definition.Plan.Fingerprint of the last full evaluation; 0: the profile holds nothing
	Features   []Feature     `avro:"features"` // inputs of audiences, by rising ID
	Attributes Properties    `avro:"attributes"`
	Standings  []Standing    `avro:"standings"` // sorted by audience; only audiences ever entered. They outlive the profile, for their revisions
	Scored     *ScoredInputs `avro:"scored"`
}

// ScoredInputs are the inputs of audiences that look at scores, as of the last
// Scored record.
type ScoredInputs struct {
	Rules       int64      `avro:"rules"` // as SegmentRow.Rules
	Scores      Properties `avro:"scores"`
	Features    []Feature  `avro:"features"`
	Attributes  Properties `avro:"attributes"`
	Memberships Properties `avro:"memberships"`
}

// Standing is a person's place in one audience.
type Standing struct {
	Audience string  `avro:"audience"`
	Member   bool    `avro:"member"`
	Revision int64   `avro:"revision"`
	Since    Instant `avro:"since_ms"`
	Version  int64   `avro:"version"`
	Reason   string  `avro:"reason"`
	EventID  string  `avro:"event_id"`
}

// PropensityRow is what propensity keeps under one person.
type PropensityRow struct {
	Clock
	Rules       int64      `avro:"rules"` // definition.Plan.Fingerprint of the last scoring of all models
	Features    []Feature  `avro:"features"`
	Attributes  Properties `avro:"attributes"`
	Memberships Properties `avro:"memberships"`
	Scores      []Score    `avro:"scores"` // sorted by model
}

// DestinationRow is what destination keeps under one person.
type DestinationRow struct {
	Clock
	Profile     *Known       `avro:"profile"`     // nil: the profile holds nothing
	Scored      *Known       `avro:"scored"`      // as the scores that audiences look at saw it; nil: no such audience
	Memberships []Transition `avro:"memberships"` // how each membership that a destination wants came about, sorted by audience
	Said        []Said       `avro:"said"`        // memberships that destinations know of, sorted by destination, audience
}

// Known is what destinations may ask for about one person.
type Known struct {
	Identifiers []Identifier `avro:"identifiers"`
	Attributes  Properties   `avro:"attributes"` // those that mappings and consent use
}

// Said is what a destination was last told about a member. A person whose exit
// it was told has none.
type Said struct {
	Destination string `avro:"destination"`
	Audience    string `avro:"audience"`
	Revision    int64  `avro:"revision"`
	Digest      int64  `avro:"digest"` // xxhash64 of the payload, to tell changes only
}
