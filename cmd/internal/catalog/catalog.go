// Package catalog reads, publishes and follows the published definitions.
//
// In: the topic kairos.operator.definitions, read committed. Out: the newest
// record of each definition; new ones, all of a change in one transaction.
// State: none. Laws: nobody sees half of a change; of two who publish at the
// same time one fails and has changed nothing.
//
// Not here: what a definition means (processors/definition).
package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/cluster"
	"kairos/processors/definition"
	"kairos/schemas"
	"kairos/topologies"
)

// Published is the newest record of each definition, by kind and name; those
// withdrawn are among them, without a text.
type Published []schemas.Definition

// Names lists the definitions of a kind that are not withdrawn.
func (p Published) Names(kind string) []string {
	var names []string
	for _, d := range p {
		if d.Kind == kind && d.Text != "" {
			names = append(names, d.Name)
		}
	}
	return names
}

// Len is the number of definitions that are not withdrawn.
func (p Published) Len() int {
	n := 0
	for _, d := range p {
		if d.Text != "" {
			n++
		}
	}
	return n
}

// Plan compiles the definitions, as whoever follows them does: see
// [definition.Set.Follow].
func (p Published) Plan() (*definition.Plan, error) {
	set, err := definition.FromRecords(p)
	if err != nil {
		return nil, fmt.Errorf("published definitions cannot be read: %w", err)
	}
	plan, err := set.Follow()
	if err != nil {
		return nil, fmt.Errorf("published definitions cannot be compiled: %w", err)
	}
	return plan, nil
}

// ReadPlan compiles what is published.
func ReadPlan(ctx context.Context, client *cluster.Client) (*definition.Plan, error) {
	published, err := Read(ctx, client)
	if err != nil {
		return nil, err
	}
	return published.Plan()
}

// Find returns the record of a definition.
func (p Published) Find(kind, name string) (schemas.Definition, bool) {
	i, found := slices.BinarySearchFunc(p, schemas.Definition{Kind: kind, Name: name}, byName)
	if !found {
		return schemas.Definition{}, false
	}
	return p[i], true
}

// with returns p with newer records in it. Of those of one definition the last
// one counts.
func (p Published) with(newer ...schemas.Definition) Published {
	if len(newer) == 0 {
		return p
	}
	all := append(slices.Clone(p), newer...)
	slices.SortStableFunc(all, byName)
	kept := all[:0]
	for i, d := range all {
		if i+1 == len(all) || byName(d, all[i+1]) != 0 {
			kept = append(kept, d)
		}
	}
	return kept
}

func byName(a, b schemas.Definition) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
}

func keyOf(d schemas.Definition) string { return d.Kind + "/" + d.Name }

// Read returns what is published now.
func Read(ctx context.Context, client *cluster.Client) (Published, error) {
	return read(ctx, client, func(err error) error { return err })
}

func read(ctx context.Context, client *cluster.Client, unreadable func(error) error) (Published, error) {
	var all []schemas.Definition
	err := client.Scan(ctx, topologies.Definitions.Name, cluster.EveryPartition, func(r *kgo.Record) error {
		d, err := decode(r)
		if err != nil {
			return unreadable(err)
		}
		all = append(all, *d)
		return nil
	})
	return Published(nil).with(all...), err
}

func decode(r *kgo.Record) (*schemas.Definition, error) {
	d, err := topologies.Definitions.Codec.Decode(r.Value)
	if err != nil {
		return nil, fmt.Errorf("published definition %s at offset %d: %w", r.Key, r.Offset, err)
	}
	return d, nil
}

// ErrOvertaken says that somebody else published at the same time.
var ErrOvertaken = errors.New("somebody else is publishing definitions: nothing was changed; look at theirs and apply again")

// Publish lets change compute all records from those of before and publishes
// the ones that became different, with the given time, in one transaction. It
// returns these.
func Publish(ctx context.Context, client *cluster.Client, now schemas.Instant, change func(Published) ([]schemas.Definition, error)) ([]schemas.Definition, error) {
	writer, err := client.Writer(ctx, "kairos.operator")
	if err != nil {
		return nil, fmt.Errorf("publish definitions: %w", err)
	}
	defer writer.Close()
	before, err := Read(ctx, client)
	if err != nil {
		return nil, err
	}
	after, err := change(before)
	if err != nil {
		return nil, err
	}
	changed := differing(before, after, now)
	if len(changed) == 0 {
		return nil, nil
	}
	return changed, write(ctx, writer, changed)
}

func differing(before Published, after []schemas.Definition, now schemas.Instant) []schemas.Definition {
	var changed []schemas.Definition
	for _, d := range after {
		i, found := slices.BinarySearchFunc(before, d, byName)
		if found && before[i].Version == d.Version {
			continue
		}
		d.Cause = now
		changed = append(changed, d)
	}
	return changed
}

func write(ctx context.Context, writer *cluster.Writer, changed []schemas.Definition) error {
	records := make([]*kgo.Record, len(changed))
	for i, d := range changed {
		value, err := topologies.Definitions.Codec.Append(nil, &d)
		if err != nil {
			return fmt.Errorf("publish %s: %w", keyOf(d), err)
		}
		records[i] = &kgo.Record{Topic: topologies.Definitions.Name, Key: []byte(keyOf(d)), Value: value}
	}
	switch err := writer.Write(ctx, records); {
	case errors.Is(err, cluster.ErrOvertaken):
		return ErrOvertaken
	case err != nil:
		return fmt.Errorf("publish definitions: %w", err)
	}
	return nil
}

// settle is how long Follow waits for the rest of a change, patience how long
// after a failure.
const (
	settle   = 200 * time.Millisecond
	patience = time.Second
)

// Follow calls f with all definitions whenever some of them change, until ctx
// ends, when it returns nil, or f fails. It begins with what is published now,
// however little. Brokers that are away are waited for, and records that this
// release cannot read are passed over; complain hears of both.
func Follow(ctx context.Context, client *cluster.Client, f func(Published) error, complain func(error)) error {
	reader, err := kgo.NewClient(append(client.Opts(),
		kgo.ConsumeTopics(topologies.Definitions.Name),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(500*time.Millisecond))...)
	if err != nil {
		return fmt.Errorf("follow definitions: %w", err)
	}
	defer reader.Close()
	known, err := read(ctx, client, func(error) error { return nil }) // the reader will complain
	if err != nil {
		return err
	}
	if err := f(known); err != nil {
		return err
	}
	for {
		news := poll(ctx, reader, &known, complain)
		for more := news; more; { // the rest of the change, if it comes in parts
			short, cancel := context.WithTimeout(ctx, settle)
			more = poll(short, reader, &known, complain)
			cancel()
		}
		if ctx.Err() != nil {
			return nil
		}
		if news {
			if err := f(known); err != nil {
				return err
			}
		}
	}
}

// poll takes in what the reader has and reports whether any of it is news.
func poll(ctx context.Context, reader *kgo.Client, known *Published, complain func(error)) (news bool) {
	fetches := reader.PollFetches(ctx)
	if err := fetches.Err(); err != nil && ctx.Err() == nil {
		complain(fmt.Errorf("follow definitions: %w", err))
		select {
		case <-time.After(patience):
		case <-ctx.Done():
		}
	}
	var newer []schemas.Definition
	for _, r := range fetches.Records() {
		d, err := decode(r)
		if err != nil {
			complain(err)
			continue
		}
		if was, found := known.Find(d.Kind, d.Name); !found || was.Version < d.Version {
			newer = append(newer, *d)
		}
	}
	*known = known.with(newer...)
	return len(newer) > 0
}
