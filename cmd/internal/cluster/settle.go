package cluster

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/schemas"
	"kairos/topologies"
)

// look is how often Await looks.
const look = 200 * time.Millisecond

// Await returns once the groups of a topology have dealt with everything that
// was accepted up to a time, if that time lies in the log as ticks. It calls
// progress after each look with the number of records that are left to read.
func (c *Client) Await(ctx context.Context, t *topologies.Topology, until schemas.Instant, progress func(backlog int64)) error {
	for {
		// Time first: what it brings may write records for the groups behind.
		come, err := c.timeHasCome(ctx, t, until)
		backlog := int64(0)
		if err == nil {
			backlog, err = c.backlog(ctx, t)
		}
		switch {
		case err != nil && !passing(err): // groups that are new have no coordinator yet
			return err
		case err == nil:
			progress(backlog)
			if come && backlog == 0 {
				return nil
			}
		}
		select {
		case <-time.After(look):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// timeHasCome reports whether no group whose rows wake each other, or by
// themselves, has anything left to do up to a time. Those are the groups with
// a loop; the others do nothing without a record.
func (c *Client) timeHasCome(ctx context.Context, t *topologies.Topology, until schemas.Instant) (bool, error) {
	for _, g := range t.Groups {
		if !loops(g) {
			continue
		}
		states, err := c.hostStates(ctx, g.Stages[0].Table.Name)
		if err != nil {
			return false, err
		}
		for p := range t.Config.Partitions {
			if state := states[p]; state == nil || state.Loop.Still < until {
				return false, nil
			}
		}
	}
	return true, nil
}

func loops(g topologies.Group) bool {
	for _, s := range g.Stages {
		for _, in := range s.Inputs {
			if in.Writer == s.Word {
				return true
			}
		}
	}
	return false
}

// hostStates reads the newest word of a group's hosts about each partition. It
// lies near the end of the group's first table.
func (c *Client) hostStates(ctx context.Context, table string) (map[int32]*schemas.HostState, error) {
	states := map[int32]*schemas.HostState{}
	err := c.tail(ctx, table, func(r *kgo.Record) error {
		if string(r.Key) != schemas.HostKey {
			return nil
		}
		state, err := schemas.HostStateCodec.Decode(r.Value)
		if err != nil {
			return fmt.Errorf("the hosts' state in %s/%d: %w", table, r.Partition, err)
		}
		states[r.Partition] = state
		return nil
	})
	return states, err
}

// LogTime is the newest time that the log has come to: of the ticks in the
// door's topic, of when its events were accepted, and of the wall clock, if
// hosts go by it. 0: there is none.
func (c *Client) LogTime(ctx context.Context) (schemas.Instant, error) {
	now := schemas.Instant(0)
	err := c.tail(ctx, topologies.Events.Name, func(r *kgo.Record) error {
		if string(r.Key) == schemas.TickKey {
			if tick, err := schemas.TickCodec.Decode(r.Value); err == nil {
				now = max(now, tick.Time)
			}
		} else if e, err := topologies.Events.Codec.Decode(r.Value); err == nil {
			now = max(now, e.Received)
		}
		return nil // what cannot be read will be a dead letter
	})
	if err != nil {
		return 0, err
	}
	states, err := c.hostStates(ctx, topologies.IdentityTable.Name)
	for _, state := range states {
		for _, w := range state.Watermarks {
			if w.Topic == topologies.Events.Name {
				now = max(now, w.Tick.Time)
			}
		}
	}
	return now, err
}

// TickTime is the time up to which a history was fed to every partition of the
// door's topic; 0 if any holds no tick.
func (c *Client) TickTime(ctx context.Context) (schemas.Instant, error) {
	partitions, err := c.Partitions(ctx, topologies.Events.Name)
	if err != nil {
		return 0, err
	}
	newest := make([]schemas.Instant, partitions)
	err = c.tail(ctx, topologies.Events.Name, func(r *kgo.Record) error {
		if string(r.Key) == schemas.TickKey {
			if tick, err := schemas.TickCodec.Decode(r.Value); err == nil {
				newest[r.Partition] = max(newest[r.Partition], tick.Time)
			}
		}
		return nil
	})
	return slices.Min(newest), err
}

// tail gives the last records of each partition of a topic.
func (c *Client) tail(ctx context.Context, topic string, f func(*kgo.Record) error) error {
	const near = 1000
	ends, starts, err := c.extent(ctx, topic, EveryPartition)
	if err != nil {
		return err
	}
	for p, end := range ends {
		if from := end - near; from > starts[p].EpochOffset().Offset {
			starts[p] = kgo.NewOffset().At(from)
		}
	}
	return c.read(ctx, topic, ends, starts, f)
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
		committed, err := c.committed(ctx, g.Name)
		if err != nil {
			return 0, err
		}
		ends, err := c.admin.ListCommittedOffsets(ctx, inputs...)
		if err != nil {
			return 0, fmt.Errorf("find the ends of the inputs of %s: %w", g.Name, err)
		}
		for topic, partitions := range ends {
			for p, end := range partitions {
				if p >= t.Config.Partitions {
					continue // does not count
				}
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
func (c *Client) records(ctx context.Context, ranges map[string]map[int32][2]int64) (seen int64, err error) {
	for topic, partitions := range ranges {
		ends, starts := map[int32]int64{}, map[int32]kgo.Offset{}
		for p, r := range partitions {
			starts[p], ends[p] = kgo.NewOffset().At(r[0]), r[1]
		}
		err = c.fetch(ctx, topic, ends, starts, kgo.ReadCommitted(), func(*kgo.Record) error { seen++; return nil })
		if err != nil {
			return 0, err
		}
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
