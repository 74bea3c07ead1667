package stage

import (
	"fmt"
	"path"
	"runtime"
	"strings"

	"kairos/schemas"
	"kairos/topologies"
)

// work is what one call does to one key. It goes in attempts: each wake that
// is due is one, the message is one. An attempt happens or leaves a dead
// letter, and those before and after it do not notice: so a wake that fails
// costs the same whether its timer was prompt or a record overtook it.
type work struct {
	runner     *Runner
	rows       Rows
	memory     Memory
	key        string
	slots      []slot     // the rows, as the attempts so far left them
	rooms      []any      // in which records from outside are decoded
	deliveries []delivery // the message, for each stage that takes it
	done       Effects    // of the attempts so far, rows aside
	follow     Follower
	trial

	queued [4]delivery // room for the queue of an attempt
}

// slot is the row of one stage.
type slot struct {
	fetched bool
	encoded []byte // after the last complete attempt; nil: none
	changed bool   // by a complete attempt
	decoded bool
	row     schemas.Row // belongs to the attempt at work
	dirty   bool        // the attempt at work has changed it
	fresh   []byte      // its bytes, while the attempt is being sealed
	desk    desk        // of the stage
}

// trial is what is known of the attempt at work.
type trial struct {
	queue   []delivery
	out     []emission
	drops   []Drop
	at      int             // stage at work
	time    schemas.Instant // of the step at work; 0: none ran
	purging bool            // local stores are to keep nothing of what rows were
	reading bool            // inside rows, whose panics are not ours
	refused *refusal
	err     error
}

type delivery struct {
	reader
	message message
}

func newWork(r *Runner, rows Rows, key string) *work {
	w, known := r.works.Get().(*work)
	if !known {
		w = &work{runner: r, slots: make([]slot, len(r.stages)), rooms: make([]any, len(r.rooms))}
		for i, s := range r.stages {
			w.slots[i].desk = s.newDesk()
		}
		for i, newRoom := range r.rooms {
			w.rooms[i] = newRoom()
		}
	}
	w.rows, w.key = rows, key
	if w.memory, known = rows.(Memory); !known {
		w.memory = heap{}
	}
	w.done = w.memory.Effects()
	return w
}

// forget makes w ready for another call; what came of this one is not touched.
func (w *work) forget() {
	for i := range w.slots {
		d := w.slots[i].desk
		d.clear()
		w.slots[i] = slot{desk: d}
	}
	clear(w.out[:cap(w.out)])
	clear(w.deliveries)
	*w = work{
		runner: w.runner, slots: w.slots, rooms: w.rooms, deliveries: w.deliveries[:0],
		trial: trial{out: w.out[:0], drops: w.drops[:0]},
	}
	w.runner.works.Put(w)
}

// effects are those of all attempts, which are over.
func (w *work) effects() Effects {
	defer w.forget()
	e := w.done
	for i := range w.slots {
		if s := &w.slots[i]; s.changed {
			e.Rows = append(e.Rows, RowChange{w.runner.stages[i].Table.Name, w.key, s.encoded, schemas.WakeOf(s.encoded)})
		}
	}
	return e
}

// wakesBefore makes an attempt of each wake before t, in time order.
func (w *work) wakesBefore(t schemas.Instant) error {
	for {
		stage, wake := -1, t
		for _, i := range w.runner.wakers {
			encoded, err := w.fetch(i)
			if err != nil {
				return w.explain(i, onWake, err)
			}
			if at := schemas.WakeOf(encoded); at != 0 && at < wake {
				stage, wake = i, at
			}
		}
		if stage < 0 {
			return nil
		}
		err := w.attempt(Message{Topic: onWake, Key: w.key}, func() {
			w.wake(stage, wake)
			w.drain()
		})
		if err != nil {
			return err
		}
		if w.refused != nil { // it would come back for ever
			if err := w.removeWake(stage); err != nil {
				return w.explain(stage, onWake, err)
			}
		}
	}
}

func (w *work) explain(i int, topic string, err error) error {
	return fmt.Errorf("stage %s, %s, key %q: %w", w.runner.stages[i].Word, topic, w.key, err)
}

