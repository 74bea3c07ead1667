package host

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kairos/schemas"
	"kairos/topologies"
)

// move is the transaction of a growth.
func (m *mover) move(ctx context.Context) error {
	// Offsets first, what the topics hold second, as where a host gains partitions.
	commits, unread, err := m.positions(ctx)
	if err != nil {
		return err
	}
	for _, name := range m.growing() {
		if m.bounds[name], err = boundsOf(ctx, m.admin, name); err != nil {
			return err
		}
	}
	m.Progress(GrowthProgress{Step: "switch"})
	return m.transaction(ctx, func(w *writing) error { return m.fill(ctx, w, commits, unread) })
}

// transaction commits what f writes, or nothing.
func (m *mover) transaction(ctx context.Context, f func(*writing) error) error {
	if err := m.client.BeginTransaction(); err != nil {
		return err
	}
	w := &writing{ctx: ctx, client: m.client}
	if err := f(w); err != nil {
		after := context.WithoutCancel(ctx)
		if aborted := m.client.AbortBufferedRecords(after); aborted == nil {
			_ = m.client.EndTransaction(after, kgo.TryAbort) // or the broker does, or who comes next
		}
		return fmt.Errorf("the topology has not grown; run it again, or abort it: %w", err)
	}
	if err := m.client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("nobody knows yet how the last transaction ended; run it again, which finds out: %w", err)
	}
	return nil
}

// positions are, by group, the offsets to commit, whose ends are not known yet,
// and by input where what is unread begins.
func (m *mover) positions(ctx context.Context) (map[string]*kmsg.TxnOffsetCommitRequest, map[string]map[int32]int64, error) {
	commits, unread := map[string]*kmsg.TxnOffsetCommitRequest{}, map[string]map[int32]int64{}
	details, err := m.details(ctx, m.growing()...)
	if err != nil {
		return nil, nil, err
	}
	for _, g := range m.Topology.Groups {
		request := kmsg.NewPtrTxnOffsetCommitRequest()
		request.Group, request.Generation = g.Name, -1 // of a group without members
		for _, in := range g.Inputs() {
			if !m.Topology.Grows(in.Name) {
				continue
			}
			if unread[in.Name], err = m.stable(ctx, g, in.Name, details[in.Name].ID); err != nil {
				return nil, nil, err
			}
			t := kmsg.NewTxnOffsetCommitRequestTopic()
			t.Topic, t.TopicID = in.Name, details[in.Name].ID
			request.Topics = append(request.Topics, t)
		}
		commits[g.Name] = request
	}
	return commits, unread, nil
}

// fill writes everything that belongs to the switch.
func (m *mover) fill(ctx context.Context, w *writing, commits map[string]*kmsg.TxnOffsetCommitRequest, unread map[string]map[int32]int64) error {
	for _, g := range m.Topology.Groups {
		for place, s := range g.Stages {
			for p := range m.from {
				n, err := m.copyRows(ctx, w, g, place, p, m.bounds[s.Table.Name][p])
				if err != nil {
					return err
				}
				m.grown.Late += n
			}
		}
		m.bury(w, g)
		for _, in := range g.Inputs() {
			for p := range m.from {
				if err := m.moveUnread(ctx, w, in.Name, p, unread[in.Name]); err != nil {
					return err
				}
			}
		}
		if err := m.moveStates(w, g); err != nil {
			return err
		}
	}
	record, err := m.recordOf(schemas.Growth{Partitions: m.Partitions})
	if err != nil {
		return err
	}
	w.write(record)
	if err := w.flush(); err != nil {
		return err
	}
	for _, g := range m.Topology.Groups {
		if err := m.commitOffsets(ctx, commits[g.Name]); err != nil {
			return fmt.Errorf("offsets of %s: %w", g.Name, err)
		}
	}
	return nil
}

func (m *mover) keepState(g topologies.Group, p int32, value []byte) error {
	state, err := schemas.HostStateCodec.Decode(value)
	if err != nil {
		return fmt.Errorf("the host's own row of partition %d of %s: %w", p, g.Name, err)
	}
	if m.states[g.Name] == nil {
		m.states[g.Name] = map[int32]*schemas.HostState{}
	}
	m.states[g.Name][p] = state
	return nil
}

