package scenario

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/processors/stage"
	"kairos/schemas"
)

// reader keeps what it has read of topics, as a read-committed consumer sees
// them, so that each record is fetched once.
type reader struct {
	client *kgo.Client
	admin  *kadm.Client
	topics map[string]map[int32]*readPartition
}

type readPartition struct {
	next     int64 // after the last record or marker
	messages []stage.Message
}

func newReader(kafka []kgo.Opt) (*reader, error) {
	client, err := kgo.NewClient(append(slices.Clone(kafka), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(20*time.Millisecond), kgo.MetadataMinAge(10*time.Millisecond))...)
	if err != nil {
		return nil, err
	}
	return &reader{client, kadm.NewClient(client), map[string]map[int32]*readPartition{}}, nil
}

// read gives all records of a topic up to where it ends now.
func (r *reader) read(ctx context.Context, topic string) ([]stage.Message, error) {
	ends, err := r.admin.ListEndOffsets(ctx, topic)
	if err = errors.Join(err, ends.Error()); err != nil {
		return nil, err
	}
	partitions := r.topics[topic]
	if partitions == nil {
		partitions = map[int32]*readPartition{}
		from := map[int32]kgo.Offset{}
		for n := range ends[topic] {
			partitions[n], from[n] = &readPartition{}, kgo.NewOffset().AtStart()
		}
		r.topics[topic] = partitions
		r.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: from})
	}
	for r.behind(partitions, ends[topic]) {
		fetches := r.client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		fetches.EachRecord(r.keep)
	}
	var all []stage.Message
	for n := range int32(len(partitions)) {
		all = append(all, partitions[n].messages...)
	}
	return all, nil
}

func (r *reader) behind(partitions map[int32]*readPartition, ends map[int32]kadm.ListedOffset) bool {
	for n, end := range ends {
		if partitions[n].next < end.Offset {
			return true
		}
	}
	return false
}

func (r *reader) keep(record *kgo.Record) {
	p := r.topics[record.Topic][record.Partition]
	p.next = record.Offset + 1
	if !record.Attrs.IsControl() && string(record.Key) != schemas.TickKey {
		p.messages = append(p.messages, stage.Message{
			Topic: record.Topic, Partition: record.Partition, Offset: record.Offset, Key: string(record.Key), Value: record.Value,
		})
	}
}
