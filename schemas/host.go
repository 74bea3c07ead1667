package schemas

// The keys that are no stage's: none of theirs starts with a zero byte.
const (
	HostKey = "\x00host" // of HostState, in the first table of a group
	TickKey = "\x00tick" // of Tick, in a stream
)

// HostState is what the host has to remember of one partition of its group so
// that a restart changes nothing: how far time has come, and how far sweeps.
type HostState struct {
	Watermarks []Watermark `avro:"watermarks"` // sorted by topic, then source
	Told       Instant     `avro:"told_ms"`    // the partition time that the stages behind know
	Sweeps     []SweepDone `avro:"sweeps"`     // the last one of each stage, sorted by stage
}

// Watermark is the newest tick of one source in one topic.
type Watermark struct {
	Topic  string  `avro:"topic"`
	Source string  `avro:"source"`
	Time   Instant `avro:"time_ms"`
}

// SweepDone is how far the sweep of one stage over one partition has come.
type SweepDone struct {
	Stage string  `avro:"stage"`
	Time  Instant `avro:"at_ms"` // the partition time at which it began
	Shard int64   `avro:"shard"` // of the store: the cursor, with After
	After string  `avro:"after"` // the last key done
	Done  int64   `avro:"done"`
	Total int64   `avro:"total"` // rows when it began
	Ended bool    `avro:"ended"`
}
