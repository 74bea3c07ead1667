package host

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Changed is closed after the host's next turn, when Status, Positions and rows
// may have changed.
func (h *Host) Changed() <-chan struct{} {
	h.turns.Lock()
	defer h.turns.Unlock()
	return h.turned
}

func (h *Host) show(v *view) {
	h.view.Store(v)
	h.turns.Lock()
	defer h.turns.Unlock()
	close(h.turned)
	h.turned = make(chan struct{})
}

// Drain waits until hosts, which together own all partitions of their groups,
// have nothing left to do: all inputs are read to their ends, all due wakes and
// sweeps have run, and nothing new has come of it meanwhile.
func Drain(ctx context.Context, hosts ...*Host) error {
	client, err := kgo.NewClient(append(slices.Clone(hosts[0].config.Kafka), kgo.ClientID("kairos-drain"))...)
	if err != nil {
		return err
	}
	defer client.Close()
	var topics []string
	for _, h := range hosts {
		for _, t := range h.config.Group.Inputs() {
			topics = append(topics, t.Name)
		}
	}
	admin := kadm.NewClient(client)
	for {
		changed := make([]<-chan struct{}, len(hosts))
		for i, h := range hosts {
			changed[i] = h.Changed()
		}
		ends, err := admin.ListEndOffsets(ctx, topics...)
		if err = errors.Join(err, ends.Error()); err != nil {
			select { // topics may be new, and brokers away; hosts take turns all the time
			case <-changed[0]:
				continue
			case <-ctx.Done():
				return fmt.Errorf("drain: %w", err)
			}
		}
		late := slices.IndexFunc(hosts, func(h *Host) bool { return !h.drained(hosts, ends) })
		if late < 0 {
			again, err := admin.ListEndOffsets(ctx, topics...)
			if errors.Join(err, again.Error()) == nil && same(ends, again) {
				return nil
			}
			continue
		}
		select {
		case <-changed[late]:
		case <-ctx.Done():
			return fmt.Errorf("drain: host of %s: %w", hosts[late].config.Group.Name, ctx.Err())
		}
	}
}

func same(a, b kadm.ListedOffsets) bool {
	equal := true
	a.Each(func(o kadm.ListedOffset) {
		other, _ := b.Lookup(o.Topic, o.Partition)
		equal = equal && other.Offset == o.Offset
	})
	return equal
}

// drained reports whether h has nothing to do and its group's hosts together
// have read all of its inputs.
func (h *Host) drained(hosts []*Host, ends kadm.ListedOffsets) bool {
	v := h.view.Load()
	if !h.follows(v) {
		return false
	}
	for _, p := range v.status.Partitions {
		if p.Due > 0 || p.Waiting > 0 || p.Open > 0 || p.Telling || p.Sweeping() {
			return false
		}
	}
	for _, t := range h.config.Group.Inputs() {
		for number, end := range ends[t.Name] {
			if number >= h.config.Topology.Config.Partitions {
				continue // does not count
			}
			if !slices.ContainsFunc(hosts, func(other *Host) bool {
				at, owned := other.view.Load().positions[t.Name][number]
				return other.config.Group.Name == h.config.Group.Name && owned && at >= end.Offset
			}) {
				return false
			}
		}
	}
	return true
}

// Sweeping reports whether a sweep over the partition is under way.
func (p PartitionStatus) Sweeping() bool {
	for _, s := range p.Sweeps {
		if !s.Ended {
			return true
		}
	}
	return false
}
