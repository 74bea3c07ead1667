package stage

import (
	"errors"
	"fmt"
	"sync"

	"kairos/schemas"
	"kairos/topologies"
)

// Message is a record as it lies in a topic.
type Message struct {
	Topic     string
	Partition int32
	Offset    int64
	Key       []byte
	Value     []byte
	Latest    schemas.Instant // a record of a later time is refused; 0: the end of the year 9999
	Follow    Follower        // hears of its steps; nil: nobody does
}

// Rows gives the rows of the key that is being worked on, encoded; nil where
// there is none. The runner does not change what it gets.
type Rows interface {
	Row(table, key string) ([]byte, error)
}

// Effects is everything that one message did. All of it happens, or nothing.
type Effects struct {
	Rows    []RowChange
	Records []Record
	Drops   []Drop
	Purge   bool // local stores are to keep no byte of what the rows were before
}

// RowChange is a row's new bytes; nil deletes it.
type RowChange struct {
	Table string
	Key   string
	Value []byte
	Wake  schemas.Instant // of the new row
}

// Record is one for a topic, encoded.
type Record struct {
	Topic       string
	Key         string
	PartitionBy string // what the partition is computed from
	Value       []byte
	At          schemas.Instant // of its cause
}

// Drop counts a message or part of one that changed nothing.
type Drop struct {
	Stage  string
	Reason string
}

// MaxMessageBytes is the largest value that a stage looks at. Larger ones are
// dead letters; see Reasons.
const MaxMessageBytes = 1 << 20

// The reasons for which the runner itself makes dead letters, after
// `kairos-<stage>-`.
const (
	ReasonEmptyKey      = "empty-key"
	ReasonTooLarge      = "too-large"
	ReasonUnknownSchema = "unknown-schema"
	ReasonUndecodable   = "undecodable"
	ReasonTime          = "impossible-time"
	ReasonPanic         = "panic"
)

// latest is the last instant that a record may carry: the end of the year
// 9999. A later one would drag its key's time past every window for good.
const latest schemas.Instant = 253402300799999

// Runner runs the stages of one group. It keeps nothing from one call to the
// next but memory, and may be used by many goroutines.
type Runner struct {
	stages   []*Stage
	group    topologies.Group
	entry    map[string][]int // topic from outside -> stages that read it
	internal map[string][]int // topic inside the group -> stages that read it
	wakers   []int            // stages whose rows may ask to be woken
	works    sync.Pool        // of *work, done
}

// NewRunner prepares the stages of a group, which must be the group's own, in
// its order.
func NewRunner(group topologies.Group, stages ...*Stage) (*Runner, error) {
	if len(stages) != len(group.Stages) {
		return nil, fmt.Errorf("group %s has %d stages, not %d", group.Name, len(group.Stages), len(stages))
	}
	r := &Runner{stages: stages, group: group, entry: map[string][]int{}, internal: map[string][]int{}}
	for i, s := range stages {
		if s.Word != group.Stages[i].Word {
			return nil, fmt.Errorf("stage %d of group %s is %s, not %s", i, group.Name, group.Stages[i].Word, s.Word)
		}
		for _, topic := range s.Inputs {
			readers := r.entry
			if group.Internal(topic.Name) {
				readers = r.internal
			}
			readers[topic.Name] = append(readers[topic.Name], i)
		}
		if s.steps[onWake] != nil {
			r.wakers = append(r.wakers, i)
		}
	}
	return r, nil
}

// Group is the group whose stages the runner runs.
func (r *Runner) Group() topologies.Group { return r.group }

// Message applies one record, after the wakes of its key before the record's
// time. Errors are those of rows, or a row that this release cannot read:
// nothing may go on then.
func (r *Runner) Message(rows Rows, m Message) (Effects, error) {
	if len(r.entry[m.Topic]) == 0 {
		return Effects{}, fmt.Errorf("group %s does not read topic %s: give the record to a group that does", r.group.Name, m.Topic)
	}
	w := newWork(r, rows, string(m.Key))
	w.follow = m.Follow
	deliveries, refused := r.decode(m)
	if refused == nil {
		if err := w.wakesBefore(deliveries[0].message.At()); err != nil {
			return Effects{}, err
		}
	}
	err := w.attempt(m, func() {
		if refused != nil {
			w.refuse(refused)
		}
		for _, d := range deliveries {
			w.deliver(d)
		}
	})
	return w.effects(), err
}

// Wake runs the wakes of key that are due at or before until, in time order,
// then in the order of the stages.
func (r *Runner) Wake(rows Rows, key string, until schemas.Instant) (Effects, error) {
	w := newWork(r, rows, key)
	err := w.wakesBefore(until + 1)
	return w.effects(), err
}

// Sweep lets the stages up to the one called word recompute the rows of key at
// time t, in the order of the flow: what one recomputes, those behind it must
// know before they do. A row that has seen a later time keeps it.
func (r *Runner) Sweep(rows Rows, word, key string, t schemas.Instant) (Effects, error) {
	w := newWork(r, rows, key)
	if err := w.wakesBefore(t); err != nil {
		return Effects{}, err
	}
	for i, s := range r.stages {
		if s.steps[onSweep] != nil {
			err := w.attempt(Message{Topic: onSweep, Key: []byte(key)}, func() {
				w.step(i, onSweep, nil, max(t, w.now(i)))
				w.drain()
			})
			if err != nil {
				return Effects{}, err
			}
		}
		if s.Word == word {
			break
		}
	}
	return w.effects(), nil
}

// refusal says why a message becomes a dead letter, and at which stage.
type refusal struct {
	stage  int
	reason string
	detail string
}

// decode reads m for each stage that takes it from outside.
func (r *Runner) decode(m Message) ([]delivery, *refusal) {
	var deliveries []delivery
	for _, i := range r.entry[m.Topic] {
		switch {
		case len(m.Key) == 0:
			return nil, r.refusal(i, ReasonEmptyKey, "the record has no key; key it by what the topic is keyed by")
		case len(m.Value) > MaxMessageBytes:
			return nil, r.refusal(i, ReasonTooLarge, fmt.Sprintf("the value has %d bytes, at most %d are taken; send less, or the bulk elsewhere", len(m.Value), MaxMessageBytes))
		}
		decoded, err := r.stages[i].decode[m.Topic](m.Value)
		if err != nil {
			return nil, r.refusal(i, decodeReason(err), fmt.Sprintf("%v; the original bytes are in this dead letter: mend the producer, then send again", err))
		}
		end := latest
		if m.Latest != 0 {
			end = min(end, m.Latest)
		}
		if t := decoded.At(); t < 0 || t > end {
			return nil, r.refusal(i, ReasonTime, fmt.Sprintf("the record's time is %d ms since 1970, which is not within 1970 and %v: set the producer's clock, then send again", t, end))
		}
		deliveries = append(deliveries, delivery{i, m.Topic, decoded})
	}
	return deliveries, nil
}

func (r *Runner) refusal(i int, what, detail string) *refusal {
	return &refusal{i, "kairos-" + r.stages[i].Word + "-" + what, detail}
}

func decodeReason(err error) string {
	var unknown *schemas.UnknownSchemaError
	if errors.As(err, &unknown) {
		return ReasonUnknownSchema
	}
	return ReasonUndecodable
}
