package flowtest

import (
	"cmp"
	"fmt"
	"slices"

	"kairos/processors/stage"
	"kairos/processors/stage/stagetest"
	"kairos/schemas"
	"kairos/topologies"
)

// World runs groups of stages on topics and tables in memory, one delivery at
// a time, in whatever order its user likes: a reader may lag behind another,
// and behind one of its topics, as in Kafka.
type World struct {
	Rows    map[RowKey][]byte
	Topics  map[string][]stage.Message // by topic, in order
	Drops   map[stage.Drop]int
	runners []*stage.Runner
	next    map[Delivery]int
}

// RowKey names a row.
type RowKey struct{ Table, Key string }

// Delivery is the next record of a topic for one group.
type Delivery struct {
	Group int
	Topic string
}

// NewWorld makes an empty world.
func NewWorld(runners ...*stage.Runner) *World {
	return &World{
		Rows: map[RowKey][]byte{}, Topics: map[string][]stage.Message{}, Drops: map[stage.Drop]int{},
		runners: runners, next: map[Delivery]int{},
	}
}

// MustRunner makes the runner of a group; the stages may be a part of a
// topology's group, in order.
func MustRunner(stages ...*stage.Stage) *stage.Runner {
	group := topologies.Group{Name: "kairos.test"}
	for _, s := range stages {
		group.Stages = append(group.Stages, s.Stage)
	}
	r, err := stage.NewRunner(group, stages...)
	if err != nil {
		panic(err)
	}
	return r
}

// Become goes on with other runners, as after a change of definitions.
func (w *World) Become(runners ...*stage.Runner) { w.runners = runners }

// Row gives a row's bytes to the runners.
func (w *World) Row(table, key string) ([]byte, error) { return w.Rows[RowKey{table, key}], nil }

// Append writes a record to a topic.
func Append[T any](w *World, s topologies.Stream[T], key string, record *T) {
	value, err := s.Codec.Append(nil, record)
	if err != nil {
		panic(err)
	}
	AppendBytes(w, s.Name, key, value)
}

// AppendBytes writes a record that need not be one.
func AppendBytes(w *World, topic, key string, value []byte) {
	w.Topics[topic] = append(w.Topics[topic], stage.Message{Topic: topic, Offset: int64(len(w.Topics[topic])), Key: key, Value: value})
}

// Ready lists the deliveries that could come next, in a stable order.
func (w *World) Ready() []Delivery {
	var ready []Delivery
	for group, r := range w.runners {
		for _, topic := range r.Group().Inputs() {
			if d := (Delivery{group, topic.Name}); w.next[d] < len(w.Topics[topic.Name]) {
				ready = append(ready, d)
			}
		}
	}
	slices.SortFunc(ready, func(a, b Delivery) int { return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Topic, b.Topic)) })
	return ready
}

// Deliver makes d happen. It panics on a dead letter: random lives hold none.
func (w *World) Deliver(d Delivery) {
	m := w.Topics[d.Topic][w.next[d]]
	w.next[d]++
	w.apply(stagetest.Message(w.runners[d.Group], w, m))
}

// Settle delivers until nothing is left.
func (w *World) Settle() {
	for ready := w.Ready(); len(ready) > 0; ready = w.Ready() {
		w.Deliver(ready[0])
	}
}

// Sweep sweeps every row of a stage at time t.
func (w *World) Sweep(word string, t schemas.Instant) {
	for _, r := range w.runners {
		for _, s := range r.Group().Stages {
			if s.Word != word {
				continue
			}
			for _, key := range w.keys(s.Table.Name) {
				w.apply(r.Sweep(w, word, key, t))
			}
		}
	}
}

// Wake runs all wakes up to a time, key by key: of all stages, or of those
// named. Nobody may be woken before what stages in front of it have to say
// until then has been delivered.
func (w *World) Wake(until schemas.Instant, words ...string) {
	for _, r := range w.runners {
		for _, s := range r.Group().Stages {
			if len(words) > 0 && !slices.Contains(words, s.Word) {
				continue
			}
			for _, key := range w.keys(s.Table.Name) {
				if wake := schemas.WakeOf(w.Rows[RowKey{s.Table.Name, key}]); wake != 0 && wake <= until {
					w.apply(r.Wake(w, key, until))
				}
			}
		}
	}
}

func (w *World) keys(table string) []string {
	var keys []string
	for k := range w.Rows {
		if k.Table == table {
			keys = append(keys, k.Key)
		}
	}
	slices.Sort(keys)
	return keys
}

func (w *World) apply(effects stage.Effects, err error) {
	if err != nil {
		panic(err)
	}
	for _, row := range effects.Rows {
		if row.Value == nil {
			delete(w.Rows, RowKey{row.Table, row.Key})
		} else {
			w.Rows[RowKey{row.Table, row.Key}] = row.Value
		}
	}
	for _, r := range effects.Records {
		AppendBytes(w, r.Topic, r.Key, r.Value)
	}
	for _, d := range effects.Drops {
		w.Drops[d]++
	}
	for _, s := range []topologies.Stage{topologies.Profile, topologies.Segment, topologies.Propensity, topologies.Destination} {
		if dead := w.Topics[topologies.DeadLetters(s.Word).Name]; len(dead) > 0 {
			letter, err := schemas.DeadLetterCodec.Decode(dead[0].Value)
			panic(fmt.Sprintf("dead letter: %+v %v", letter, err))
		}
	}
}

// Records decodes what lies in a stream, from offset from on.
func Records[T any](w *World, s topologies.Stream[T], from int) []*T {
	var records []*T
	for _, m := range w.Topics[s.Name][from:] {
		r, err := s.Codec.Decode(m.Value)
		if err != nil {
			panic(err)
		}
		records = append(records, r)
	}
	return records
}

// RowOf decodes a row; nil if there is none.
func RowOf[R any](w *World, table topologies.Table[R], key string) *R {
	value := w.Rows[RowKey{table.Name, key}]
	if value == nil {
		return nil
	}
	row, err := table.Codec.Decode(value)
	if err != nil {
		panic(err)
	}
	return row
}

// RecordsOf decodes what lies in the stream of a destination.
func RecordsOf(w *World, destination string) []*schemas.Activation {
	return Records(w, topologies.Activations(destination), 0)
}
