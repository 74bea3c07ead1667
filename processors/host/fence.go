package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kairos/topologies"
)

// The fence of a growth: nobody is a member of the groups, and who comes later
// reads, before it works, that a growth is under way (checkSizes). What a member
// that was put out has not committed it cannot commit any more.

// tireless is how long members may come back before somebody must look.
const tireless = 2 * time.Minute

// fence waits until no group has members. Who has not ended by itself when
// patience is over is put out.
func (m *mover) fence(ctx context.Context) error {
	began := time.Now()
	for {
		members, err := m.members(ctx)
		switch {
		case err != nil:
			return err
		case len(members) == 0:
			return nil
		case time.Since(began) > m.Patience+tireless:
			return refuseGrowth("%d hosts come back again and again: are they of an older release? Stop them, then run it again", len(members))
		case time.Since(began) > m.Patience:
			if err := m.putOut(ctx, members); err != nil {
				return err
			}
		}
		m.show(int64(time.Since(began)/time.Second), int64(m.Patience/time.Second))
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// member is a host as its group knows it.
type member struct {
	group, id string
	instance  *string
}

func (m *mover) members(ctx context.Context) ([]member, error) {
	var names []string
	for _, g := range m.Topology.Groups {
		names = append(names, g.Name)
	}
	var described kadm.DescribedGroups
	err := retry(ctx, time.Minute, func() (err error) {
		described, err = m.admin.DescribeGroups(ctx, names...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("who works: %w", err)
	}
	var all []member
	for _, g := range described {
		if g.Err != nil && !errors.Is(g.Err, kerr.GroupIDNotFound) {
			return nil, fmt.Errorf("who works for %s: %w", g.Group, g.Err)
		}
		for _, one := range g.Members {
			all = append(all, member{g.Group, one.MemberID, one.InstanceID})
		}
	}
	return all, nil
}

func (m *mover) putOut(ctx context.Context, members []member) error {
	for _, one := range members {
		request := kmsg.NewPtrLeaveGroupRequest()
		request.Group = one.group
		leaver := kmsg.NewLeaveGroupRequestMember()
		leaver.MemberID, leaver.InstanceID = one.id, one.instance
		if one.instance != nil {
			leaver.MemberID = ""
		}
		request.Members = append(request.Members, leaver)
		response, err := request.RequestWith(ctx, m.client)
		if err == nil {
			err = kerr.ErrorForCode(response.ErrorCode)
		}
		if err != nil {
			return fmt.Errorf("put a host out of %s: %w", one.group, err)
		}
		m.grown.PutOut++
		m.Logger.Warn("a host did not end by itself and was put out of its group", "group", one.group, "member", one.id)
	}
	return nil
}

// awaitHosts looks on until the hosts, if there were any, have committed
// something in all partitions. What it cannot see takes nothing back.
func (m *mover) awaitHosts(ctx context.Context) {
	if m.hosts == 0 || m.Await == 0 {
		return
	}
	m.begin(StepHosts)
	ctx, cancel := context.WithTimeout(ctx, m.Await)
	defer cancel()
	for !m.grown.Working {
		waiting, err := m.waiting(ctx)
		m.grown.Working = err == nil && waiting == 0
		m.show(int64(m.Partitions)-waiting, int64(m.Partitions))
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			m.Logger.Warn("hosts are not at work again yet: see `kairos status`", "partitions", waiting, "error", err)
			return
		}
	}
}

// waiting counts the partitions in which some group has committed nothing since
// the switch.
func (m *mover) waiting(ctx context.Context) (int64, error) {
	waiting := map[int32]bool{}
	for _, g := range m.Topology.Groups {
		for _, in := range g.Inputs() {
			if !m.Topology.Grows(in.Name) {
				continue
			}
			offsets, err := m.committed(ctx, g, in.Name, m.Partitions, false)
			if err != nil {
				return int64(m.Partitions), err
			}
			for p := range m.Partitions {
				if at, ok := offsets[p]; !ok || at <= m.bounds[in.Name][p].end {
					waiting[p] = true
				}
			}
		}
	}
	return int64(len(waiting)), nil
}

// stable gives the offsets that a group has committed in an input, once all
// transactions that hold some are decided; -1 where there is none.
func (m *mover) stable(ctx context.Context, g topologies.Group, topic string) (offsets map[int32]int64, err error) {
	err = retry(ctx, 2*time.Minute, func() error {
		offsets, err = m.committed(ctx, g, topic, m.from, true)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("how far %s has read %s: %w", g.Name, topic, err)
	}
	return offsets, nil
}

// committed asks once. What is not stable may be older than what will count.
func (m *mover) committed(ctx context.Context, g topologies.Group, topic string, partitions int32, stable bool) (map[int32]int64, error) {
	wanted := kmsg.NewOffsetFetchRequestGroupTopic()
	wanted.Topic, wanted.TopicID = topic, m.ids[topic]
	for p := range partitions {
		wanted.Partitions = append(wanted.Partitions, p)
	}
	group := kmsg.NewOffsetFetchRequestGroup()
	group.Group, group.Topics = g.Name, append(group.Topics, wanted)
	request := kmsg.NewPtrOffsetFetchRequest()
	request.RequireStable, request.Groups = stable, append(request.Groups, group)
	response, err := request.RequestWith(ctx, m.client)
	if err != nil {
		return nil, err
	}
	offsets := map[int32]int64{}
	for _, of := range response.Groups {
		if err := kerr.ErrorForCode(of.ErrorCode); err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			return nil, err
		}
		for _, t := range of.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return nil, err
				}
				offsets[p.Partition] = p.Offset
			}
		}
	}
	return offsets, nil
}
