package delivery

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/codes"
)

// send lets a request go, beside the desk.
func (k *desk) send(ctx context.Context, r *request) {
	for _, i := range r.items {
		k.abroad[i.record.Partition]++
	}
	go func() { k.answers <- told{r, k.tell(ctx, r)} }() // there is room for as many as may be on their way
}

// answered takes over what came of a request.
func (k *desk) answered(ctx context.Context, t told) error {
	for _, i := range t.items {
		k.abroad[i.record.Partition]--
	}
	if ctx.Err() != nil && t.result != taken && t.result != refused {
		k.queue.out-- // it was not the receiver who broke it off
		return nil
	}
	if t.result == failed || t.result == busy {
		k.metrics.retries.WithLabelValues(k.config.Destination).Inc()
		if t.lines[0].tries == 0 {
			k.config.Logger.Warn("a delivery failed and is tried again", "destination", k.config.Destination, "status", t.status)
		}
	}
	done, ended := k.queue.done(t.request, t.answer, k.config.Clock.Now())
	k.metrics.results.WithLabelValues(k.config.Destination, "delivered").Add(float64(len(done)))
	for _, i := range done {
		k.settle(i)
	}
	return k.giveUp(ctx, ended)
}

func (k *desk) settle(i item) {
	if i.span != nil {
		i.span.End()
	}
	if p := k.partitions[i.record.Partition]; p != nil {
		p.settle(i.record.Offset)
	}
}

// giveUp makes dead letters of messages, and waits until Kafka has them.
func (k *desk) giveUp(ctx context.Context, ended []verdict) error {
	if len(ended) == 0 {
		return nil
	}
	if err := k.letters.write(ctx, ended, k.detail); err != nil {
		return err
	}
	for _, v := range ended {
		if v.span != nil {
			v.span.SetStatus(codes.Error, v.result.reason())
		}
		k.settle(v.item)
	}
	return nil
}

// commitPause is how long commits are apart, so that a broker is not asked for
// one with each message.
const commitPause = 50 * time.Millisecond

// commit commits what is settled, one commit at a time.
func (k *desk) commit(ctx context.Context) {
	if k.committing || len(k.leaving) > 0 {
		return
	}
	if offsets, notes := k.marks(nil); len(offsets) > 0 {
		k.committing = true
		go func() {
			err := k.write(ctx, offsets, notes)
			_ = k.config.Clock.Wait(ctx, commitPause) // or until the end
			k.committed <- err
		}()
	}
}

// marks lists what is new to commit, of some partitions or (nil) of all.
func (k *desk) marks(only []int32) (map[int32]int64, map[int32]string) {
	offsets, notes := map[int32]int64{}, map[int32]string{}
	for number, p := range k.partitions {
		if p.dirty && (only == nil || slices.Contains(only, number)) {
			offsets[number], notes[number] = p.mark()
			p.dirty = false
		}
	}
	return offsets, notes
}

func (k *desk) write(ctx context.Context, offsets map[int32]int64, notes map[int32]string) error {
	return commitNotes(ctx, k.reader, k.topic, offsets, notes)
}

func (k *desk) complain(err error) {
	if err != nil {
		k.config.Logger.Warn("offsets could not be committed: some will be told twice", "destination", k.config.Destination, "error", err)
	}
}

// changed takes over partitions, or begins to leave them.
func (k *desk) changed(c change) {
	for number, before := range c.came {
		k.partitions[number] = &progress{before: before}
	}
	k.unfollow(func(i item) bool { return slices.Contains(c.gone, i.record.Partition) })
	k.queue.leave(c.gone)
	k.leaving = append(k.leaving, c)
}

// release lets go of partitions of which nothing is on its way any more.
func (k *desk) release(ctx context.Context) {
	for len(k.leaving) > 0 {
		c := k.leaving[0]
		for _, number := range c.gone {
			if !c.lost && (k.committing || k.abroad[number] > 0) {
				return
			}
		}
		if !c.lost && len(c.gone) > 0 {
			if offsets, notes := k.marks(c.gone); len(offsets) > 0 {
				k.complain(k.write(ctx, offsets, notes))
			}
		}
		for _, number := range c.gone {
			delete(k.partitions, number)
		}
		k.leaving = k.leaving[1:]
		close(c.done)
	}
}

// wait sets the alarm for when the queue has something to do by itself.
func (k *desk) wait(ctx context.Context, now time.Time) {
	at, ever := k.queue.wake()
	if !ever || !k.alarm.IsZero() && !at.Before(k.alarm) {
		return
	}
	k.silence()
	k.alarm = at
	ctx, k.silence = context.WithCancel(ctx)
	go func() {
		if k.config.Clock.Wait(ctx, at.Sub(now)) != nil {
			return
		}
		select {
		case k.rung <- at:
		case <-ctx.Done():
		case <-k.ended:
		}
	}()
}

// age says, about once a second, how old the oldest message is that waits for
// its destination, not for itself.
func (k *desk) age(now time.Time) {
	if k.queue.held > 0 && now.Sub(k.aged) < time.Second {
		return
	}
	k.aged = now
	oldest := now
	for _, l := range k.queue.lines {
		if len(l.items) > 0 && l.broken == 0 && l.items[0].record.Timestamp.Before(oldest) {
			oldest = l.items[0].record.Timestamp
		}
	}
	k.metrics.age.Set(now.Sub(oldest).Seconds())
}

// lastWord is how long the end waits for its commit.
const lastWord = 5 * time.Second

// end waits for what is on its way, which has been broken off, and commits.
func (k *desk) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), lastWord)
	defer cancel()
	for k.queue.out > 0 {
		t := <-k.answers
		if t.result != taken {
			k.queue.out--
			continue
		}
		done, _ := k.queue.done(t.request, t.answer, k.config.Clock.Now())
		for _, i := range done {
			k.settle(i)
		}
	}
	k.unfollow(func(item) bool { return true })
	if k.committing {
		k.complain(<-k.committed)
	}
	for _, p := range k.partitions {
		p.dirty = p.next > 0 // the last commit may have been broken off
	}
	if offsets, notes := k.marks(nil); len(offsets) > 0 {
		k.complain(k.write(ctx, offsets, notes))
	}
	return nil
}
