package schemas

// The keys that are no stage's: none of theirs starts with a zero byte.
const (
	HostKey = "\x00host" // of HostState, in the first table of a group
	TickKey = "\x00tick" // of Tick, in a stream
)

// AwayKey stands in front of the key of an event whose key is not at home in
// the partition that it came through, see topologies/decisions/0012.
const AwayKey = "\x00away:"

// Growth says how many partitions of the topics between stages, and of the
// tables, count, whatever Kafka has.
type Growth struct {
	Partitions int32   `avro:"partitions"`
	Next       int32   `avro:"next"`   // what they are growing to; 0: they are not
	Fenced     bool    `avro:"fenced"` // while they are growing: nobody may work
	Cause      Instant `avro:"cause_ms"`
	From       int32   `avro:"from,default=0"`   // what they have grown from; 0: they have not, or it was undone
	Seams      []Seam  `avro:"seams,default=[]"` // of that growth; none: rows must be read from the tables
}

// Seam joins what a partition of a table was before a growth and what it is
// since: all rows before End, parted or joined by where their keys are at home,
// are all rows before Begin.
type Seam struct {
	Table     string `avro:"table"`
	Partition int32  `avro:"partition"`
	End       int64  `avro:"end"`   // offset; 0: it did not count before
	Begin     int64  `avro:"begin"` // offset; 0: it does not count since
}

// Lets reports whether hosts may work on so many partitions.
func (g *Growth) Lets(partitions int32) bool {
	return g == nil || g.Partitions == partitions && !g.Fenced
}

// Counted is how many partitions count; 0 if nothing has ever grown.
func (g *Growth) Counted() int32 {
	if g == nil {
		return 0
	}
	return g.Partitions
}

// HostState is what the host has to remember of one partition of its group so
// that a restart changes nothing: how far time has come, and how far sweeps.
type HostState struct {
	Watermarks []Watermark `avro:"watermarks"` // sorted by topic, then source
	Told       Instant     `avro:"told_ms"`    // the partition time that the stages behind know
	Loop       LoopState   `avro:"loop"`
	Sweeps     []SweepDone `avro:"sweeps"`            // the last one of each stage, in the order in which they began
	Behind     []Position  `avro:"behind,default=[]"` // of loops: until then they must be read before anything of the door is
}

// Position is a place in a partition of a topic.
type Position struct {
	Topic  string `avro:"topic"`
	Offset int64  `avro:"offset"` // of the next record
}

// Watermark is the newest tick of one source in one topic.
type Watermark struct {
	Topic string `avro:"topic"`
	Tick  Tick   `avro:"tick"`
}

// LoopState is a partition's part in the rounds through its group's loop, by
// which the partitions learn that nothing caused until a time is under way
// between them any more.
type LoopState struct {
	Round int64   `avro:"round"`    // the last complete one
	Time  Instant `avro:"time_ms"`  // all partitions had come that far in it with their inputs,
	Done  Instant `avro:"done_ms"`  // and that far with their wakes
	Quiet Instant `avro:"quiet_ms"` // nothing that records until then caused is under way
	Still Instant `avro:"still_ms"` // nor anything that wakes until then caused
	Sent  Tick    `avro:"sent"`     // this partition's last word
	Least Instant `avro:"least_ms"` // the earliest cause of what it has sent since; 0: nothing
}

// SweepDone is how far the sweep of one stage over one partition has come.
type SweepDone struct {
	Stage string  `avro:"stage"`
	Rules int64   `avro:"rules"` // what it brings the rows up to, as the caller of Redefine numbers it; 0: not numbered
	Time  Instant `avro:"at_ms"` // the partition time at which it began
	Shard int64   `avro:"shard"` // of the store: the cursor, with After
	After string  `avro:"after"` // the last key done
	Done  int64   `avro:"done"`
	Total int64   `avro:"total"` // rows when it began
	Ended bool    `avro:"ended"`
}
