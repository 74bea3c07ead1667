package host

import (
	"context"
	"errors"
	"maps"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Batches are committed one behind the other while the next ones are already
// processed, each by the producer whose turn it is. Until a batch is committed,
// its layer is open: later batches see it, nobody else does. The order of
// batches is kept where others can see it: a batch writes its records only when
// all records of the batch before are acknowledged, offers its offsets only
// after that batch has, and commits only after that batch is committed. If a
// batch fails, all behind it fail, since they have seen its layer.

// pending is a batch on its way into Kafka.
type pending struct {
	batch    *batch
	outputs  []output
	producer *producer
	written  chan struct{} // closed when all records are acknowledged, or it failed
	offered  chan struct{} // closed when the offsets are part of the transaction, or it failed
	done     chan struct{} // closed when the transaction is decided, or it failed
	failure  atomic.Pointer[error]
}

// errBehind is why a batch fails that is behind one that failed.
var errBehind = errors.New("the batch before it failed")

func (p *pending) fail(err error) { p.failure.CompareAndSwap(nil, &err) }

// most is how many batches may be open while the next one is processed: a
// producer must have time to rest between two turns, see producers.
func (r *run) most() int { return len(r.producers.all) / 2 }

// commit sends a batch on its way. It waits only while too many are.
func (r *run) commit(b *batch, outputs []output) error {
	p := &pending{
		batch: b, outputs: outputs, producer: r.producers.next(time.Now()),
		written: make(chan struct{}), offered: make(chan struct{}), done: make(chan struct{}),
	}
	var before *pending
	if len(r.open) > 0 {
		before = r.open[len(r.open)-1]
	}
	r.open = append(r.open, p)
	go r.send(p, before, r.offsetsOf(b))
	return r.settle(r.most())
}

// send takes one batch through its transaction.
func (r *run) send(p, before *pending, offsets *kmsg.TxnOffsetCommitRequest) {
	// A batch at work is finished when the host is asked to stop, but not for ever.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), r.config.TransactionTimeout)
	defer cancel()
	began := time.Now()
	p.after(before, (*pending).isWritten, p.written, func() error { return p.producer.write(ctx, p.outputs) })
	p.after(before, (*pending).isOffered, p.offered, func() error {
		return offerInTime(ctx, r.client.GroupMetadata, offsets, func() error { return p.producer.commitOffsets(ctx, offsets) })
	})
	p.after(before, (*pending).isDone, p.done, func() error { return p.producer.end(ctx) })
	r.metrics.transactions.Observe(time.Since(began).Seconds())
	r.wakeUp()
}

// offerInTime makes offsets part of a transaction, with commit. When a rebalance ends, the
// group is in its next generation a moment before its members know; then they offer
// again. The partitions are still theirs: none is given out before its owner has
// joined once more, and that waits for open batches (see lose).
func offerInTime(ctx context.Context, metadata func() (member string, generation int32), offsets *kmsg.TxnOffsetCommitRequest, commit func() error) error {
	for {
		err := commit()
		if !errors.Is(err, kerr.IllegalGeneration) || !awaitGeneration(ctx, metadata, offsets) {
			return err
		}
	}
}

// awaitGeneration waits a moment for a generation behind that of offsets, of the
// same member, and takes it; false: there is none.
func awaitGeneration(ctx context.Context, metadata func() (string, int32), offsets *kmsg.TxnOffsetCommitRequest) bool {
	const patience, look = time.Second, 5 * time.Millisecond
	for began := time.Now(); time.Since(began) < patience; {
		member, generation := metadata()
		if member != offsets.MemberID {
			return false
		}
		if generation > offsets.Generation {
			offsets.Generation = generation
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(look):
		}
	}
	return false
}

func (p *pending) isWritten() <-chan struct{} { return p.written }
func (p *pending) isOffered() <-chan struct{} { return p.offered }
func (p *pending) isDone() <-chan struct{}    { return p.done }

// after does one step of p once the batch before it, if there is one, has done
// the same step, and says so on mine.
func (p *pending) after(before *pending, same func(*pending) <-chan struct{}, mine chan struct{}, step func() error) {
	defer close(mine)
	if before != nil {
		<-same(before)
		if before.failure.Load() != nil {
			p.fail(errBehind)
		}
	}
	if p.failure.Load() != nil {
		return
	}
	if err := step(); err != nil {
		p.fail(err)
	}
}

// settle makes batches visible that are committed, and waits for the oldest
// ones while more than limit are open. It begins anew if one failed.
func (r *run) settle(limit int) error {
	r.settleOpen(limit)
	if len(r.failed) == 0 {
		return nil
	}
	failed := r.failed
	r.failed = nil
	return r.reset(failed)
}

// settleOpen is settle without the new beginning: if a batch failed, all open
// ones come to rest in failed.
func (r *run) settleOpen(limit int) {
	for len(r.open) > 0 {
		oldest := r.open[0]
		if len(r.open) <= limit {
			select {
			case <-oldest.done:
			default:
				return
			}
		}
		<-oldest.done
		if oldest.failure.Load() != nil {
			for _, p := range r.open {
				<-p.done
				p.batch.unfollow(true)
			}
			r.failed, r.open = append(r.failed, r.open...), nil
			r.metrics.aborted.Inc()
			return
		}
		r.open[0] = nil // or it would be alive until the slice moves: all that a batch wrote
		r.open = r.open[1:]
		r.producers.done(oldest.producer, time.Now())
		r.show(oldest)
	}
}

// show makes a committed batch visible.
func (r *run) show(p *pending) {
	layers := map[int32]*layer{}
	for _, s := range p.batch.shares {
		layers[s.partition.number] = s.layer
	}
	for _, out := range p.outputs {
		if out.table >= 0 {
			l := layers[out.record.Partition]
			l.next[out.table] = max(l.next[out.table], out.record.Offset+1)
		}
	}
	r.metrics.count(p, r.config.Now())
	p.batch.each(func(s *share) { s.partition.commit() })
	for _, s := range p.batch.shares {
		r.disk.put(s.partition.number, s.layer)
		maps.Copy(s.partition.settled, s.in)
	}
	p.batch.unfollow(false)
	if w := r.config.Watcher; w != nil {
		for _, s := range p.batch.shares {
			for _, out := range s.records {
				if out.table < 0 { // public topics may have other partitions
					w.Committed(s.partition.number, out.record.Topic, out.record.Value)
				}
			}
		}
	}
	r.reuse(p)
}

// reuse leaves the memory of a committed batch to those that follow: nobody looks
// at its records any more, for all are acknowledged.
func (r *run) reuse(p *pending) {
	for _, s := range p.batch.shares {
		s.close()
	}
	clear(p.outputs)
	r.spare = p.outputs[:0]
}
