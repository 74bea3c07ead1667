package schemas

// ProfileRow is what profile keeps under one person: a fragment per
// identifier. Everything said about the person is a function of the set of
// fragments, so people merge by union and part by partition.
type ProfileRow struct {
	Clock
	Fragments  []Fragment    `avro:"fragments"`  // sorted by identifier
	Parked     []PersonEvent `avro:"parked"`     // arrived before their fragment did, in order
	Features   []Feature     `avro:"features"`   // as last told, by rising ID
	Attributes Properties    `avro:"attributes"` // as last told
	ForwardTo  string        `avro:"forward_to"` // who holds the fragments now, once all are gone
}

// Fragment is the part of a profile that events under one identifier built.
type Fragment struct {
	Identifier string      `avro:"identifier"`
	Epoch      int64       `avro:"epoch"`
	FirstSeen  Instant     `avro:"first_seen_ms"`
	LastSeen   Instant     `avro:"last_seen_ms"`
	Events     int64       `avro:"events"`     // counted, duplicates aside
	Recent     []EventSeen `avro:"recent"`     // for recognising duplicates
	Attributes []Claim     `avro:"attributes"` // sorted by name
	Series     []Series    `avro:"series"`     // by rising ID
	Timeline   []Moment    `avro:"timeline"`   // newest events, oldest first
	Sources    []string    `avro:"sources"`    // sorted
}

// EventSeen remembers an event id for the duplicate window.
type EventSeen struct {
	Hash int64   `avro:"hash"` // xxhash64 of the id
	Time Instant `avro:"time_ms"`
}

// Claim is what one fragment says about one attribute. Null: removed.
type Claim struct {
	Name   string  `avro:"name"`
	Value  Value   `avro:"value"`
	Time   Instant `avro:"time_ms"`
	Source string  `avro:"source"`
}

// Series is what a fragment remembers of the events that one term source asks
// for: the newest points exactly, what is older in buckets.
type Series struct {
	ID      int64    `avro:"id"`      // definition.Series.ID
	Points  []Point  `avro:"points"`  // by time, then hash
	Buckets []Bucket `avro:"buckets"` // by start; empty while the points fit
}

// Point is one event in a series.
type Point struct {
	Time  Instant `avro:"time_ms"`
	Hash  int64   `avro:"hash"` // xxhash64 of the event id: order among equals
	Value Value   `avro:"value"`
}

// Bucket sums up points that no longer fit. Sums are exact: numbers count in
// millionths, as whole numbers, so the order of arrival cannot show.
type Bucket struct {
	Start  Instant `avro:"start_ms"`
	Span   int64   `avro:"span_ms"`
	Count  int64   `avro:"count"`
	Micros int64   `avro:"sum_micros"`
	Min    Value   `avro:"min"`
	Max    Value   `avro:"max"`
	First  Point   `avro:"first"`
	Last   Point   `avro:"last"`
}

// Moment is one line of a timeline.
type Moment struct {
	Time       Instant    `avro:"time_ms"`
	Received   Instant    `avro:"received_ms"`
	ID         string     `avro:"id"`
	Name       string     `avro:"name"`
	Source     string     `avro:"source"`
	Properties Properties `avro:"properties"`
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
