package cluster

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/schemas"
	"kairos/topologies"
)

// Growth is the newest growth of the topology; nil if it never grew.
func (c *Client) Growth(ctx context.Context) (*schemas.Growth, error) {
	var newest *schemas.Growth
	err := c.Scan(ctx, topologies.Growths.Name, EveryPartition, func(r *kgo.Record) error {
		var err error
		newest, err = schemas.GrowthCodec.Decode(r.Value)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("growth of the topology: %w", err)
	}
	return newest, nil
}

// FollowGrowth calls f with the newest growth, now if there is one, and
// whenever there is a newer one, until f returns false or ctx ends. complain
// hears of brokers that are away.
func (c *Client) FollowGrowth(ctx context.Context, f func(schemas.Growth) bool, complain func(error)) error {
	reader, err := kgo.NewClient(append(c.Opts(),
		kgo.ConsumeTopics(topologies.Growths.Name), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(500*time.Millisecond))...)
	if err != nil {
		return fmt.Errorf("follow the growth of the topology: %w", err)
	}
	defer reader.Close()
	for {
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		fetches.EachError(func(_ string, _ int32, err error) {
			complain(fmt.Errorf("follow the growth of the topology: %w", err))
		})
		var newest *schemas.Growth
		fetches.EachRecord(func(r *kgo.Record) {
			if g, err := schemas.GrowthCodec.Decode(r.Value); err != nil {
				complain(fmt.Errorf("growth at offset %d: %w", r.Offset, err))
			} else {
				newest = g
			}
		})
		if newest != nil && !f(*newest) {
			return nil
		}
	}
}

// counted is the first partition of a topic that does not count: what lies there
// is a copy, of a growth that is under way or was undone.
func (c *Client) counted(ctx context.Context, topic string) (int32, error) {
	if !grows(topic) {
		return math.MaxInt32, nil
	}
	grown, err := c.Growth(ctx)
	if grown == nil {
		return math.MaxInt32, err
	}
	return grown.Partitions, err
}

// grows reports whether what counts of a topic is what a growth says.
func grows(topic string) bool {
	t, err := topologies.New(topologies.DefaultConfig())
	return err == nil && t.Grows(topic)
}
