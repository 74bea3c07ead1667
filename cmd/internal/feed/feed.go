// Package feed puts a history on kairos.door.events as the door would have
// put it there at the time, and the ticks between, by which virtual time runs.
//
// In: days of events. Out: records keyed by primary identifier, and after each
// day a [schemas.Tick] of the source "door" on every partition. State: none.
// Laws: no event follows a tick of its own time; the same history gives the
// same bytes, sealed as the door seals where there are keys, and without those
// who are suppressed.
//
// Not here: which histories there are (loadtest/cdnow), live events
// (cmd/internal/door).
package feed

import (
	"context"
	"fmt"
	"iter"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/door"
	"kairos/processors/keyring"
	"kairos/schemas"
	"kairos/topologies"
)

// Day is a batch of events, and the time up to which no others come.
type Day struct {
	Events []*schemas.Event
	Until  schemas.Instant
}

// Feeder writes a history.
type Feeder struct {
	client     *kgo.Client
	partitions int32
	ring       *keyring.Ring // by which events are sealed; nil: they are not
}

// New makes a feeder for a cluster that holds the topology.
func New(ctx context.Context, client *cluster.Client) (*Feeder, error) {
	partitions, err := client.Partitions(ctx, topologies.Events.Name)
	if err != nil {
		return nil, err
	}
	ring, err := client.Ring(ctx)
	if err != nil {
		return nil, err
	}
	byPrimary := door.ByPrimary(topologies.Events.Name)
	producer, err := kgo.NewClient(append(client.Opts(),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
		kgo.RecordPartitioner(kgo.BasicConsistentPartitioner(func(string) func(*kgo.Record, int) int {
			return func(r *kgo.Record, n int) int {
				if string(r.Key) == schemas.TickKey {
					return int(r.Partition) // every partition gets each tick
				}
				return byPrimary(r, n)
			}
		})))...)
	if err != nil {
		return nil, fmt.Errorf("feed events: %w", err)
	}
	return &Feeder{producer, partitions, ring}, nil
}

// Close ends the feeder. What was not acknowledged is lost.
func (f *Feeder) Close() { f.client.Close() }

// Feed writes days, calling before(day) ahead of each, which may wait. It
// returns the number of events once all are acknowledged.
func (f *Feeder) Feed(ctx context.Context, days iter.Seq[Day], before func(Day) error) (int, error) {
	failed := make(chan error, 1)
	promise := func(_ *kgo.Record, err error) {
		if err != nil {
			select {
			case failed <- err:
			default: // one is enough
			}
		}
	}
	events := 0
	for day := range days {
		if err := before(day); err != nil {
			return events, err
		}
		n, err := f.day(ctx, day, promise)
		if err != nil {
			return events, err
		}
		events += n
	}
	if err := f.client.Flush(ctx); err != nil {
		return events, fmt.Errorf("feed events: %w", err)
	}
	select {
	case err := <-failed:
		return events, fmt.Errorf("feed events: %w", err)
	default:
		return events, nil
	}
}

// day gives the number of events that it writes.
func (f *Feeder) day(ctx context.Context, day Day, promise func(*kgo.Record, error)) (int, error) {
	events := 0
	for _, e := range day.Events {
		record, problem := door.Sealed(e, f.ring)
		if problem != nil {
			return events, fmt.Errorf("feed event %s: %s", e.ID, problem.What)
		}
		if record == nil { // about somebody who was erased
			continue
		}
		f.client.Produce(ctx, record, promise)
		events++
	}
	return events, f.tick(ctx, day.Until, promise)
}

func (f *Feeder) tick(ctx context.Context, t schemas.Instant, promise func(*kgo.Record, error)) error {
	value, err := schemas.TickCodec.Append(nil, &schemas.Tick{Source: topologies.Events.Writer, Time: t})
	if err != nil {
		return fmt.Errorf("feed a tick: %w", err)
	}
	for p := range f.partitions {
		f.client.Produce(ctx, &kgo.Record{Topic: topologies.Events.Name, Partition: p, Key: []byte(schemas.TickKey), Value: value}, promise)
	}
	return nil
}

// Tick says on every partition that no event accepted at or before t follows.
func (f *Feeder) Tick(ctx context.Context, t schemas.Instant) error {
	_, err := f.Feed(ctx, func(yield func(Day) bool) { yield(Day{Until: t}) }, func(Day) error { return nil })
	return err
}
