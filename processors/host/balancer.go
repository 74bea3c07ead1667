package host

import (
	"cmp"
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// together assigns the group's partitions so that one number of all inputs
// goes to one member, that members have equally many give or take one, and that
// a partition stays where its rows are. It is cooperative: a partition that
// moves is first given up, then given out in the rebalance that follows, so
// everybody else works on. Partitions from most on are nobody's: the topology
// does not count them.
type together struct {
	most     int32
	assigned func() // is told that a rebalance is over, before offsets are asked for; nil: nobody
}

// Balancer is how every group of the host shares its partitions.
func Balancer() kgo.GroupBalancer { return together{most: math.MaxInt32} }

// ProtocolName implements kgo.GroupBalancer.
func (together) ProtocolName() string { return "kairos-together" }

// IsCooperative implements kgo.GroupBalancer.
func (together) IsCooperative() bool { return true }

// JoinGroupMetadata implements kgo.GroupBalancer.
func (together) JoinGroupMetadata(topics []string, current map[string][]int32, generation int32) []byte {
	return kgo.CooperativeStickyBalancer().JoinGroupMetadata(topics, current, generation)
}

// ParseSyncAssignment implements kgo.GroupBalancer.
func (t together) ParseSyncAssignment(assignment []byte) (map[string][]int32, error) {
	if t.assigned != nil {
		t.assigned()
	}
	return kgo.ParseConsumerSyncAssignment(assignment)
}

// MemberBalancer implements kgo.GroupBalancer.
func (t together) MemberBalancer(members []kmsg.JoinGroupResponseMember) (kgo.GroupMemberBalancer, map[string]struct{}, error) {
	b, err := kgo.NewConsumerBalancer(t, members)
	return b, b.MemberTopics(), err
}

// Balance implements kgo.ConsumerBalancerBalance.
func (t together) Balance(b *kgo.ConsumerBalancer, topics map[string]int32) kgo.IntoSyncAssignment {
	var count int32
	for _, n := range topics {
		count = max(count, min(n, t.most))
	}
	var members []holder
	b.EachMember(func(member *kmsg.JoinGroupResponseMember, meta *kmsg.ConsumerMemberMetadata) {
		h := holder{member: member, generation: meta.Generation}
		for _, owned := range meta.OwnedPartitions {
			h.owned = append(h.owned, owned.Partitions...)
		}
		slices.Sort(h.owned)
		h.owned = slices.Compact(h.owned)
		members = append(members, h)
	})
	plan := b.NewPlan()
	for number, member := range assign(members, count) {
		for topic, n := range topics {
			if int32(number) < n {
				plan.AddPartition(members[member].member, topic, int32(number))
			}
		}
	}
	plan.AdjustCooperative(b)
	return plan
}

// holder is a member and what it says it owns.
type holder struct {
	member     *kmsg.JoinGroupResponseMember
	generation int32
	owned      []int32
}

// assign gives each of count partitions to one of the members, which come in a
// fixed order. Who owned a partition in the newest generation keeps it, as
// long as that gives nobody more than a fair part. The others go round, so that
// after a growth, when all are new, the parts of a partition mostly come to where
// it was: static members have the same places as before.
func assign(members []holder, count int32) []int {
	owner := make([]int, count)
	load := make([]int, len(members))
	for number := range owner {
		owner[number] = -1
	}
	for m, h := range members {
		for _, number := range h.owned {
			if number < count && (owner[number] < 0 || h.generation > members[owner[number]].generation) {
				owner[number] = m
			}
		}
	}
	// The larger parts go to those who hold the most already: it moves the least.
	held := make([]int, len(members))
	order := make([]int, len(members))
	for m := range members {
		order[m] = m
	}
	for _, m := range owner {
		if m >= 0 {
			held[m]++
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(held[b], held[a]) })
	quota := make([]int, len(members))
	for place, m := range order {
		quota[m] = int(count) / len(members)
		if place < int(count)%len(members) {
			quota[m]++
		}
	}
	for number, m := range owner {
		if m >= 0 && load[m] == quota[m] {
			owner[number] = -1
		} else if m >= 0 {
			load[m]++
		}
	}
	for number, m := range owner {
		if m >= 0 {
			continue
		}
		place := number % len(order)
		for load[order[place]] == quota[order[place]] {
			place = (place + 1) % len(order)
		}
		owner[number] = order[place]
		load[order[place]]++
	}
	return owner
}