// moveUnread appends what a group has not read of an old partition of its input
// to the partitions where it will, in the same order; what stays too, since an
// offset cannot pass over only some. Ticks stay behind: rounds begin anew, and
// every stage tells its time again.
func (m *mover) moveUnread(ctx context.Context, w *writing, topic string, p int32, offsets map[int32]int64) error {
	if !m.Topology.Grows(topic) {
		return nil
	}
	b := m.bounds[topic][p]
	if at, ok := offsets[p]; ok && at >= 0 {
		b.first = max(b.first, at)
	}
	err := readCommitted(ctx, m.Kafka, topic, p, b, func(record *kgo.Record) error {
		if string(record.Key) == schemas.TickKey {
			return nil
		}
		m.grown.Records++
		w.write(&kgo.Record{
			Topic: topic, Partition: m.homeOf(record.Key, p), Key: slices.Clone(record.Key), Value: slices.Clone(record.Value), Headers: record.Headers,
		})
		return w.err()
	})
	if err != nil {
		return err
	}
	return w.err()
}

// moveStates writes the hosts' own rows of all partitions.
func (m *mover) moveStates(w *writing, g topologies.Group) error {
	loops := map[string]bool{}
	for _, in := range g.Inputs() {
		loops[in.Name] = isLoop(g, in.Name)
	}
	for q := range m.Partitions {
		state := m.states[g.Name][q%m.from]
		if state == nil {
			continue // nobody has worked there
		}
		value, err := schemas.HostStateCodec.Append(nil, m.inherit(state, q, loops))
		if err != nil {
			return err
		}
		w.write(&kgo.Record{Topic: g.Stages[0].Table.Name, Partition: q, Key: []byte(schemas.HostKey), Value: value})
	}
	return w.err()
}

// inherit is what the host of partition q begins with, as a part of the one
// that was. What it knows of time stays true: it has fewer keys than the whole
// had, and whoever tells it time is a part of who has told it before. What was
// agreed in rounds stays true too, but those begin anew among more; and it
// tells its own time again, in its own name.
func (m *mover) inherit(parent *schemas.HostState, q int32, loops map[string]bool) *schemas.HostState {
	child := &schemas.HostState{Loop: schemas.LoopState{Quiet: parent.Loop.Quiet, Still: parent.Loop.Still}}
	for _, w := range parent.Watermarks {
		if most, door := m.doors[w.Topic]; loops[w.Topic] || door && q >= most {
			continue
		}
		child.Watermarks = append(child.Watermarks, w)
		word, number, parted := strings.Cut(w.Tick.Source, "/")
		n, err := strconv.ParseInt(number, 10, 32)
		if !parted || err != nil {
			continue // the door
		}
		for part := int32(n) + m.from; part < m.Partitions; part += m.from {
			w.Tick.Source = word + "/" + strconv.Itoa(int(part))
			child.Watermarks = append(child.Watermarks, w)
		}
	}
	slices.SortFunc(child.Watermarks, func(a, b schemas.Watermark) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Tick.Source, b.Tick.Source))
	})
	for _, sweep := range parent.Sweeps {
		parts := int64(m.Partitions / m.from)
		sweep.Done, sweep.Total = sweep.Done/parts, sweep.Total/parts
		child.Sweeps = append(child.Sweeps, sweep)
	}
	return child
}

// commitOffsets makes the ends of the old partitions part of the transaction.
// Somebody who has come meanwhile is put out again: it has not worked.
func (m *mover) commitOffsets(ctx context.Context, request *kmsg.TxnOffsetCommitRequest) error {
	for i := range request.Topics {
		t := &request.Topics[i]
		for p := range m.from {
			part := kmsg.NewTxnOffsetCommitRequestTopicPartition()
			part.Partition, part.Offset, part.LeaderEpoch = p, m.bounds[t.Topic][p].end, -1
			t.Partitions = append(t.Partitions, part)
		}
	}
	return retry(ctx, time.Minute, func() error {
		if err := m.fence(ctx); err != nil {
			return err
		}
		return offer(ctx, m.client, growthID, request)
	})
}

// writing is a stream of records whose first failure is kept.
type writing struct {
	ctx    context.Context
	client *kgo.Client
	first  atomic.Pointer[error]
}

func (w *writing) write(record *kgo.Record) {
	w.client.Produce(w.ctx, record, func(record *kgo.Record, err error) {
		if err != nil {
			err = fmt.Errorf("write to %s/%d: %w", record.Topic, record.Partition, err)
			w.first.CompareAndSwap(nil, &err)
		}
	})
}

func (w *writing) err() error {
	if err := w.first.Load(); err != nil {
		return *err
	}
	return nil
}

func (w *writing) flush() error {
	if err := w.client.Flush(w.ctx); err != nil {
		return err
	}
	return w.err()
}