func (w *work) removeWake(i int) error {
	s := &w.slots[i]
	row, err := s.desk.decodeRow(s.encoded)
	if err != nil {
		return err
	}
	row.RowClock().WakeAt = 0
	if s.encoded, err = s.desk.encodeRow(w.memory, row); err != nil {
		return err
	}
	s.changed = true
	return nil
}

// attempt runs f on behalf of m. If a step panics or refuses, nothing of it
// happens but a dead letter.
func (w *work) attempt(m Message, f func()) error {
	w.trial = trial{queue: w.queued[:0], out: w.out[:0], drops: w.drops[:0]}
	w.guarded(f)
	if w.err != nil {
		return fmt.Errorf("%d at %d: %w", m.Partition, m.Offset, w.explain(w.at, m.Topic, w.err))
	}
	if w.refused == nil {
		return nil
	}
	if w.follow != nil {
		w.follow.Refused(w.runner.stages[w.refused.stage].Word, w.refused.reason)
	}
	for i := range w.slots { // what the attempt decoded, it may have changed
		s := &w.slots[i]
		s.row, s.decoded, s.dirty, s.fresh = nil, false, false, nil
	}
	return w.deadLetter(m)
}

func (w *work) deadLetter(m Message) error {
	word := w.runner.stages[w.refused.stage].Word
	stream := topologies.DeadLetters(word)
	letter := &schemas.DeadLetter{
		Stage: word, Topic: m.Topic, Partition: m.Partition, Offset: m.Offset,
		Reason: w.refused.reason, Detail: w.refused.detail, Key: []byte(m.Key), Value: m.Value, Cause: w.time,
	}
	value, err := stream.Codec.Append(nil, letter)
	if err != nil {
		return w.explain(w.refused.stage, m.Topic, err)
	}
	w.done.Records = append(w.done.Records, Record{stream.Name, letter.PlaceKey(), m.Key, value, w.time})
	w.done.Drops = append(w.done.Drops, Drop{word, w.refused.reason})
	return nil
}

// stopped unwinds an attempt on a refusal or an error.
type stopped struct{}

func (w *work) guarded(f func()) {
	defer func() {
		switch p := recover().(type) {
		case nil, stopped:
		default:
			if w.reading { // a table's, not a step's: never swallowed
				panic(p)
			}
			w.refused = w.runner.refusal(w.at, ReasonPanic, fmt.Sprintf("a bug in the step: %v\n%s", p, frames()))
		}
	}()
	f()
	w.seal()
}

// frames says where a panic came from: no addresses, no folders, so that the
// same bug on the same record gives the same bytes everywhere.
func frames() string {
	const enough = 12
	var b strings.Builder
	pc := make([]uintptr, 64)
	found := runtime.CallersFrames(pc[:runtime.Callers(2, pc)])
	for n, inPanic := 0, false; n < enough; {
		frame, more := found.Next()
		switch {
		case strings.HasPrefix(frame.Function, "runtime."):
			inPanic = true
		case inPanic:
			fmt.Fprintf(&b, "%s %s:%d\n", frame.Function, path.Base(frame.File), frame.Line)
			n++
		}
		if !more || strings.HasSuffix(frame.Function, ".guarded") {
			break
		}
	}
	return b.String()
}

func (w *work) refuse(r *refusal) {
	w.at, w.refused = r.stage, r
	panic(stopped{})
}

func (w *work) abort(i int, err error) {
	w.at, w.err = i, err
	panic(stopped{})
}

func (w *work) fetch(i int) ([]byte, error) {
	s := &w.slots[i]
	if !s.fetched {
		w.reading = true
		encoded, err := w.rows.Row(w.runner.stages[i].Table.Name, w.key)
		w.reading = false
		if err != nil {
			return nil, err
		}
		s.fetched, s.encoded = true, encoded
	}
	return s.encoded, nil
}

func (w *work) load(i int) *slot {
	s := &w.slots[i]
	if s.decoded {
		return s
	}
	encoded, err := w.fetch(i)
	if err == nil && encoded != nil {
		s.row, err = s.desk.decodeRow(encoded)
	}
	if err != nil {
		w.abort(i, err)
	}
	s.decoded = true
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
		w.step(d.stage, d.topic, d.step, d.message.timed, max(t, w.now(d.stage)))
	}
}

