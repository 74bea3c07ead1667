package host

import (
	"context"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// readAhead reads the rows of the partitions that the group is going to give to
// this host, while those who have them work on; what is written meanwhile is
// all that is left to read when they come. Rows that it has guessed wrongly it
// lets go of. Where nobody works yet, or all wait for this very host, it joins
// at once: whoever begins alone must not have to hold everybody's rows.
func (r *run) readAhead(ctx context.Context) {
	c := r.config
	if c.Clock != Wall || c.Kept.has(c.Group.Name) {
		return
	}
	began := time.Now()
	described, err := r.admin.DescribeGroups(ctx, c.Group.Name)
	if err != nil {
		c.Logger.Warn("who works is not known: rows are read when partitions come", "error", err)
		return
	}
	numbers := shareOf(described[c.Group.Name].Members, c.InstanceID, c.Topology.Config.Partitions)
	if len(numbers) == 0 || !r.atWork(ctx, numbers) {
		return
	}
	e := &estate{at: c.Now(), partitions: c.Topology.Config.Partitions, topics: r.idsOf(r.tables), rows: map[int32]*rows{}}
	var ps []*partition
	for _, number := range numbers {
		p := newPartition(number, r.tables)
		ps = append(ps, p)
		e.rows[number] = p.rows
	}
	for range 2 { // what was written during the first time, too
		if err := r.catchUp(ctx, ps); err != nil {
			c.Logger.Warn("rows are not read ahead", "error", err)
			return
		}
	}
	r.keepEstate(e)
	c.Logger.Info("rows read ahead", "partitions", len(ps), "seconds", time.Since(began).Seconds())
}

// atWork reports whether somebody commits in any of these partitions. Under the
// wall clock who works does, whatever comes: time goes on.
func (r *run) atWork(ctx context.Context, numbers []int32) bool {
	var before kadm.OffsetResponses
	for began := time.Now(); time.Since(began) < 3*r.config.TickEvery; {
		now, err := r.admin.FetchOffsets(ctx, r.config.Group.Name)
		if err != nil {
			return false
		}
		if before != nil && haveMoved(before, now, numbers) {
			return true
		}
		if before == nil {
			before = now
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(r.config.TickEvery / 8):
		}
	}
	return false
}

// haveMoved reports whether offsets in any of these partitions are new or further on.
func haveMoved(before, now kadm.OffsetResponses, numbers []int32) bool {
	for topic, partitions := range now {
		for number, o := range partitions {
			earlier, known := before.Lookup(topic, number)
			if (!known || o.At > earlier.At) && slices.Contains(numbers, number) {
				return true
			}
		}
	}
	return false
}

// shareOf guesses what a group with these members gives to one more; nothing
// where there are none, or where the newcomer is a member already.
func shareOf(members []kadm.DescribedGroupMember, instance string, partitions int32) (numbers []int32) {
	var holders []holder
	for _, m := range members {
		if m.InstanceID != nil && *m.InstanceID == instance {
			return nil
		}
		var h holder
		if assigned, ok := m.Assigned.AsConsumer(); ok {
			for _, topic := range assigned.Topics {
				h.owned = append(h.owned, topic.Partitions...)
			}
		}
		slices.Sort(h.owned)
		h.owned = slices.Compact(h.owned)
		holders = append(holders, h)
	}
	if len(holders) == 0 {
		return nil
	}
	newcomer := len(holders)
	for number, m := range assign(append(holders, holder{}), partitions) {
		if m == newcomer {
			numbers = append(numbers, int32(number))
		}
	}
	return numbers
}
