package cluster

import (
	"cmp"
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Read is how far all groups that have ever read a partition are.
type Read struct {
	Offset  int64 // the next one that the slowest will read
	Slowest string
	Groups  int
}

// ReadByAll says how far the groups are that read a topic.
func (c *Client) ReadByAll(ctx context.Context, topic string) (map[int32]Read, error) {
	groups, err := c.admin.ListGroups(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask who reads %s: %w", topic, err)
	}
	read := map[int32]Read{}
	for _, group := range groups.Groups() {
		committed, err := c.committed(ctx, group)
		if err != nil {
			return nil, err
		}
		for p, o := range committed[topic] {
			if o.At < 0 {
				continue
			}
			r, known := read[p]
			if !known || o.At < r.Offset {
				r.Offset, r.Slowest = o.At, group
			}
			r.Groups++
			read[p] = r
		}
	}
	return read, nil
}

// Committed says how far one group has read a topic, by partition; empty, if it
// never has.
func (c *Client) Committed(ctx context.Context, group, topic string) (map[int32]int64, error) {
	committed, err := c.committed(ctx, group)
	if err != nil {
		return nil, err
	}
	read := map[int32]int64{}
	for p, o := range committed[topic] {
		if o.At > 0 {
			read[p] = o.At
		}
	}
	return read, nil
}

// Trim deletes everything from a topic that all groups that read it have read:
// all there is, if none ever did. left counts the records behind that which hold says are to go.
func (c *Client) Trim(ctx context.Context, topic string, hold func(*kgo.Record) bool) (deleted, left int64, slowest string, err error) {
	ends, starts, err := c.extent(ctx, topic, EveryPartition)
	if err != nil {
		return 0, 0, "", err
	}
	read, err := c.ReadByAll(ctx, topic)
	if err != nil {
		return 0, 0, "", err
	}
	cut := kadm.Offsets{}
	for p, end := range ends {
		to, start := end, starts[p].EpochOffset().Offset
		if r := read[p]; r.Groups > 0 {
			to = min(to, r.Offset)
		}
		if to > start {
			cut.Add(kadm.Offset{Topic: topic, Partition: p, At: to})
			deleted += to - start
		}
	}
	if deleted > 0 {
		responses, err := c.admin.DeleteRecords(ctx, cut)
		if err = cmp.Or(err, responses.Error()); err != nil {
			return 0, 0, "", fmt.Errorf("delete what was read from %s: %w", topic, err)
		}
	}
	err = c.ScanRaw(ctx, topic, func(r *kgo.Record) error {
		if hold(r) {
			left++
			slowest = read[r.Partition].Slowest
		}
		return nil
	})
	return deleted, left, slowest, err
}