// wakes runs the wakes of stage i before t that an attempt of their own has
// not yet run: those between the times of the message and of what it caused.
// Their words to other stages come before what is already queued.
func (w *work) wakes(i int, t schemas.Instant) {
	for {
		row := w.load(i).row
		if row == nil || row.RowClock().WakeAt == 0 || row.RowClock().WakeAt >= t {
			return
		}
		later := w.queue
		w.queue = nil
		w.wake(i, row.RowClock().WakeAt)
		w.drain()
		w.queue = append(w.queue, later...)
	}
}

// wake runs the wake of stage i that is due at t.
func (w *work) wake(i int, t schemas.Instant) {
	w.step(i, onWake, w.runner.stages[i].wake, nil, max(t, w.now(i)))
}

func (w *work) step(i int, topic string, run step, m timed, t schemas.Instant) {
	s := w.load(i)
	w.at, w.time = i, t
	stage := w.runner.stages[i]
	if w.follow != nil {
		w.follow.Begin(stage.Word, topic)
	}
	out := run(s.desk, w.key, s.row, m, t)
	if w.follow != nil {
		w.follow.End()
	}
	if out.refused.reason != "" {
		w.refuse(&refusal{i, out.refused.reason, out.refused.detail})
	}
	if out.changed {
		s.row, s.dirty = out.row, true
		w.checkWake(stage, s.row, t)
	} else if topic == onWake {
		panic(fmt.Sprintf("stage %s left the wake at %v in its row", stage.Word, t))
	}
	w.purging = w.purging || out.purge
	for _, reason := range out.drops {
		w.drops = append(w.drops, Drop{stage.Word, reason})
	}
	for i := range out.emissions {
		w.route(&out.emissions[i])
	}
}

func (w *work) checkWake(stage *Stage, row schemas.Row, t schemas.Instant) {
	if row == nil {
		return
	}
	clock := row.RowClock()
	if clock.Now = 0; stage.wake != nil { // else nothing depends on it, and a row that is deleted forgets it
		clock.Now = t
	}
	switch {
	case clock.WakeAt == 0:
	case clock.WakeAt <= t:
		panic(fmt.Sprintf("stage %s asks at %v to be woken at %v: a step deals with everything up to its time", stage.Word, t, clock.WakeAt))
	case stage.wake == nil:
		panic(fmt.Sprintf("stage %s asks to be woken at %v but has no step for it", stage.Word, clock.WakeAt))
	}
}

func (w *work) route(e *emission) {
	readers := w.runner.inside[e.topic.Name]
	if len(readers) > 0 && e.key != w.key {
		panic(fmt.Sprintf("%s leads from key %q to key %q inside a chain: only a loop may", e.topic.Name, w.key, e.key))
	}
	for _, reads := range readers {
		w.queue = append(w.queue, delivery{reads, e.message})
	}
	if len(readers) == 0 || e.topic.Public {
		w.out = append(w.out, *e)
	}
}

// seal encodes what the attempt did and makes it part of the work. Nothing of
// it counts unless all can be encoded.
func (w *work) seal() {
	records := w.done.Records
	for i := range w.out {
		out := &w.out[i]
		value, err := out.encode(w.memory, out.timed)
		if err != nil {
			panic(fmt.Sprintf("a record for %s cannot be encoded: %v", out.topic.Name, err))
		}
		records = append(records, Record{out.topic.Name, out.key, out.partitionBy, value, out.At()})
	}
	for i := range w.slots {
		if s := &w.slots[i]; s.dirty && s.row != nil {
			var err error
			if s.fresh, err = s.desk.encodeRow(w.memory, s.row); err != nil {
				w.at = i
				panic(fmt.Sprintf("the row cannot be encoded: %v", err))
			}
		}
	}
	for i := range w.slots { // nothing fails any more
		if s := &w.slots[i]; s.dirty {
			s.encoded, s.changed, s.dirty, s.fresh = s.fresh, true, false, nil
		}
	}
	w.done.Records = records
	w.done.Drops = append(w.done.Drops, w.drops...)
	w.done.Purge = w.done.Purge || w.purging
}
