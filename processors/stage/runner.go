package stage

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

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
	ReasonPanic         = "panic"
)

// Runner runs the stages of one group. It has no state and may be used by
// many goroutines.
type Runner struct {
	stages   []*Stage
	group    topologies.Group
	entry    map[string][]int // topic from outside -> stages that read it
	internal map[string][]int // topic inside the group -> stages that read it
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
	}
	return r, nil
}

// Group is the group whose stages the runner runs.
func (r *Runner) Group() topologies.Group { return r.group }

// Message applies one record. Errors are those of rows, or a row that this
// release cannot read: nothing may go on then.
func (r *Runner) Message(rows Rows, m Message) (Effects, error) {
	return r.run(rows, m, string(m.Key), func(w *work) {
		for _, i := range r.entry[m.Topic] {
			w.at = i
			if reason, detail := unfit(m); reason != "" {
				w.fail(reason, detail)
				return
			}
			decoded, err := r.stages[i].decode[m.Topic](m.Value)
			if err != nil {
				w.fail(decodeReason(err), fmt.Sprintf("%v; the original bytes are in this dead letter: mend the producer, then send again", err))
				return
			}
			w.deliver(delivery{i, m.Topic, decoded})
		}
	})
}

// Wake runs the wakes of key that are due at or before until, stage by stage.
func (r *Runner) Wake(rows Rows, key string, until schemas.Instant) (Effects, error) {
	return r.run(rows, Message{Topic: onWake, Key: []byte(key)}, key, func(w *work) {
		for i := range r.stages {
			w.wakes(i, until+1)
		}
	})
}

// Sweep lets a stage, by its word, recompute the row of key at time t. A row
// that has seen a later time keeps it.
func (r *Runner) Sweep(rows Rows, word, key string, t schemas.Instant) (Effects, error) {
	return r.run(rows, Message{Topic: onSweep, Key: []byte(key)}, key, func(w *work) {
		for i, s := range r.stages {
			if s.Word == word && s.steps[onSweep] != nil {
				w.wakes(i, t)
				w.step(i, onSweep, nil, max(t, w.now(i)))
				w.drain()
			}
		}
	})
}

func unfit(m Message) (reason, detail string) {
	switch {
	case len(m.Key) == 0:
		return ReasonEmptyKey, "the record has no key; key it by what the topic is keyed by"
	case len(m.Value) > MaxMessageBytes:
		return ReasonTooLarge, fmt.Sprintf("the value has %d bytes, at most %d are taken; send less, or the bulk elsewhere", len(m.Value), MaxMessageBytes)
	}
	return "", ""
}

func decodeReason(err error) string {
	var unknown *schemas.UnknownSchemaError
	if errors.As(err, &unknown) {
		return ReasonUnknownSchema
	}
	return ReasonUndecodable
}

// run does the work of one message. A panic or a refusal in any stage undoes
// everything and leaves a dead letter.
func (r *Runner) run(rows Rows, m Message, key string, f func(*work)) (Effects, error) {
	w := &work{runner: r, rows: rows, key: key, slots: make([]slot, len(r.stages))}
	w.guarded(f)
	if w.err != nil {
		return Effects{}, fmt.Errorf("stage %s, %s/%d at %d: %w", r.stages[w.at].Word, m.Topic, m.Partition, m.Offset, w.err)
	}
	if w.refusal != nil {
		return r.deadLetter(w, m, rows)
	}
	return w.effects()
}

func (r *Runner) deadLetter(w *work, m Message, rows Rows) (Effects, error) {
	word := r.stages[w.at].Word
	stream := topologies.DeadLetters(word)
	letter := &schemas.DeadLetter{
		Stage: word, Topic: m.Topic, Partition: m.Partition, Offset: m.Offset,
		Reason: w.refusal.reason, Detail: w.refusal.detail, Key: m.Key, Value: m.Value, Cause: w.time,
	}
	value, err := stream.Codec.Append(nil, letter)
	if err != nil {
		return Effects{}, err
	}
	key := string(m.Key)
	effects := Effects{
		Records: []Record{{stream.Name, key, key, value}},
		Drops:   []Drop{{word, w.refusal.reason}},
	}
	if m.Topic == onWake {
		// The wake would come back for ever: it is taken out of the row that failed.
		change, err := r.withoutWake(rows, w.at, w.key)
		if err != nil {
			return Effects{}, err
		}
		effects.Rows = append(effects.Rows, change...)
	}
	return effects, nil
}

func (r *Runner) withoutWake(rows Rows, i int, key string) ([]RowChange, error) {
	s := r.stages[i]
	encoded, err := rows.Row(s.Table.Name, key)
	if err != nil || encoded == nil {
		return nil, err
	}
	row, err := s.decodeRow(encoded)
	if err != nil {
		return nil, err
	}
	row.RowClock().WakeAt = 0
	value, err := s.encodeRow(row)
	return []RowChange{{s.Table.Name, key, value, 0}}, err
}

// work is what one message does, until it is complete.
type work struct {
	runner  *Runner
	rows    Rows
	key     string
	slots   []slot
	queue   []delivery
	out     []emission
	drops   []Drop
	at      int             // stage at work
	time    schemas.Instant // of the step at work
	refusal *refusal
	err     error
}

