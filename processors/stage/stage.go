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
	Message *M              // shared with other stages: never change it or keep parts of it that you change
	Time    schemas.Instant // the key's now: never earlier than in the step before
}

// Out is all that a step may do. Its zero value does nothing.
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

type emission struct {
	topic       *topologies.Topic
	key         string
	partitionBy string
	message     message
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
	o.emissions = append(o.emissions, emission{&s.Topic, key, partitionBy, envelope[M, PM]{m, s.Codec}})
}

// Erase takes back all records under key: it sends one without a value, by
// which a compacted topic forgets the key.
func Erase[R, M any](o *Out[R], s *topologies.Stream[M], key, partitionBy string, at schemas.Instant) {
	o.emissions = append(o.emissions, emission{&s.Topic, key, partitionBy, tombstone(at)})
}

// tombstone is a record without a value.
type tombstone schemas.Instant

func (t tombstone) At() schemas.Instant         { return schemas.Instant(t) }
func (tombstone) append([]byte) ([]byte, error) { return nil, nil }

// message is a record on its way, whatever its type.
type message interface {
	At() schemas.Instant
	append(dst []byte) ([]byte, error)
}

type envelope[M any, PM Timed[M]] struct {
	record PM
	codec  *schemas.Codec[M]
}

func (e envelope[M, PM]) At() schemas.Instant { return e.record.At() }

func (e envelope[M, PM]) append(dst []byte) ([]byte, error) {
	return e.codec.Append(dst, (*M)(e.record))
}

// Wake is the message of a step that runs because its row's wake time has
// come. In.Time is that time.
type Wake struct{}

// Sweep is the message of a step that runs because definitions changed. Such a
// step recomputes what depends on them.
type Sweep struct{}

// Step is one handler of a stage.
type Step[R any] struct {
	topic  string // of a stream, or one of the two below
	decode func([]byte) (message, error)
	run    func(key string, row *R, m message, t schemas.Instant) Out[R]
}

const (
	onWake  = "(wake)"
	onSweep = "(sweep)"
)

// On handles the records of a stream.
func On[R, M any, PM Timed[M]](s topologies.Stream[M], f func(In[R, M]) Out[R]) Step[R] {
	return Step[R]{
		topic: s.Name,
		decode: func(b []byte) (message, error) {
			m, err := s.Codec.Decode(b)
			if err != nil {
				return nil, err
			}
			return envelope[M, PM]{PM(m), s.Codec}, nil
		},
		run: func(key string, row *R, m message, t schemas.Instant) Out[R] {
			return f(In[R, M]{key, row, (*M)(m.(envelope[M, PM]).record), t})
		},
	}
}

// OnWake handles the wake times of rows. After it, the row's wake time must be
// later than In.Time, or zero.
func OnWake[R any](f func(In[R, Wake]) Out[R]) Step[R] {
	return Step[R]{topic: onWake, run: func(key string, row *R, _ message, t schemas.Instant) Out[R] {
		return f(In[R, Wake]{key, row, &Wake{}, t})
	}}
}

// OnSweep handles changes of definitions, once per row.
func OnSweep[R any](f func(In[R, Sweep]) Out[R]) Step[R] {
	return Step[R]{topic: onSweep, run: func(key string, row *R, _ message, t schemas.Instant) Out[R] {
		return f(In[R, Sweep]{key, row, &Sweep{}, t})
	}}
}

// Stage is a declared stage together with its steps.
type Stage struct {
	topologies.Stage
	decode    map[string]func([]byte) (message, error)
	steps     map[string]step
	newRoom   func() any // for a row; where it is decoded again and again
	decodeRow func(room any, b []byte) (schemas.Row, error)
	encodeRow func(schemas.Row) ([]byte, error)
}

type step func(key string, row schemas.Row, m message, t schemas.Instant) outcome

type outcome struct {
	row     schemas.Row // nil: delete
	changed bool
	effects
}

// RowOf ties a row type to its clock.
type RowOf[R any] interface {
	*R
	schemas.Row
}

// Define makes a stage from its declaration and its steps. It panics if a
// declared input has no step or a step no declared input: that is a bug.
func Define[R any, PR RowOf[R]](declared topologies.Stage, table topologies.Table[R], steps ...Step[R]) *Stage {
	s := &Stage{
		Stage:   declared,
		decode:  map[string]func([]byte) (message, error){},
		steps:   map[string]step{},
		newRoom: func() any { return new(schemas.Room[R]) },
		decodeRow: func(room any, b []byte) (schemas.Row, error) {
			row, err := table.Codec.DecodeIn(room.(*schemas.Room[R]), b)
			return PR(row), err
		},
		encodeRow: func(row schemas.Row) ([]byte, error) { return table.Codec.Append(nil, (*R)(row.(PR))) },
	}
	for _, st := range steps {
		s.decode[st.topic] = st.decode
		s.steps[st.topic] = func(key string, row schemas.Row, m message, t schemas.Instant) outcome {
			var typed *R
			if row != nil {
				typed = (*R)(row.(PR))
			}
			out := st.run(key, typed, m, t)
			o := outcome{changed: out.changed, effects: out.effects}
			if out.row != nil {
				o.row = PR(out.row)
			}
			return o
		}
	}
	s.mustMatchDeclaration()
	return s
}

func (s *Stage) mustMatchDeclaration() {
	declared := map[string]bool{onWake: true, onSweep: true}
	for _, topic := range s.Inputs {
		declared[topic.Name] = true
		if s.steps[topic.Name] == nil {
			panic(fmt.Sprintf("stage %s declares input %s but has no step for it", s.Word, topic.Name))
		}
	}
	for topic := range s.steps {
		if !declared[topic] {
			panic(fmt.Sprintf("stage %s has a step for %s but does not declare it as an input", s.Word, topic))
		}
	}
}
