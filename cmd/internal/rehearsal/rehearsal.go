// Package rehearsal runs stages on rows in memory, as they would run on a
// cluster, and publishes nothing.
//
// In: rows, which are only read; runners; records and sweeps. Out: the rows
// that would be different. State: these, until it is over. Laws: each record
// and all that it causes is dealt with before the next, in the order in which
// one row spoke to another; so nothing is under way at the end.
//
// Not here: what is learnt from it (cmd/internal/whatif,
// cmd/internal/precision).
package rehearsal

import (
	"fmt"
	"iter"
	"maps"
	"slices"

	"kairos/processors/definition"
	"kairos/processors/flow"
	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// Tables are rows, encoded, by table and key.
type Tables map[string]map[string][]byte

// Rehearsal is a pipeline in memory. It is not safe for concurrent use.
type Rehearsal struct {
	Before  Tables // never written
	Changed Tables // what became of rows; nil: deleted
	Drops   map[stage.Drop]int

	runners []*stage.Runner
	readers map[string][]*stage.Runner // by topic
	queue   []stage.Message
}

// New prepares the stages of some words, all if none is named, to go on from
// rows under a plan.
func New(before Tables, plan *definition.Plan, words ...string) (*Rehearsal, error) {
	config := topologies.DefaultConfig()
	for _, d := range plan.Destinations {
		config.Destinations = append(config.Destinations, d.Name)
	}
	t, err := topologies.New(config)
	if err != nil {
		return nil, err
	}
	r := &Rehearsal{Before: before, Changed: Tables{}, Drops: map[stage.Drop]int{}, readers: map[string][]*stage.Runner{}}
	for _, g := range t.Groups {
		if len(words) > 0 && !slices.ContainsFunc(g.Stages, func(s topologies.Stage) bool { return slices.Contains(words, s.Word) }) {
			continue
		}
		runner, err := flow.Runner(g, plan)
		if err != nil {
			return nil, fmt.Errorf("rehearse: %w", err)
		}
		r.runners = append(r.runners, runner)
		for _, topic := range g.Inputs() {
			r.readers[topic.Name] = append(r.readers[topic.Name], runner)
		}
		for _, s := range g.Stages {
			r.Changed[s.Table.Name] = map[string][]byte{}
		}
	}
	return r, nil
}

// Row gives the row as it would be now.
func (r *Rehearsal) Row(table, key string) ([]byte, error) {
	if row, changed := r.Changed[table][key]; changed {
		return row, nil
	}
	return r.Before[table][key], nil
}

// All gives the rows of a table as they would be now, in no order.
func (r *Rehearsal) All(table string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for key, row := range r.Changed[table] {
			if row != nil && !yield(key, row) {
				return
			}
		}
		for key, row := range r.Before[table] {
			if _, changed := r.Changed[table][key]; !changed && !yield(key, row) {
				return
			}
		}
	}
}

// Rows lists the keys of a table's rows, before and now, sorted.
func (r *Rehearsal) Rows(table string) []string {
	keys := slices.Collect(maps.Keys(r.Before[table]))
	for key := range r.Changed[table] {
		if _, was := r.Before[table][key]; !was {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Take deals with a record and all that it causes.
func (r *Rehearsal) Take(m stage.Message) error {
	r.queue = append(r.queue, m)
	return r.settle()
}

// Sweep lets the stage called word look at a row anew at time t, and deals
// with all that it causes.
func (r *Rehearsal) Sweep(word, key string, t schemas.Instant) error {
	effects, err := r.runnerOf(word).Sweep(r, word, key, t)
	if err != nil {
		return fmt.Errorf("rehearse the sweep of %q by %s: %w", key, word, err)
	}
	r.apply(effects)
	return r.settle()
}

// Swept lists the keys that a sweep of a stage visits: those under which any
// stage of its group had a row, sorted.
func (r *Rehearsal) Swept(word string) []string {
	keys := map[string]bool{}
	for _, s := range r.runnerOf(word).Group().Stages {
		for key := range r.Before[s.Table.Name] {
			keys[key] = true
		}
	}
	return slices.Sorted(maps.Keys(keys))
}

// runnerOf is the runner of the stage called word, which must be among those
// that New was asked for.
func (r *Rehearsal) runnerOf(word string) *stage.Runner {
	i := slices.IndexFunc(r.runners, func(runner *stage.Runner) bool {
		return slices.ContainsFunc(runner.Group().Stages, func(s topologies.Stage) bool { return s.Word == word })
	})
	return r.runners[i]
}

func (r *Rehearsal) settle() error {
	for i := 0; i < len(r.queue); i++ {
		m := r.queue[i]
		for _, runner := range r.readers[m.Topic] {
			effects, err := runner.Message(r, m)
			if err != nil {
				return fmt.Errorf("rehearse a record of %s: %w", m.Topic, err)
			}
			r.apply(effects)
		}
	}
	clear(r.queue) // the records are garbage
	r.queue = r.queue[:0]
	return nil
}

func (r *Rehearsal) apply(effects stage.Effects) {
	for _, row := range effects.Rows {
		r.Changed[row.Table][row.Key] = row.Value
	}
	for _, drop := range effects.Drops {
		r.Drops[drop]++
	}
	for _, record := range effects.Records {
		if len(r.readers[record.Topic]) > 0 {
			r.queue = append(r.queue, stage.Message{Topic: record.Topic, Key: record.Key, Value: record.Value})
		}
	}
}
