package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/topologies"
)

// still is how often in a row, a look apart, nothing must have been written
// for a cluster to be settled. Wakes that are due write without reading, so
// that offsets alone cannot tell.
const (
	still = 10
	look  = 300 * time.Millisecond
)

// Await returns once the groups of a topology have read all their inputs, and
// nobody has written anything for some looks. It calls progress after each
// look with what is left to read; -1: not known.
func (c *Client) Await(ctx context.Context, t *topologies.Topology, progress func(backlog int64)) error {
	var before map[string]map[int32]int64
	for calm := 0; calm < still; {
		backlog, err := c.backlog(ctx, t)
		if err != nil {
			return err
		}
		ends, err := c.ends(ctx, t)
		if err != nil {
			return err
		}
		if backlog == 0 && maps.EqualFunc(before, ends, maps.Equal[map[int32]int64, map[int32]int64]) {
			calm++
		} else {
			calm = 0
		}
		before = ends
		progress(backlog)
		select {
		case <-time.After(look):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// ends returns where every topic of the topology ends now.
func (c *Client) ends(ctx context.Context, t *topologies.Topology) (map[string]map[int32]int64, error) {
	var names []string
	for _, topic := range t.Topics() {
		names = append(names, topic.Name)
	}
	listed, err := c.admin.ListEndOffsets(ctx, names...)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("find the ends of topics: %w", err)
	}
	ends := map[string]map[int32]int64{}
	for topic, partitions := range listed {
		ends[topic] = map[int32]int64{}
		for p, o := range partitions {
			ends[topic][p] = o.Offset
		}
	}
	return ends, nil
}

// backlog counts the records that groups have not read. A group commits the
// offset after the last record that it has seen, which the marker of a
// transaction may follow: small differences are looked into.
func (c *Client) backlog(ctx context.Context, t *topologies.Topology) (int64, error) {
	const few = 100
	var sum int64
	doubtful := map[string]map[int32][2]int64{} // from, to
	for _, g := range t.Groups {
		var inputs []string
		for _, topic := range g.Inputs() {
			inputs = append(inputs, topic.Name)
		}
		committed, err := c.admin.FetchOffsets(ctx, g.Name)
		if err != nil {
			return 0, fmt.Errorf("ask how far group %s is: %w", g.Name, err)
		}
		ends, err := c.admin.ListCommittedOffsets(ctx, inputs...)
		if err != nil {
			return 0, fmt.Errorf("find the ends of the inputs of %s: %w", g.Name, err)
		}
		for topic, partitions := range ends {
			for p, end := range partitions {
				at, found := committed.Lookup(topic, p)
				from := max(0, at.At)
				if !found {
					from = 0
				}
				switch gap := end.Offset - from; {
				case gap <= 0:
				case gap <= few:
					if doubtful[topic] == nil {
						doubtful[topic] = map[int32][2]int64{}
					}
					doubtful[topic][p] = [2]int64{from, end.Offset}
					sum += gap
				default:
					sum += gap
				}
			}
		}
	}
	if len(doubtful) == 0 || sum > few*int64(len(doubtful)) {
		return sum, nil
	}
	return c.records(ctx, doubtful)
}

// records counts the records of the given ranges that a reader would see.
func (c *Client) records(ctx context.Context, ranges map[string]map[int32][2]int64) (int64, error) {
	starts, left := map[string]map[int32]kgo.Offset{}, 0
	for topic, partitions := range ranges {
		starts[topic] = map[int32]kgo.Offset{}
		for p, r := range partitions {
			starts[topic][p] = kgo.NewOffset().At(r[0])
			left++
		}
	}
	reader, err := kgo.NewClient(append(c.Opts(),
		kgo.ConsumePartitions(starts), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.FetchMaxWait(50*time.Millisecond))...)
	if err != nil {
		return 0, fmt.Errorf("look at what is left to read: %w", err)
	}
	defer reader.Close()
	var seen int64
	for left > 0 {
		short, cancel := context.WithTimeout(ctx, quiet)
		fetches := reader.PollFetches(short)
		cancel()
		if ctx.Err() != nil || fetches.NumRecords() == 0 {
			return seen, ctx.Err()
		}
		fetches.EachRecord(func(r *kgo.Record) {
			end := ranges[r.Topic][r.Partition][1]
			if r.Offset < end && !r.Attrs.IsControl() {
				seen++
			}
			if r.Offset == end-1 {
				left--
			}
		})
	}
	return seen, nil
}

// Working lists the groups of a topology that nobody works for.
func (c *Client) Working(ctx context.Context, t *topologies.Topology) (without []string, err error) {
	var names []string
	for _, g := range t.Groups {
		names = append(names, g.Name)
	}
	described, err := c.admin.DescribeGroups(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("look at consumer groups: %w", err)
	}
	for _, name := range names {
		if g, found := described[name]; !found || len(g.Members) == 0 {
			without = append(without, name)
		}
	}
	slices.Sort(without)
	return without, nil
}
