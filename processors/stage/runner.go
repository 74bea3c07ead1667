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
	Key       string
	Value     []byte          // not kept
	Latest    schemas.Instant // a record of a later time is refused; 0: the end of the year 9999
	Follow    Follower        // hears of its steps; nil: nobody does
}

// Rows gives the rows of the key that is being worked on, encoded; nil where
// there is none. The runner does not change what it gets. Rows may be a [Memory],
// too.
type Rows interface {
	Row(table, key string) ([]byte, error)
}

// Memory is what effects lie in: Take gives it for bytes, Effects for lists, which
// are empty. Whoever gives it knows how long the effects are needed.
type Memory interface {
	schemas.Memory
	Effects() Effects
}

// heap is the memory of those who bring none.
type heap struct{ schemas.Heap }

func (heap) Effects() Effects { return Effects{} }

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
	stages []*Stage
	group  topologies.Group
	entry  map[string][]reader // topic from outside -> who reads it
	inside map[string][]reader // topic inside the group -> who reads it
	rooms  []func() any        // for records from outside
	wakers []int               // stages whose rows may ask to be woken
	works  sync.Pool           // of *work, done
}

// reader is a stage with one of its inputs.
type reader struct {
	stage int
	*input
	room int // of the records, if they come from outside
}

// NewRunner prepares the stages of a group, which must be the group's own, in
// its order.
func NewRunner(group topologies.Group, stages ...*Stage) (*Runner, error) {
	if len(stages) != len(group.Stages) {
		return nil, fmt.Errorf("group %s has %d stages, not %d", group.Name, len(group.Stages), len(stages))
	}
	r := &Runner{stages: stages, group: group, entry: map[string][]reader{}, inside: map[string][]reader{}}
	for i, s := range stages {
		if s.Word != group.Stages[i].Word {
			return nil, fmt.Errorf("stage %d of group %s is %s, not %s", i, group.Name, group.Stages[i].Word, s.Word)
		}
		for _, topic := range s.Inputs {
			reads := reader{stage: i, input: s.inputs[topic.Name]}
			if group.Internal(topic.Name) {
				r.inside[topic.Name] = append(r.inside[topic.Name], reads)
				continue
			}
			reads.room = len(r.rooms)
			r.rooms = append(r.rooms, reads.newRoom)
			r.entry[topic.Name] = append(r.entry[topic.Name], reads)
		}
		if s.wake != nil {
			r.wakers = append(r.wakers, i)
		}
	}
	return r, nil
}

// Fresh is a runner of the same stages whose memory nothing has been in.
func (r *Runner) Fresh() *Runner {
	fresh, err := NewRunner(r.group, r.stages...)
	if err != nil {
		panic(err) // they were its own before
	}
	return fresh
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
	w := newWork(r, rows, m.Key)
	w.follow = m.Follow
	refused := w.decode(m)
	if refused == nil {
		if err := w.wakesBefore(w.deliveries[0].message.At()); err != nil {
			return Effects{}, err
		}
	}
	err := w.attempt(m, func() {
		if refused != nil {
			w.refuse(refused)
		}
		for _, d := range w.deliveries {
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
		if s.sweep != nil {
			err := w.attempt(Message{Topic: onSweep, Key: key}, func() {
				w.step(i, onSweep, s.sweep, nil, max(t, w.now(i)))
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
func (w *work) decode(m Message) *refusal {
	r := w.runner
	for _, reads := range r.entry[m.Topic] {
		switch {
		case len(m.Key) == 0:
			return r.refusal(reads.stage, ReasonEmptyKey, "the record has no key; key it by what the topic is keyed by")
		case len(m.Value) > MaxMessageBytes:
			return r.refusal(reads.stage, ReasonTooLarge, fmt.Sprintf("the value has %d bytes, at most %d are taken; send less, or the bulk elsewhere", len(m.Value), MaxMessageBytes))
		}
		decoded, err := reads.decode(w.rooms[reads.room], m.Value)
		if err != nil {
			return r.refusal(reads.stage, decodeReason(err), fmt.Sprintf("%v; the original bytes are in this dead letter: mend the producer, then send again", err))
		}
		end := latest
		if m.Latest != 0 {
			end = min(end, m.Latest)
		}
		if t := decoded.At(); t < 0 || t > end {
			return r.refusal(reads.stage, ReasonTime, fmt.Sprintf("the record's time is %d ms since 1970, which is not within 1970 and %v: set the producer's clock, then send again", t, end))
		}
		w.deliveries = append(w.deliveries, delivery{reads, decoded})
	}
	return nil
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
