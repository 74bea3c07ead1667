package host

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// stretches are parts of partitions, by topic.
type stretches map[string]map[int32]bounds

func (s stretches) add(topic string, number int32, b bounds) {
	if b.first >= b.end {
		return
	}
	if s[topic] == nil {
		s[topic] = map[int32]bounds{}
	}
	s[topic][number] = b
}

// readCommitted gives the committed records of stretches, each partition's in
// order. It waits for transactions that are undecided, and never takes a broker
// that is slow for the end: what it passed over would be lost.
func readCommitted(ctx context.Context, kafka []kgo.Opt, all stretches, f func(*kgo.Record) error) error {
	from, left := map[string]map[int32]kgo.Offset{}, 0
	for topic, numbers := range all {
		from[topic] = map[int32]kgo.Offset{}
		for number, b := range numbers {
			from[topic][number] = kgo.NewOffset().At(b.first)
			left++
		}
	}
	if left == 0 {
		return nil
	}
	client, err := kgo.NewClient(append(slices.Clone(kafka),
		kgo.ClientID("kairos-growth"),
		kgo.ConsumePartitions(from),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // the end may be one
		kgo.FetchMaxWait(100*time.Millisecond),
		kgo.FetchMaxPartitionBytes(8<<20),
	)...)
	if err != nil {
		return err
	}
	defer client.Close()
	for left > 0 {
		fetches := client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read %s: %w", all.names(), err)
		}
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("read %s: %w", all.names(), err)
		}
		for iterator := fetches.RecordIter(); !iterator.Done(); {
			record := iterator.Next()
			b, reading := all[record.Topic][record.Partition]
			if !reading {
				continue
			}
			if record.Offset < b.end && !record.Attrs.IsControl() {
				if err := f(record); err != nil {
					return err
				}
			}
			if record.Offset >= b.end-1 {
				delete(all[record.Topic], record.Partition)
				client.PauseFetchPartitions(map[string][]int32{record.Topic: {record.Partition}})
				left--
			}
		}
	}
	return nil
}

func (s stretches) names() []string {
	var names []string
	for topic, numbers := range s {
		for number := range numbers {
			names = append(names, fmt.Sprintf("%s/%d", topic, number))
		}
	}
	slices.Sort(names)
	return names
}
