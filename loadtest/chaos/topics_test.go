package chaos

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/schemas"
	"kairos/topologies"
)

func (p *pipeline) transitions() []*schemas.Transition {
	p.t.Helper()
	var all []*schemas.Transition
	for _, r := range p.committed(topologies.Transitions.Name) {
		t, err := topologies.Transitions.Codec.Decode(r.Value)
		if err != nil {
			p.t.Fatalf("%s/%d at %d: %v", r.Topic, r.Partition, r.Offset, err)
		}
		all = append(all, t)
	}
	return all
}

// said is what a topic holds about each key, in order.
func (p *pipeline) said(topic string) map[string][]string {
	p.t.Helper()
	all := map[string][]string{}
	for _, r := range p.committed(topic) {
		all[string(r.Key)] = append(all[string(r.Key)], string(r.Value))
	}
	return all
}

// committed reads a topic from its start to where it ends, as a read-committed
// consumer sees it, partition by partition. Nobody may write any more; open
// transactions are waited for.
func (p *pipeline) committed(topic string) []*kgo.Record {
	p.t.Helper()
	ends := p.settledEnds(topic)
	open := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			open[o.Partition] = o.Offset
		}
	})
	reader := p.reader(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer reader.Close()
	var all []*kgo.Record
	for len(open) > 0 {
		fetches := reader.PollFetches(p.ctx)
		if err := fetches.Err0(); err != nil {
			p.t.Fatalf("read %s: %v; still open: %v", topic, err, open)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= open[r.Partition] {
				delete(open, r.Partition)
			}
			if !r.Attrs.IsControl() && string(r.Key) != schemas.TickKey {
				all = append(all, r)
			}
		})
	}
	slices.SortStableFunc(all, func(a, b *kgo.Record) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	return all
}

func (p *pipeline) settledEnds(topic string) kadm.ListedOffsets {
	p.t.Helper()
	for {
		all, err := p.admin.ListEndOffsets(p.ctx, topic)
		if err = errors.Join(err, all.Error()); err != nil {
			p.t.Fatal(err)
		}
		committed, err := p.admin.ListCommittedOffsets(p.ctx, topic)
		if err = errors.Join(err, committed.Error()); err != nil {
			p.t.Fatal(err)
		}
		open := false
		all.Each(func(o kadm.ListedOffset) {
			c, _ := committed.Lookup(topic, o.Partition)
			open = open || c.Offset < o.Offset
		})
		if !open {
			return all
		}
		p.pause(func() string { return "a transaction on " + topic + " stays open" })
	}
}

// reader sees what is committed, and the markers of transactions: or it would
// wait for ever where a topic ends with some.
func (p *pipeline) reader(options ...kgo.Opt) *kgo.Client {
	p.t.Helper()
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(strings.Split(p.brokers, ",")...),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())...)
	if err != nil {
		p.t.Fatal(err)
	}
	return client
}

// allRead reports whether every group has committed all that its inputs hold.
// What a group has made of its inputs is committed together with its offsets,
// so if nothing was added meanwhile, nothing is under way either.
func (p *pipeline) allRead() bool {
	p.t.Helper()
	before, err := p.lags()
	if err != nil {
		return false
	}
	gaps := map[string]map[int32]kgo.Offset{} // what the group that is furthest behind has not committed
	furthest := map[string]int64{}
	for _, lag := range before {
		const markers = 100 // more must be records
		if lag.Lag > markers {
			return false
		}
		if place := fmt.Sprint(lag.Topic, lag.Partition); lag.Lag > furthest[place] {
			furthest[place] = lag.Lag
			if gaps[lag.Topic] == nil {
				gaps[lag.Topic] = map[int32]kgo.Offset{}
			}
			gaps[lag.Topic][lag.Partition] = kgo.NewOffset().At(lag.End.Offset - lag.Lag)
		}
	}
	if len(furthest) > 0 && p.anyRecord(gaps, before, len(furthest)) {
		return false
	}
	after, err := p.lags()
	return err == nil && reflect.DeepEqual(before, after)
}

// lags is how far each group is in each partition of its inputs. An error may
// pass: a new broker has no coordinator of groups for a moment.
func (p *pipeline) lags() ([]kadm.GroupMemberLag, error) {
	var all []kadm.GroupMemberLag
	for _, g := range p.topology.Groups {
		lags, err := p.admin.Lag(p.ctx, g.Name)
		if err = errors.Join(err, lags.Error()); err != nil {
			return nil, err
		}
		for _, lag := range lags[g.Name].Lag.Sorted() {
			lag.Member = nil // who it is does not matter, and changes
			all = append(all, lag)
		}
	}
	return all, nil
}

// anyRecord reports whether there is a record, not only markers, from the given
// offsets to the ends.
func (p *pipeline) anyRecord(from map[string]map[int32]kgo.Offset, ends []kadm.GroupMemberLag, left int) bool {
	p.t.Helper()
	reader := p.reader(kgo.ConsumePartitions(from))
	defer reader.Close()
	found := false
	for left > 0 && !found {
		fetches := reader.PollFetches(p.ctx)
		if err := fetches.Err0(); err != nil {
			p.t.Fatalf("look into what is not read: %v", err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			found = found || !r.Attrs.IsControl()
			if slices.ContainsFunc(ends, func(lag kadm.GroupMemberLag) bool {
				return lag.Topic == r.Topic && lag.Partition == r.Partition && lag.End.Offset == r.Offset+1
			}) {
				left--
			}
		})
	}
	return found
}
