package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/schemas"
	"kairos/topologies"
)

const floorTable = "floor.table"

// floor carries every record into a table and every so many into the answers,
// in transactions that commit what was read: what exactly once costs when there
// is nothing to do. Its arguments are brokers, bytes of a table's record, and
// after how many records there is an answer.
func floor(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("floor BROKERS BYTES EVERY: %d arguments", len(args))
	}
	size, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	every, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	answer, err := topologies.Transitions.Codec.Append(nil, &schemas.Transition{Person: "person-0", Audience: "nobody", Cause: 1 << 60})
	if err != nil {
		return err
	}
	session, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(args[0]),
		kgo.TransactionalID("floor"),
		kgo.ConsumerGroup("floor"),
		kgo.ConsumeTopics(topologies.PersonEvents.Name),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ProducerLinger(0),
	)
	if err != nil {
		return err
	}
	defer session.Close()
	rows := make([]byte, 1<<20) // no two alike: compression makes nothing of equal ones, and the bytes are what is to be carried
	_, _ = rand.NewChaCha8([32]byte{}).Read(rows)
	for n := 0; ; {
		fetches := session.PollRecords(ctx, 10_000)
		if ctx.Err() != nil {
			return nil
		}
		if fetches.Empty() {
			continue
		}
		if err := session.Begin(); err != nil {
			return err
		}
		var failed error
		done := func(_ *kgo.Record, err error) {
			if err != nil {
				failed = err // callbacks come one after the other
			}
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at := n * size % (len(rows) - size)
			session.Produce(ctx, &kgo.Record{Topic: floorTable, Key: r.Key, Value: rows[at : at+size]}, done)
			if n++; n%every == 0 {
				session.Produce(ctx, &kgo.Record{Topic: topologies.Transitions.Name, Key: r.Key, Value: answer}, done)
			}
		})
		if _, err := session.End(ctx, kgo.TryCommit); err != nil {
			return err
		}
		if failed != nil {
			return failed
		}
	}
}
