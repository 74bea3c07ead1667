package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/loadtest/population"
	"kairos/loadtest/rig"
	"kairos/schemas"
	"kairos/topologies"
)

// stream writes what identity would: events keyed by their person, a month of
// them in their order, and ticks that say how late it is.
type stream struct {
	client     *kgo.Client
	people     *population.Population
	partitions int32
	failed     atomic.Pointer[error]
}

const month = 30 * 24 * time.Hour

// linger is how long events wait for others; it is part of the times.
const linger = 5 * time.Millisecond

// ticksEvery so many events all partitions hear the time.
const ticksEvery = 2_000

// feed writes events until the end of time, which is now, and tells the judge.
func (s *stream) feed(ctx context.Context, events int, end schemas.Instant, j *judge, bar *rig.Bar) error {
	begin := end.Add(-month)
	for i := range events {
		bar.Show("feeding", int64(i), int64(events))
		at := begin.Add(time.Duration(float64(month) * float64(i) / float64(events)))
		if _, err := s.one(ctx, at, j); err != nil {
			return err
		}
		if i%ticksEvery == 0 {
			if err := s.tick(ctx, at); err != nil {
				return err
			}
		}
	}
	if err := s.tick(ctx, end); err != nil {
		return err
	}
	return errors.Join(s.client.Flush(ctx), s.problem())
}

// one sends an event off, tells the judge, and returns its id.
func (s *stream) one(ctx context.Context, at schemas.Instant, j *judge) (string, error) {
	e := s.people.Next(at)
	identifier := e.Identifiers[len(e.Identifiers)-1]
	person, err := personWith(identifier.Value)
	if err != nil {
		return "", err
	}
	j.hear(person, e)
	name := personOf(person)
	value, err := topologies.PersonEvents.Codec.Append(nil, &schemas.PersonEvent{
		Person: name, Identifier: identifier.String(), Cause: at, Event: e,
	})
	if err != nil {
		return "", err
	}
	s.client.Produce(ctx, &kgo.Record{Topic: topologies.PersonEvents.Name, Key: []byte(name), Value: value}, s.done)
	return e.ID, s.problem()
}

func (s *stream) done(_ *kgo.Record, err error) {
	if err != nil {
		s.failed.CompareAndSwap(nil, &err)
	}
}

// problem is the first that a broker answered.
func (s *stream) problem() error {
	if err := s.failed.Load(); err != nil {
		return fmt.Errorf("feed: %w", *err)
	}
	return nil
}

// tick tells every partition, in the name of every partition of identity, that
// all until a time has been written. It overtakes nothing: a client keeps the
// order of a partition's records.
func (s *stream) tick(ctx context.Context, at schemas.Instant) error {
	for source := range s.partitions {
		value, err := schemas.TickCodec.Append(nil, &schemas.Tick{Source: fmt.Sprintf("identity/%d", source), Time: at})
		if err != nil {
			return err
		}
		for partition := range s.partitions {
			s.client.Produce(ctx, &kgo.Record{
				Topic: topologies.PersonEvents.Name, Partition: partition, Key: []byte(schemas.TickKey), Value: value,
			}, s.done)
		}
	}
	return nil
}

// placed sends ticks where they say and everything else by its key.
func placed() kgo.Partitioner {
	byKey := kgo.StickyKeyPartitioner(nil)
	return kgo.BasicConsistentPartitioner(func(topic string) func(*kgo.Record, int) int {
		keyed := byKey.ForTopic(topic)
		return func(r *kgo.Record, n int) int {
			if string(r.Key) == schemas.TickKey {
				return int(r.Partition)
			}
			return keyed.Partition(r, n)
		}
	})
}

func personOf(number int) string { return "person-" + strconv.Itoa(number) }

// personWith is whose device it is: device-PERSON-NUMBER.
func personWith(device string) (number int, err error) {
	rest, is := strings.CutPrefix(device, "device-")
	person, _, has := strings.Cut(rest, "-")
	if number, err = strconv.Atoi(person); err != nil || !is || !has {
		return 0, fmt.Errorf("%q is no device of the population's", device)
	}
	return number, nil
}
