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
	Groups    []Belonging   `avro:"groups,default=[]"`     // sorted by group: at most one of each kind
	Group     *GroupRow     `avro:"group"`                 // the row is a group's, not a person's
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

// Belonging is a person's place in a group.
type Belonging struct {
	Group   string  `avro:"group"` // its key: kind, colon, value
	Joined  Instant `avro:"joined_ms"`
	Crowded bool    `avro:"crowded"` // the group is too large: it says nothing, and wants to hear of comings and goings only
	Values  []byte  `avro:"values"`  // packed: what the group says of the terms that ask its members, and how time will change that
	Heard   *Heard  `avro:"heard"`   // what the group has said and nobody has been told yet
}

// Heard is what a group has said at an instant, to a person whom several groups
// may tell something at that instant.
type Heard struct {
	At      Instant `avro:"at_ms"`
	Values  []byte  `avro:"values"` // packed, as in Belonging, in place of them
	Reason  string  `avro:"reason"` // of the last word, as in Change
	EventID string  `avro:"event_id"`
}

// GroupRow is what profile keeps under one group: copies of what its members'
// fragments hold for terms that ask members. Everything that a group says is a
// function of the set of copies, so whoever leaves has never been there.
type GroupRow struct {
	Members []Enrolled `avro:"members"` // sorted by identifier
	Crowded bool       `avro:"crowded"` // too large: nothing is kept but who is in it
	Waits   bool       `avro:"waits"`   // for copies of some members: until then it says nothing new
	Values  []byte     `avro:"values"`  // packed: as last told to the members
}

// Enrolled is one identifier of a member of a group.
type Enrolled struct {
	Identifier string  `avro:"identifier"`
	Epoch      int64   `avro:"epoch"` // of the fragment; the newest one counts
	Person     string  `avro:"person"`
	Joined     Instant `avro:"joined_ms"` // when the person did
	Left       bool    `avro:"left"`      // in a message: not enrolled any more
	Series     []byte  `avro:"series"`    // packed, as in the fragment: the part that terms about members look at
	Rules      int64   `avro:"rules"`     // fingerprint of the rules that say what is in series; 0: no copy at all
}

// ProfileMessage is what rows of profile tell each other through the loop.
// Exactly one of Move, Enrol and Word is set.
type ProfileMessage struct {
	To    string        `avro:"to"` // a person, or a group's key: the record's key
	Cause Instant       `avro:"at_ms"`
	Move  *FragmentMove `avro:"move"`  // person to person: a fragment changes hands
	Enrol *Enrolment    `avro:"enrol"` // person to group: who is a member, and what members have done
	Word  *GroupWord    `avro:"word"`  // group to person: what the members have done together
}

// At is the time of the cause.
func (m *ProfileMessage) At() Instant { return m.Cause }

// FragmentMove carries a fragment from one person to another.
type FragmentMove struct {
	From     string   `avro:"from"`
	Reason   string   `avro:"reason"`
	Fragment Fragment `avro:"fragment"`
	Groups   []string `avro:"groups"` // where it is still enrolled; the receiver now answers for that
}

// Enrolment tells a group what became different about one member.
type Enrolment struct {
	Members []Enrolled `avro:"members"` // those that did
	Joins   string     `avro:"joins"`   // the person who joins by this, and knows nothing of the group yet; empty: nobody
	Reason  string     `avro:"reason"`  // as in Change
	EventID string     `avro:"event_id"`
}

// GroupWord tells a member what became different about its group.
type GroupWord struct {
	Group   string  `avro:"group"`
	Joined  Instant `avro:"joined_ms"` // the joining that it is for: words for an earlier one count no more
	All     bool    `avro:"all"`       // what is not among the values is empty
	Crowded bool    `avro:"crowded"`
	Values  []byte  `avro:"values"` // packed, as in Belonging
	Reason  string  `avro:"reason"`
	EventID string  `avro:"event_id"`
}

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

	Told  []Identifier `avro:"told,default=[]"`     // what any destination knows the person by, as it sees it; sorted
	Noted bool         `avro:"noted,default=false"` // Told and Said.Told are kept; not so in rows from before there were any
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

	Told []int32 `avro:"told,default=[]"` // places in the row's Told, in the order in which they were told
}
