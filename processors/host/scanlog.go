package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// readCommitted gives the committed records of a partition within bounds, in
// order. It waits for transactions that are undecided.
func readCommitted(ctx context.Context, admin *kadm.Client, kafka []kgo.Opt, topic string, number int32, b bounds, f func(*kgo.Record) error) error {
	if b.first >= b.end {
		return nil
	}
	client, err := kgo.NewClient(append(slices.Clone(kafka),
		kgo.ClientID("kairos-growth"),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {number: kgo.NewOffset().At(b.first)}}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // the end may be one
		kgo.FetchMaxWait(100*time.Millisecond),
		kgo.FetchMaxPartitionBytes(8<<20),
	)...)
	if err != nil {
		return err
	}
	defer client.Close()
	const quiet = time.Second
	for heard := time.Now(); ; {
		short, cancel := context.WithTimeout(ctx, quiet)
		fetches := client.PollFetches(short)
		cancel()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read %s/%d: %w", topic, number, err)
		}
		fetches.EachError(func(_ string, _ int32, e error) {
			if !errors.Is(e, context.DeadlineExceeded) {
				err = e
			}
		})
		if err != nil {
			return fmt.Errorf("read %s/%d: %w", topic, number, err)
		}
		for iterator := fetches.RecordIter(); !iterator.Done(); {
			record := iterator.Next()
			heard = time.Now()
			if record.Offset < b.end && !record.Attrs.IsControl() {
				if err := f(record); err != nil {
					return err
				}
			}
			if record.Offset >= b.end-1 {
				return nil
			}
		}
		// A compacted log may end without a record, which no reader is told about.
		if time.Since(heard) >= quiet {
			stable, err := admin.ListCommittedOffsets(ctx, topic)
			if at, ok := stable.Lookup(topic, number); err == nil && ok && at.Err == nil && at.Offset >= b.end {
				return nil
			}
			heard = time.Now()
		}
	}
}
