package topologies

import (
	"time"

	"kairos/schemas"
)

// Key says what a topic's records are keyed by. Topics of one key have the
// same number of partitions and the same partitioner (murmur2, as the Java
// client and franz-go default to), so equal keys meet in equal partitions.
type Key string

// The keys.
const (
	ByIdentifier Key = "identifier" // schemas.Identifier.String()
	ByPerson     Key = "person"     // in profile's loop and table also a group, as kind:value
	ByNothing    Key = "nothing"    // one partition, or any
)

// Topic is what Kafka needs to know of a stream or a table.
type Topic struct {
	Name      string
	Doc       string
	Key       Key
	Records   []schemas.Record // what may be in it; ticks aside
	Writer    string           // stage word, "door" or "operator"
	Compacted bool             // the newest record of a key stays; a record without a value removes the key's
	Retention time.Duration    // how long a record stays; 0: as long as it is the newest of its key; Forever
	Partition int32            // 0: as the key's class says
	Public    bool             // for readers outside, so written even where a chain would not need it
}

// Stream is a topic of records of type T.
type Stream[T any] struct {
	Topic
	Codec *schemas.Codec[T]
}

func stream[T any](codec *schemas.Codec[T], t Topic) Stream[T] {
	t.Records = []schemas.Record{codec}
	return Stream[T]{t, codec}
}

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// Forever is the retention of what only its writer removes.
const Forever = -time.Millisecond

// The streams.
var (
	Events = stream(schemas.EventCodec, Topic{
		Name: "kairos.door.events", Writer: "door", Key: ByIdentifier, Retention: 400 * day, Public: true,
		Doc: "Events as the door accepted them, keyed by their primary identifier.",
	})
	IdentityLoop = stream(schemas.IdentityMessageCodec, Topic{
		Name: "kairos.identity-loop", Writer: "identity", Key: ByIdentifier, Retention: week,
		Doc: "What rows of identity tell each other.",
	})
	PersonEvents = stream(schemas.PersonEventCodec, Topic{
		Name: "kairos.identity.events", Writer: "identity", Key: ByPerson, Retention: week,
		Doc: "Events, arrivals and departures of identifiers, keyed by person.",
	})
	ProfileLoop = stream(schemas.ProfileMessageCodec, Topic{
		Name: "kairos.profile-loop", Writer: "profile", Key: ByPerson, Retention: week,
		Doc: "What rows of profile tell each other: fragments on their way from one person to another; who is in which group; what a group says to its members.",
	})
	Changes = stream(schemas.ChangeCodec, Topic{
		Name: "kairos.profile.changes", Writer: "profile", Key: ByPerson, Retention: week,
		Doc: "What of a profile became different, and why.",
	})
	Memberships = stream(schemas.MembershipCodec, Topic{
		Name: "kairos.segment.memberships", Writer: "segment", Key: ByPerson, Retention: week,
		Doc: "Each change with the transitions that it caused, for the stages behind.",
	})
	Transitions = stream(schemas.TransitionCodec, Topic{
		Name: "kairos.segment.transitions", Writer: "segment", Key: ByPerson, Compacted: true, Retention: 400 * day, Public: true,
		Doc: "Entries and exits of audiences. Keyed by person, audience and revision, so that those of an erased person can be removed; partitioned by person.",
	})
	Scores = stream(schemas.ScoredCodec, Topic{
		Name: "kairos.propensity.scores", Writer: "propensity", Key: ByPerson, Retention: week, Public: true,
		Doc: "Scores that changed, with their reasons.",
	})
	Definitions = stream(schemas.DefinitionCodec, Topic{
		Name: "kairos.operator.definitions", Writer: "operator", Key: ByNothing, Partition: 1, Compacted: true, Public: true,
		Doc: "Published definitions, keyed by kind and name.",
	})
	Imports = stream(schemas.ImportCodec, Topic{
		Name: "kairos.operator.imports", Writer: "operator", Key: ByNothing, Partition: 1, Compacted: true, Public: true,
		Doc: "How far the imports of files have got, keyed by file and mapping.",
	})
	Keys = stream(schemas.KeyRingCodec, Topic{
		Name: "kairos.operator.keys", Writer: "operator", Key: ByNothing, Partition: 1, Retention: Forever,
		Doc: "The secrets by which events in the door's topic are sealed; the newest set only. Whoever reads it can read them.",
	})
	Growths = stream(schemas.GrowthCodec, Topic{
		Name: "kairos.operator.growths", Writer: "operator", Key: ByNothing, Partition: 1, Compacted: true,
		Doc: "How many partitions of tables, loops and streams between stages count; empty before the first growth.",
	})
)

// Activations is the stream of one destination.
func Activations(destination string) Stream[schemas.Activation] {
	return stream(schemas.ActivationCodec, Topic{
		Name: "kairos.destination." + destination, Writer: "destination", Key: ByPerson, Compacted: true, Public: true,
		Doc: "Who is in which audience, for the destination " + destination + ". Keyed by person and audience, partitioned by person.",
	})
}

// DeadLetters is the stream of what a stage could not process.
func DeadLetters(stage string) Stream[schemas.DeadLetter] {
	return stream(schemas.DeadLetterCodec, Topic{
		Name: "kairos." + stage + ".deadletters", Writer: stage, Key: ByNothing, Compacted: true, Retention: 30 * day, Public: true,
		Doc: "Records that " + stage + " refused, with reason and original bytes. Each has a key of its own, so that those of an erased person can be removed.",
	})
}
