// Package whatif says what changed definitions would do to the people of a
// running cluster, before anything is published.
//
// In: the tables of all stages; what is published, and what would be. Out: a
// [Report]: who would merge and split and by which evidence, who would enter
// and leave which audience. State: none. Laws: nothing is written; what is
// predicted is what happens, row by row, for it is the stages that are
// rehearsed.
//
// The tables are asked, not the log: a row of identity holds all evidence that
// was let in, and so does a row of profile. What the rules of the time did not
// let in (blocked values, events that no condition asked for) is in neither,
// and comes back neither here nor when the definitions are applied.
//
// Not here: how stages are rehearsed (cmd/internal/rehearsal).
package whatif

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/catalog"
	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/pipeline"
	"kairos/cmd/internal/rehearsal"
	"kairos/processors/definition"
	"kairos/schemas"
	"kairos/topologies"
)

// Question is what is asked.
type Question struct {
	Tables   rehearsal.Tables
	Before   catalog.Published
	After    catalog.Published // as they would be published
	At       schemas.Instant   // when they would be
	Examples int               // how many of each kind the report shows
}

// tables are those of all stages in the order of the flow, in which they are
// read: of a fragment on its way between two people, identity must not know
// more than profile does.
func tables() []topologies.Topic {
	t, err := topologies.New(topologies.DefaultConfig())
	if err != nil {
		panic(err) // a bug: the defaults are valid
	}
	var all []topologies.Topic
	for _, s := range t.Stages() {
		all = append(all, s.Table)
	}
	return all
}

// Load reads the tables of a cluster. Progress hears of the part that is read.
func Load(ctx context.Context, client *cluster.Client, progress func(part float64)) (rehearsal.Tables, error) {
	loaded := rehearsal.Tables{}
	all, read := int64(0), int64(0)
	for _, table := range tables() {
		n, err := client.Extent(ctx, table.Name)
		if err != nil {
			return nil, err
		}
		all += n
	}
	for _, table := range tables() {
		rows := map[string][]byte{}
		err := client.Scan(ctx, table.Name, cluster.EveryPartition, func(r *kgo.Record) error {
			if read++; read%1000 == 0 {
				progress(min(1, float64(read)/float64(all)))
			}
			switch {
			case string(r.Key) == schemas.HostKey:
			case len(r.Value) == 0:
				delete(rows, string(r.Key))
			default:
				rows[string(r.Key)] = r.Value
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", table.Name, err)
		}
		loaded[table.Name] = rows
	}
	return loaded, nil
}

// Ask rehearses the change and says what came of it. Progress hears of the
// part that is done.
func Ask(ctx context.Context, q Question, progress func(part float64)) (Report, error) {
	a, err := rehearse(ctx, q, progress)
	if err != nil {
		return Report{}, err
	}
	return a.report()
}

// answer is a change that was rehearsed.
type answer struct {
	Question
	before, after *definition.Plan
	rehearsal     *rehearsal.Rehearsal
}

func rehearse(ctx context.Context, q Question, progress func(part float64)) (*answer, error) {
	a := &answer{Question: q}
	var err error
	if a.before, err = q.Before.Plan(); err != nil {
		return nil, err
	}
	if a.after, err = q.After.Plan(); err != nil {
		return nil, err
	}
	if a.rehearsal, err = rehearsal.New(q.Tables, a.after); err != nil {
		return nil, err
	}
	words := pipeline.Swept(q.Before, q.After)
	for w, word := range words {
		keys := a.rehearsal.Swept(word)
		for i, key := range keys {
			if i%1000 == 999 {
				progress((float64(w) + float64(i)/float64(len(keys))) / float64(len(words)))
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
			}
			if err := a.rehearsal.Sweep(word, key, q.At); err != nil {
				return nil, err
			}
		}
	}
	return a, nil
}

// row decodes the row that a table has, before the change or after.
func row[R any](table topologies.Table[R], encoded []byte) (*R, error) {
	if encoded == nil {
		return nil, nil
	}
	decoded, err := table.Codec.Decode(encoded)
	if err != nil {
		return nil, fmt.Errorf("row of %s: %w", table.Name, err)
	}
	return decoded, nil
}

// both gives a key's row before the change and after; the same one, if nothing
// changed.
func both[R any](a *answer, table topologies.Table[R], key string) (before, after *R, err error) {
	if before, err = row(table, a.Tables[table.Name][key]); err != nil {
		return nil, nil, err
	}
	changed, is := a.rehearsal.Changed[table.Name][key]
	if !is {
		return before, before, nil
	}
	after, err = row(table, changed)
	return before, after, err
}
