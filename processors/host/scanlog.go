package host

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// readCommitted gives the committed records of a partition within bounds, in
// order. It waits for transactions that are undecided, and never takes a broker
// that is slow for the end: what it passed over would be lost.
func readCommitted(ctx context.Context, kafka []kgo.Opt, topic string, number int32, b bounds, f func(*kgo.Record) error) error {
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
	for {
		fetches := client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read %s/%d: %w", topic, number, err)
		}
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("read %s/%d: %w", topic, number, err)
		}
		for iterator := fetches.RecordIter(); !iterator.Done(); {
			record := iterator.Next()
			if record.Offset < b.end && !record.Attrs.IsControl() {
				if err := f(record); err != nil {
					return err
				}
			}
			if record.Offset >= b.end-1 {
				return nil
			}
		}
	}
}
