package stage

import (
	"fmt"

	"kairos/schemas"
	"kairos/topologies"
)

// In is all that a step may look at.
type In[R, M any] struct {
	Key     string
	Row     *R              // nil: none. It belongs to the step, which changes it and returns it, or not, but keeps nothing of it
	Message *M              // shared with other stages, and read over the one before: never change it, keep nothing of it but texts
	Time    schemas.Instant // the key's now: never earlier than in the step before
}

// Out is all that a step may do. As it is given, it does nothing. It holds until the
// step returns.
type Out[R any] struct {
	row     *R
	changed bool
	effects
}

type effects struct {
	purge     bool
	emissions []emission
	drops     []string
	refused   struct{ reason, detail string }
}

// emission is a record on its way out of a step.
type emission struct {
	topic       *topologies.Topic
	key         string
	partitionBy string
	message
}

// begin makes o ready for another step, in the same memory.
func (o *Out[R]) begin() {
	clear(o.emissions)
	o.row, o.changed, o.effects = nil, false, effects{emissions: o.emissions[:0], drops: o.drops[:0]}
}

// Set stores row under the key.
func (o *Out[R]) Set(row *R) { o.row, o.changed = row, true }

// Delete removes the key's row.
func (o *Out[R]) Delete() { o.row, o.changed = nil, true }

// Purge says that local stores are to keep no byte of what the row was before.
func (o *Out[R]) Purge() { o.purge = true }

// Drop counts that the message, or a part of it, changed nothing, and why:
// a short reason such as "duplicate", from a closed set.
func (o *Out[R]) Drop(reason string) { o.drops = append(o.drops, reason) }

// Refuse sends the message to the dead letters and undoes all else that the
// step did. Reason is an immutable id, `kairos-<stage>-<what>`; detail says
// what is wrong, where, and the next move.
func (o *Out[R]) Refuse(reason, detail string) {
	if reason == "" {
		panic("a refusal without a reason")
	}
	o.refused.reason, o.refused.detail = reason, detail
}

// Timed is what every record of a stream has: the time of its cause.
type Timed[M any] interface {
	*M
	At() schemas.Instant
}

// Emit sends m on a stream under key. M must not be changed afterwards.
func Emit[R, M any, PM Timed[M]](o *Out[R], s *topologies.Stream[M], key string, m PM) {
	EmitKeyed(o, s, key, key, m)
}

// EmitKeyed is Emit with a record key that is finer than the partition key.
func EmitKeyed[R, M any, PM Timed[M]](o *Out[R], s *topologies.Stream[M], key, partitionBy string, m PM) {
	o.emissions = append(o.emissions, emission{&s.Topic, key, partitionBy, message{m, encoderOf[M, PM]{s.Codec}}})
}

// Erase takes back all records under key: it sends one without a value, by
// which a compacted topic forgets the key.
func Erase[R, M any](o *Out[R], s *topologies.Stream[M], key, partitionBy string, at schemas.Instant) {
	o.emissions = append(o.emissions, emission{&s.Topic, key, partitionBy, message{tombstone(at), nothing{}}})
}

// message is a record, whatever its type, and how it is encoded.
type message struct {
	timed
	encoder
}

type timed interface{ At() schemas.Instant }

type encoder interface {
	encode(memory schemas.Memory, record timed) ([]byte, error)
}

// encoderOf is a codec. It is as large as a pointer, so that an emission needs no
// memory of its own for it.
type encoderOf[M any, PM Timed[M]] struct{ codec *schemas.Codec[M] }

func (e encoderOf[M, PM]) encode(memory schemas.Memory, record timed) ([]byte, error) {
	return e.codec.Encode(memory, (*M)(record.(PM)))
}

// tombstone is a record without a value.
type tombstone schemas.Instant

func (t tombstone) At() schemas.Instant { return schemas.Instant(t) }

type nothing struct{}

func (nothing) encode(schemas.Memory, timed) ([]byte, error) { return nil, nil }

// Wake is the message of a step that runs because its row's wake time has
// come. In.Time is that time.
type Wake struct{}

// Sweep is the message of a step that runs because definitions changed. Such a
// step recomputes what depends on them.
type Sweep struct{}

// Step is one handler of a stage.
type Step[R any] struct {
	topic   string // of a stream, or one of the two below
	newRoom func() any
	decode  func(room any, b []byte) (message, error)
	run     func(key string, row *R, m timed, t schemas.Instant, out *Out[R])
}

const (
	onWake  = "(wake)"
	onSweep = "(sweep)"
)

