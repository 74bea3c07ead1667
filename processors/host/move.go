package host

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kairos/schemas"
	"kairos/topologies"
)

// move is the transaction of a growth.
func (m *mover) move(ctx context.Context) error {
	m.begin(StepRest)
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
	return m.transaction(ctx, func(w *writing) error { return m.fill(ctx, w, commits, unread) })
}

// transaction commits what f writes, or nothing.
func (m *mover) transaction(ctx context.Context, f func(*writing) error) error {
	if err := m.client.BeginTransaction(); err != nil {
		return err
	}
	w := &writing{ctx: ctx, client: m.client, ends: map[string]map[int32]int64{}}
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
	m.ids = map[string]kadm.TopicID{}
	for _, g := range m.Topology.Groups {
		request := kmsg.NewPtrTxnOffsetCommitRequest()
		request.Group, request.Generation = g.Name, -1 // of a group without members
		for _, in := range g.Inputs() {
			if !m.Topology.Grows(in.Name) {
				continue
			}
			m.ids[in.Name] = details[in.Name].ID
			if unread[in.Name], err = m.stable(ctx, g, in.Name); err != nil {
				return nil, nil, err
			}
			t := kmsg.NewTxnOffsetCommitRequestTopic()
			t.Topic, t.TopicID = in.Name, m.ids[in.Name]
			request.Topics = append(request.Topics, t)
		}
		commits[g.Name] = request
	}
	return commits, unread, nil
}

// fill writes everything that belongs to the switch.
func (m *mover) fill(ctx context.Context, w *writing, commits map[string]*kmsg.TxnOffsetCommitRequest, unread map[string]map[int32]int64) error {
	if err := m.copyRest(ctx, w); err != nil {
		return err
	}
	for _, g := range m.Topology.Groups {
		m.bury(w, g)
	}
	if err := m.moveUnread(ctx, w, unread); err != nil {
		return err
	}
	m.begin(StepCommit)
	if err := w.flush(); err != nil {
		return err
	}
	record, err := m.recordOf(schemas.Growth{Partitions: m.Partitions, From: m.from, Seams: m.seams(w)})
	if err != nil {
		return err
	}
	w.write(record)
	for _, g := range m.Topology.Groups {
		if err := m.moveStates(w, g); err != nil { // behind the seams
			return err
		}
	}
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

// copyRest copies what is left of the rows: with more partitions a little of all
// at once, with fewer all, one part after the other, which fits into memory.
func (m *mover) copyRest(ctx context.Context, w *writing) error {
	parts := m.parts()
	most := len(parts)
	if m.Partitions < m.from {
		most = 1
	}
	for some := range slices.Chunk(parts, most) {
		n, err := m.copyRows(ctx, w, some, func(p part) bounds { return m.bounds[p.table()][p.number] })
		m.grown.Late += n
		if err != nil {
			return err
		}
	}
	return nil
}

// seams are where tables go on, once all rows are acknowledged.
func (m *mover) seams(w *writing) []schemas.Seam {
	var all []schemas.Seam
	for _, g := range m.Topology.Groups {
		for _, s := range g.Stages {
			for p := range max(m.from, m.Partitions) {
				seam := schemas.Seam{Table: s.Table.Name, Partition: p}
				end := m.bounds[seam.Table][p].end
				if p < m.from {
					seam.End = end
				}
				if p < m.Partitions {
					seam.Begin = max(end, w.end(seam.Table, p))
				}
				all = append(all, seam)
			}
		}
	}
	return all
}

func (m *mover) keepState(g topologies.Group, p int32, value []byte) error {
	if value == nil { // from when the partition did not count
		delete(m.states[g.Name], p)
		return nil
	}
	state, err := decodeState(value)
	if err != nil {
		return fmt.Errorf("the host's own row of partition %d of %s: %w", p, g.Name, err)
	}
	if m.states[g.Name] == nil {
		m.states[g.Name] = map[int32]*schemas.HostState{}
	}
	m.states[g.Name][p] = state
	return nil
}

// moveUnread appends what groups have not read of the old partitions of their
// inputs to the partitions where they will, in the same order; what stays too,
// since an offset cannot pass over only some. Ticks stay behind: rounds begin
// anew, and every stage tells its time again.
func (m *mover) moveUnread(ctx context.Context, w *writing, offsets map[string]map[int32]int64) error {
	stretch := stretches{}
	for topic, at := range offsets {
		for p := range m.from {
			b := m.bounds[topic][p]
			b.first = max(b.first, at[p])
			stretch.add(topic, p, b)
		}
	}
	err := readCommitted(ctx, m.Kafka, stretch, func(record *kgo.Record) error {
		if string(record.Key) == schemas.TickKey {
			return nil
		}
		m.grown.Records++
		w.write(&kgo.Record{
			Topic: record.Topic, Partition: m.homeOf(record.Key, record.Partition),
			Key: slices.Clone(record.Key), Value: slices.Clone(record.Value), Headers: record.Headers,
		})
		return w.err()
	})
	if err != nil {
		return err
	}
	return w.err()
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

// writing is a stream of records whose first failure is kept, and where they end.
type writing struct {
	ctx    context.Context
	client *kgo.Client
	mu     sync.Mutex
	first  error
	ends   map[string]map[int32]int64
}

func (w *writing) write(record *kgo.Record) {
	w.client.Produce(w.ctx, record, func(record *kgo.Record, err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if err != nil {
			w.first = cmp.Or(w.first, fmt.Errorf("write to %s/%d: %w", record.Topic, record.Partition, err))
			return
		}
		ends := w.ends[record.Topic]
		if ends == nil {
			ends = map[int32]int64{}
			w.ends[record.Topic] = ends
		}
		ends[record.Partition] = max(ends[record.Partition], record.Offset+1)
	})
}

// end is the offset behind the last acknowledged record; 0: there is none.
func (w *writing) end(topic string, number int32) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ends[topic][number]
}

func (w *writing) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.first
}

func (w *writing) flush() error {
	if err := w.client.Flush(w.ctx); err != nil {
		return err
	}
	return w.err()
}