type slot struct {
	loaded  bool
	changed bool
	row     schemas.Row
}

type delivery struct {
	stage   int
	topic   string
	message message
}

// stopped unwinds the work on a refusal or an error.
type stopped struct{}

func (w *work) guarded(f func(*work)) {
	defer func() {
		switch p := recover().(type) {
		case nil, stopped:
		default:
			reason := "kairos-" + w.runner.stages[w.at].Word + "-" + ReasonPanic
			w.refusal = &refusal{reason, fmt.Sprintf("a bug in the step: %v\n%s", p, firstFrames(debug.Stack()))}
		}
	}()
	f(w)
}

// firstFrames cuts a stack to what fits a dead letter.
func firstFrames(stack []byte) []byte { return stack[:min(len(stack), 2000)] }

func (w *work) fail(reason, detail string) {
	w.refusal = &refusal{"kairos-" + w.runner.stages[w.at].Word + "-" + reason, detail}
	panic(stopped{})
}

func (w *work) abort(err error) {
	w.err = err
	panic(stopped{})
}

func (w *work) load(i int) *slot {
	s := &w.slots[i]
	if s.loaded {
		return s
	}
	stage := w.runner.stages[i]
	encoded, err := w.rows.Row(stage.Table.Name, w.key)
	if err != nil {
		w.at = i
		w.abort(err)
	}
	if encoded != nil {
		if s.row, err = stage.decodeRow(encoded); err != nil {
			w.at = i
			w.abort(fmt.Errorf("row %q of %s: %w", w.key, stage.Table.Name, err))
		}
	}
	s.loaded = true
	return s
}

func (w *work) now(i int) schemas.Instant {
	if row := w.load(i).row; row != nil {
		return row.RowClock().Now
	}
	return 0
}

func (w *work) deliver(d delivery) {
	w.queue = append(w.queue, d)
	w.drain()
}

// drain delivers until no stage has anything left to say to another one.
func (w *work) drain() {
	for len(w.queue) > 0 {
		d := w.queue[0]
		w.queue = w.queue[1:]
		t := d.message.At()
		w.wakes(d.stage, t)
		w.step(d.stage, d.topic, d.message, max(t, w.now(d.stage)))
	}
}

// wakes runs the wakes of stage i that are due before t. Their words to other
// stages come before what is already queued.
func (w *work) wakes(i int, t schemas.Instant) {
	for {
		row := w.load(i).row
		if row == nil || row.RowClock().WakeAt == 0 || row.RowClock().WakeAt >= t {
			return
		}
		later := w.queue
		w.queue = nil
		w.step(i, onWake, nil, max(row.RowClock().WakeAt, row.RowClock().Now))
		w.drain()
		w.queue = append(w.queue, later...)
	}
}

func (w *work) step(i int, topic string, m message, t schemas.Instant) {
	w.at, w.time = i, t
	s := w.load(i)
	stage := w.runner.stages[i]
	run := stage.steps[topic]
	if run == nil {
		panic(fmt.Sprintf("stage %s has no step for %s", stage.Word, topic))
	}
	out := run(w.key, s.row, m, t)
	if out.refusal != nil {
		w.refusal = out.refusal
		panic(stopped{})
	}
	if out.changed {
		s.row, s.changed = out.row, true
		if s.row != nil {
			clock := s.row.RowClock()
			clock.Now = t
			if clock.WakeAt != 0 && clock.WakeAt <= t {
				panic(fmt.Sprintf("stage %s asks at %v to be woken at %v: a step deals with everything up to its time", stage.Word, t, clock.WakeAt))
			}
		}
	} else if topic == onWake {
		panic(fmt.Sprintf("stage %s left the wake at %v in its row", stage.Word, t))
	}
	for _, reason := range out.drops {
		w.drops = append(w.drops, Drop{stage.Word, reason})
	}
	for _, e := range out.emissions {
		w.route(e)
	}
}

func (w *work) route(e emission) {
	readers := w.runner.internal[e.topic.Name]
	if len(readers) > 0 && e.key != w.key {
		panic(fmt.Sprintf("%s leads from key %q to key %q inside a chain: only a loop may", e.topic.Name, w.key, e.key))
	}
	for _, i := range readers {
		w.queue = append(w.queue, delivery{i, e.topic.Name, e.message})
	}
	if len(readers) == 0 || e.topic.Public {
		w.out = append(w.out, e)
	}
}

func (w *work) effects() (Effects, error) {
	e := Effects{Drops: w.drops}
	for i := range w.slots {
		s := &w.slots[i]
		if !s.changed {
			continue
		}
		change := RowChange{Table: w.runner.stages[i].Table.Name, Key: w.key}
		if s.row != nil {
			value, err := w.runner.stages[i].encodeRow(s.row)
			if err != nil {
				return Effects{}, err
			}
			change.Value, change.Wake = value, s.row.RowClock().WakeAt
		}
		e.Rows = append(e.Rows, change)
	}
	e.Records = slices.Grow(e.Records, len(w.out))
	for _, out := range w.out {
		value, err := out.message.append(nil)
		if err != nil {
			return Effects{}, err
		}
		e.Records = append(e.Records, Record{out.topic.Name, out.key, out.partitionBy, value})
	}
	return e, nil
}