// On handles the records of a stream.
func On[R, M any, PM Timed[M]](s topologies.Stream[M], f func(In[R, M], *Out[R])) Step[R] {
	return Step[R]{
		topic:   s.Name,
		newRoom: func() any { return &schemas.Room[M]{Whole: true} },
		decode: func(room any, b []byte) (message, error) {
			m, err := s.Codec.DecodeIn(room.(*schemas.Room[M]), b)
			if err != nil {
				return message{}, err
			}
			return message{PM(m), encoderOf[M, PM]{s.Codec}}, nil
		},
		run: func(key string, row *R, m timed, t schemas.Instant, out *Out[R]) {
			f(In[R, M]{key, row, (*M)(m.(PM)), t}, out)
		},
	}
}

// OnWake handles the wake times of rows. After it, the row's wake time must be
// later than In.Time, or zero.
func OnWake[R any](f func(In[R, Wake], *Out[R])) Step[R] {
	return Step[R]{topic: onWake, run: func(key string, row *R, _ timed, t schemas.Instant, out *Out[R]) {
		f(In[R, Wake]{key, row, &Wake{}, t}, out)
	}}
}

// OnSweep handles changes of definitions, once per row.
func OnSweep[R any](f func(In[R, Sweep], *Out[R])) Step[R] {
	return Step[R]{topic: onSweep, run: func(key string, row *R, _ timed, t schemas.Instant, out *Out[R]) {
		f(In[R, Sweep]{key, row, &Sweep{}, t}, out)
	}}
}

// Stage is a declared stage together with its steps.
type Stage struct {
	topologies.Stage
	newDesk func() desk
	inputs  map[string]*input
	wake    step // nil: none
	sweep   step
}

// input is a topic that a stage takes records from.
type input struct {
	topic   string
	newRoom func() any // for a record; where records are decoded again and again
	decode  func(room any, b []byte) (message, error)
	step    step
}

// step works on a key at the desk of its stage.
type step func(d desk, key string, row schemas.Row, m timed, t schemas.Instant) outcome

type outcome struct {
	row     schemas.Row // nil: delete
	changed bool
	*effects
}

// desk is memory for the work of one stage on one key after the other.
type desk interface {
	decodeRow(b []byte) (schemas.Row, error)
	encodeRow(memory schemas.Memory, row schemas.Row) ([]byte, error)
	clear()
}

// RowOf ties a row type to its clock.
type RowOf[R any] interface {
	*R
	schemas.Row
}

type deskOf[R any, PR RowOf[R]] struct {
	codec *schemas.Codec[R]
	room  schemas.Room[R]
	out   Out[R]
}

func (d *deskOf[R, PR]) decodeRow(b []byte) (schemas.Row, error) {
	row, err := d.codec.DecodeIn(&d.room, b)
	return PR(row), err
}

func (d *deskOf[R, PR]) encodeRow(memory schemas.Memory, row schemas.Row) ([]byte, error) {
	return d.codec.Encode(memory, (*R)(row.(PR)))
}

func (d *deskOf[R, PR]) clear() { d.out.begin() }

// Define makes a stage from its declaration and its steps. It panics if a
// declared input has no step or a step no declared input: that is a bug.
func Define[R any, PR RowOf[R]](declared topologies.Stage, table topologies.Table[R], steps ...Step[R]) *Stage {
	s := &Stage{
		Stage:   declared,
		newDesk: func() desk { return &deskOf[R, PR]{codec: table.Codec} },
		inputs:  map[string]*input{},
	}
	for _, st := range steps {
		run := func(d desk, key string, row schemas.Row, m timed, t schemas.Instant) outcome {
			var typed *R
			if row != nil {
				typed = (*R)(row.(PR))
			}
			out := &d.(*deskOf[R, PR]).out
			out.begin()
			st.run(key, typed, m, t, out)
			o := outcome{changed: out.changed, effects: &out.effects}
			if out.row != nil {
				o.row = PR(out.row)
			}
			return o
		}
		switch st.topic {
		case onWake:
			s.wake = run
		case onSweep:
			s.sweep = run
		default:
			s.inputs[st.topic] = &input{st.topic, st.newRoom, st.decode, run}
		}
	}
	s.mustMatchDeclaration()
	return s
}

func (s *Stage) mustMatchDeclaration() {
	declared := map[string]bool{}
	for _, topic := range s.Inputs {
		declared[topic.Name] = true
		if s.inputs[topic.Name] == nil {
			panic(fmt.Sprintf("stage %s declares input %s but has no step for it", s.Word, topic.Name))
		}
	}
	for topic := range s.inputs {
		if !declared[topic] {
			panic(fmt.Sprintf("stage %s has a step for %s but does not declare it as an input", s.Word, topic))
		}
	}
}
