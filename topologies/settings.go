package topologies

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// The largest record batches that topics take. A dead letter holds a whole
// record of another topic, so it gets twice as much room.
const (
	MaxBatchBytes           = 4 << 20
	MaxDeadLetterBatchBytes = 2 * MaxBatchBytes
)

// ReadersLag is how far a destination's reader may be behind and still hear of
// every entry and exit: for so long nothing is compacted away.
const ReadersLag = 3 * day

// Setting is one configuration entry of a topic.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Settings is what Kafka must be told about a topic besides its partitions and
// replicas, sorted by name. Settings that are not listed stay the broker's.
func (t *Topology) Settings(topic Topic) []Setting {
	s := []Setting{
		{"cleanup.policy", "delete"},
		{"compression.type", "producer"}, // the host compresses; the broker need not again
		{"max.message.bytes", strconv.Itoa(t.batchBytes(topic))},
		// Retention must go by when a record was written, not by when a
		// replayed event of 1997 happened.
		{"message.timestamp.type", "LogAppendTime"},
	}
	if t.Config.Replication >= 3 {
		s = append(s, Setting{"min.insync.replicas", "2"}) // a commit survives one broker
	}
	if topic.Retention != 0 {
		s = append(s, Setting{"retention.ms", milliseconds(topic.Retention)})
	}
	if topic.Compacted {
		s[0].Value = "compact"
		if topic.Retention != 0 {
			s[0].Value = "compact,delete"
		}
		// A store on disk is brought up to date from the offset it has; it must
		// still find the tombstones of all the time that it was switched off.
		s = append(s, Setting{"delete.retention.ms", milliseconds(week)})
		if topic.Writer == Destination.Word && topic.Public && topic.Retention == 0 {
			s = append(s, Setting{"min.compaction.lag.ms", milliseconds(ReadersLag)})
		}
	}
	slices.SortFunc(s, func(a, b Setting) int { return strings.Compare(a.Name, b.Name) })
	return s
}

func (t *Topology) batchBytes(topic Topic) int {
	if topic.Name == DeadLetters(topic.Writer).Name {
		return MaxDeadLetterBatchBytes
	}
	return MaxBatchBytes
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
