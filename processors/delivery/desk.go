package delivery

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/schemas"
	"kairos/topologies"
)

// desk is a deliverer at work. One goroutine has the queue and the progress of
// all partitions; reading, requests, commits and waiting go on beside it and
// report to it.
type desk struct {
	*Deliverer
	topic      string
	reader     *kgo.Client
	queue      *queue
	partitions map[int32]*progress
	abroad     map[int32]int // messages on their way, by partition
	leaving    []change

	turn      chan struct{} // lets the reader read once
	read      chan []*kgo.Record
	changes   chan change
	answers   chan told
	committed chan error
	rung      chan time.Time
	ended     chan struct{}

	reading, committing bool
	alarm               time.Time
	silence             context.CancelFunc
	aged                time.Time
}

// change is partitions that came or go.
type change struct {
	came map[int32]*note
	gone []int32
	lost bool // others have them already
	done chan struct{}
}

// told is a request with what came of it.
type told struct {
	*request
	answer
}

// mostHeld is how many messages are in hand at a time, and mostRead how many
// are read at once.
const (
	mostHeld = 10_000
	mostRead = 500
)

func (d *Deliverer) newDesk() *desk {
	return &desk{
		Deliverer: d, topic: topologies.Activations(d.config.Destination).Name, queue: newQueue(d.config.Webhook, d.config.Random),
		partitions: map[int32]*progress{}, abroad: map[int32]int{},
		turn: make(chan struct{}), read: make(chan []*kgo.Record), changes: make(chan change), answers: make(chan told, d.config.Lanes),
		committed: make(chan error, 1), rung: make(chan time.Time), ended: make(chan struct{}), silence: func() {},
	}
}

// open connects the reader. Partitions change hands while nothing that was read
// is on its way to the desk.
func (k *desk) open() (err error) {
	group := Group(k.config.Destination)
	k.reader, err = kgo.NewClient(append(slices.Clone(k.config.Kafka),
		kgo.ClientID("kairos-delivery"), kgo.ConsumerGroup(group), kgo.ConsumeTopics(k.topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(func(ctx context.Context, client *kgo.Client, came map[string][]int32) {
			k.change(change{came: k.notes(ctx, client, group, came[k.topic])})
			k.member.in.Store(true)
		}),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, gone map[string][]int32) { k.change(change{gone: gone[k.topic]}) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
			k.member.in.Store(false)
			k.change(change{gone: gone[k.topic], lost: true})
		}),
	)...)
	return err
}

// change tells the desk, and waits until it has done with what goes.
func (k *desk) change(c change) {
	c.done = make(chan struct{})
	select {
	case k.changes <- c:
		select {
		case <-c.done:
		case <-k.ended:
		}
	case <-k.ended:
	}
}

// notes asks what has been settled of partitions beyond their offsets.
func (k *desk) notes(ctx context.Context, client *kgo.Client, group string, partitions []int32) map[int32]*note {
	all := map[int32]*note{}
	for number, c := range committedNotes(ctx, client, group, k.topic, partitions, k.config.Logger) {
		all[number] = readNote(c.at, c.text)
	}
	return all
}

// run works until ctx ends. What is on its way then is told again by whoever
// runs next.
func (k *desk) run(ctx context.Context) error {
	defer close(k.ended)
	defer func() { k.silence() }()
	for {
		now := k.config.Clock.Now()
		for r := k.queue.next(now); r != nil; r = k.queue.next(now) {
			k.send(ctx, r)
		}
		k.release(ctx)
		k.commit(ctx)
		k.wait(ctx, now)
		k.age(now)
		turn := k.turn
		if k.reading || k.queue.held >= mostHeld {
			turn = nil
		}
		var err error
		select {
		case <-ctx.Done():
			return k.end()
		case turn <- struct{}{}:
			k.reading = true
		case records := <-k.read:
			k.reading = false
			err = k.take(ctx, records)
		case c := <-k.changes:
			k.changed(c)
		case t := <-k.answers:
			err = k.answered(ctx, t)
		case err := <-k.committed:
			k.committing = false
			k.complain(err)
		case at := <-k.rung:
			if at.Equal(k.alarm) {
				k.alarm = time.Time{}
			}
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// readOn reads what there is, a turn at a time.
func (k *desk) readOn(ctx context.Context) {
	for {
		select {
		case <-k.turn:
		case <-ctx.Done():
			return
		case <-k.ended:
			return
		}
		fetches := k.reader.PollRecords(ctx, mostRead)
		if ctx.Err() == nil {
			fetches.EachError(func(topic string, number int32, err error) {
				k.config.Logger.Warn("reading what is to be delivered failed, will be tried again", "topic", topic, "partition", number, "error", err)
			})
		}
		select {
		case k.read <- fetches.Records():
		case <-ctx.Done():
		case <-k.ended:
		}
		k.reader.AllowRebalance()
	}
}

// take takes what was read in hand.
func (k *desk) take(ctx context.Context, records []*kgo.Record) error {
	now := k.config.Clock.Now()
	var letters []verdict
	for _, r := range written(records) {
		p := k.partitions[r.Partition]
		if p == nil {
			continue // it went before it came: another process reads it
		}
		if !p.take(r.Offset) {
			continue
		}
		if r.Value == nil {
			p.settle(r.Offset) // a tombstone: the person is forgotten, which nobody is told
			continue
		}
		a, err := topologies.Activations(k.config.Destination).Codec.Decode(r.Value)
		if err != nil {
			letters = append(letters, verdict{item{record: r}, undecodable, err.Error()})
			continue
		}
		a, untold := k.config.shape(a)
		if untold != "" {
			k.metrics.results.WithLabelValues(k.config.Destination, untold).Inc()
			p.settle(r.Offset)
			continue
		}
		i := item{record: r, Activation: a, since: now}
		if k.config.grouped() {
			i.group = fmt.Sprint(a.Audience, " ", a.Entered)
		}
		i.span = k.follow(i)
		k.queue.add(i)
	}
	return k.giveUp(ctx, letters)
}

// shape is a as this receiver is told, or why it is not. One with a form of its
// own is told of former identifiers by an exit of them, if it lists people by
// address, and else not at all: the record behind says what holds.
func (w Webhook) shape(a *schemas.Activation) (shaped *schemas.Activation, untold string) {
	if len(a.Former) > 0 && w.grouped() {
		if !w.lists() {
			return nil, "superseded"
		}
		exit := *a
		exit.Entered, exit.Identifiers, exit.Former = false, a.Former, nil
		a = &exit
	}
	needed := func(id schemas.Identifier) bool { return slices.Contains(w.Needs, id.Namespace) }
	if len(w.Needs) > 0 && !slices.ContainsFunc(a.Identifiers, needed) && !slices.ContainsFunc(a.Former, needed) {
		return nil, "unaddressed"
	}
	return a, ""
}
