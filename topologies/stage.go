package topologies

import "kairos/schemas"

// Table is a stage's state: a compacted topic, one row per key.
type Table[R any] struct {
	Topic
	Codec *schemas.Codec[R]
}

func table[R any](word string, key Key, codec *schemas.Codec[R]) Table[R] {
	return Table[R]{Topic{
		Name: "kairos." + word + "-table", Writer: word, Key: key, Compacted: true,
		Doc:     "The rows of " + word + ".",
		Records: []schemas.Record{codec},
	}, codec}
}

// The tables.
var (
	IdentityTable    = table("identity", ByIdentifier, schemas.IdentityRowCodec)
	ProfileTable     = table("profile", ByPerson, schemas.ProfileRowCodec)
	SegmentTable     = table("segment", ByPerson, schemas.SegmentRowCodec)
	PropensityTable  = table("propensity", ByPerson, schemas.PropensityRowCodec)
	DestinationTable = table("destination", ByPerson, schemas.DestinationRowCodec)
)

// Stage is what a stage reads and writes. Its own table is Table.
type Stage struct {
	Word    string
	Doc     string
	Key     Key
	Table   Topic
	Inputs  []Topic // loops included
	Outputs []Topic // loops included; dead letters and table aside
}

// The stages, in the order of the flow. Destination's outputs depend on the
// definitions: one stream per destination, see [Topology].
var (
	Identity = Stage{
		Word: "identity", Key: ByIdentifier, Table: IdentityTable.Topic,
		Doc:     "Which identifiers are one person.",
		Inputs:  []Topic{Events.Topic, IdentityLoop.Topic},
		Outputs: []Topic{IdentityLoop.Topic, PersonEvents.Topic},
	}
	Profile = Stage{
		Word: "profile", Key: ByPerson, Table: ProfileTable.Topic,
		Doc:     "What is known of a person: attributes, features, timeline.",
		Inputs:  []Topic{PersonEvents.Topic, ProfileLoop.Topic},
		Outputs: []Topic{ProfileLoop.Topic, Changes.Topic},
	}
	Segment = Stage{
		Word: "segment", Key: ByPerson, Table: SegmentTable.Topic,
		Doc:     "Which audiences a person is in.",
		Inputs:  []Topic{Changes.Topic, Scores.Topic},
		Outputs: []Topic{Memberships.Topic, Transitions.Topic},
	}
	Propensity = Stage{
		Word: "propensity", Key: ByPerson, Table: PropensityTable.Topic,
		Doc:     "How likely a person is to do something.",
		Inputs:  []Topic{Memberships.Topic},
		Outputs: []Topic{Scores.Topic},
	}
	Destination = Stage{
		Word: "destination", Key: ByPerson, Table: DestinationTable.Topic,
		Doc:    "What each destination is told.",
		Inputs: []Topic{Memberships.Topic},
	}
)
