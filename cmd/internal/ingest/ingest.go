// Package ingest takes Avro records that others write to topics of their own,
// under any schema, keyed and partitioned anyhow, and puts events on
// kairos.door.events.
//
// In: foreign topics, read committed; how their records name schemas; mappings.
// Out: events as the door makes them, keyed anew; dead letters. State: the
// group's committed offsets, which commit with the events in one transaction.
// Laws: each record is an event, a dead letter or a counted drop, once; a record
// whose schema the registry has yet to tell holds its own partition and no
// other; an event without an id of its own has that of its place, so that
// reading again changes nothing.
//
// Not here: how records become events (cmd/internal/foreign), what an event may
// hold (cmd/internal/door).
package ingest

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kairos/cmd/internal/door"
	"kairos/cmd/internal/foreign"
	"kairos/processors/definition"
	"kairos/processors/keyring"
	"kairos/schemas"
	"kairos/topologies"
)

// Word names ingest where stages have a word.
const Word = "ingest"

// Topic is a foreign topic.
type Topic struct {
	Name    string
	Framing foreign.Framing
	Mapping string // a published one; "": that of the schema
}

// Config is what an ingester needs.
type Config struct {
	Topics   []Topic
	Schemas  *foreign.Known
	Kafka    []kgo.Opt
	Plan     func() *definition.Plan // for identity rules and mappings; never nil
	Clock    func() schemas.Instant  // when an event counts as received
	Ring     func() *keyring.Ring    // as door.Config.Ring
	Traces   int                     // records of a second, at most, whose events are followed because they ask for it
	Instance string                  // of this process: a restart under the same name goes on at once; "": a random one
	Registry prometheus.Registerer   // nil: no metrics
	Logger   *slog.Logger
}

// place is a partition of a foreign topic.
type place struct {
	topic     string
	partition int32
}

// Ingester reads foreign topics.
type Ingester struct {
	config  Config
	sources map[string]*source
	metrics *metrics
	gate    *door.Gate
	session *kgo.GroupTransactSession
	held    map[place][]*kgo.Record // from the first whose schema is not known yet, in order; fetching of these is paused
	member  atomic.Bool             // of the group; with more processes than partitions, some are and have none
}

// New checks c. Nothing is connected before Run.
func New(c Config) (*Ingester, error) {
	i := &Ingester{config: c, sources: map[string]*source{}, metrics: newMetrics(c.Registry), gate: door.NewGate(c.Traces)}
	for _, t := range c.Topics {
		if i.sources[t.Name] != nil {
			return nil, fmt.Errorf("topic %s is there twice", t.Name)
		}
		reader, err := foreign.NewReader(c.Schemas, t.Name, t.Framing)
		if err != nil {
			return nil, err
		}
		i.sources[t.Name] = &source{topic: t, reader: reader}
	}
	if len(i.sources) == 0 {
		return nil, errors.New("there is no topic to read")
	}
	return i, nil
}

// Ready says what it waits for before it can read; empty: nothing.
func (i *Ingester) Ready() string {
	if i.member.Load() {
		return ""
	}
	return "Kafka has not let us into the group kairos." + Word + " yet"
}

// RegistryFailed is told whenever the registry of schemas does not answer.
func (i *Ingester) RegistryFailed(err error) {
	i.metrics.failures.Inc()
	i.config.Logger.Warn("the registry of schemas does not answer: records of schemas that are not known yet wait, all others go on", "error", err)
}

// Retry makes of a record that became a dead letter what it is by today's schemas
// and mappings: the event that Run would make of it, with the id that it would
// give it, however often it is tried. nil without an error: it is about somebody
// whom nothing may be taken in about. It waits for the registry until ctx ends.
func (i *Ingester) Retry(ctx context.Context, r *kgo.Record) (*kgo.Record, error) {
	source := i.sources[r.Topic]
	if source == nil {
		return nil, fmt.Errorf("topic %s is none of those to ingest", r.Topic)
	}
	for {
		record, err := source.event(ctx, r, &i.config)
		if !errors.Is(err, foreign.ErrPending) {
			return record, err
		}
		select {
		case <-i.config.Schemas.News():
		case <-ctx.Done():
			return nil, fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		}
	}
}

// mostAtOnce is how many records are read for one transaction.
const mostAtOnce = 2000

// transactionTimeout is after how long brokers abort what a process that died
// has left behind; until then readers behind it wait.
const transactionTimeout = 15 * time.Second

// sessionTimeout is after how long partitions of a process that died go to others.
const sessionTimeout = 10 * time.Second

// pause is how long a session that failed waits for the next.
const pause = time.Second

// Run ingests until ctx ends, and returns nil then.
func (i *Ingester) Run(ctx context.Context) error {
	instance := i.config.Instance
	if instance == "" {
		var random [8]byte
		if _, err := rand.Read(random[:]); err != nil {
			return err
		}
		instance = hex.EncodeToString(random[:])
	}
	for {
		err := i.attend(ctx, "kairos."+Word+"-"+instance)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, kerr.FencedInstanceID):
			return fmt.Errorf("another process runs as instance %s: give each a name of its own", instance)
		}
		i.config.Logger.Warn("ingesting begins again from what is committed", "error", err)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// attend reads until something fails. A new session with the same id fences what
// an earlier one has left undecided.
func (i *Ingester) attend(ctx context.Context, id string) error {
	topics := make([]string, 0, len(i.sources))
	for name := range i.sources {
		topics = append(topics, name)
	}
	options := append(slices.Clone(i.config.Kafka),
		kgo.ClientID("kairos-ingest"), kgo.ConsumerGroup("kairos."+Word), kgo.ConsumeTopics(topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.SessionTimeout(sessionTimeout), kgo.HeartbeatInterval(time.Second),
		kgo.FetchMaxWait(500*time.Millisecond), // a partition that is resumed waits for it
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) { i.member.Store(true) }),
		kgo.OnPartitionsLost(func(context.Context, *kgo.Client, map[string][]int32) { i.member.Store(false) }),
		kgo.TransactionalID(id), kgo.TransactionTimeout(transactionTimeout),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()), door.Partitioner(),
		kgo.ProducerBatchMaxBytesFn(func(topic string) int32 {
			if topic == topologies.Events.Name {
				return topologies.MaxBatchBytes
			}
			return topologies.MaxDeadLetterBatchBytes
		}),
	)
	if i.config.Instance != "" {
		options = append(options, kgo.InstanceID(i.config.Instance))
	}
	session, err := kgo.NewGroupTransactSession(options...)
	if err != nil {
		return err
	}
	defer session.Close()
	defer i.member.Store(false)
	// The broker's features must be known before the first transaction, or it
	// would run under the older protocol.
	if _, _, err := session.Client().ProducerID(ctx); err != nil {
		return fmt.Errorf("transactional id %s: %w", id, err)
	}
	i.session, i.held = session, map[place][]*kgo.Record{}
	for {
		fetched := i.poll(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := i.transact(ctx, i.queues(fetched)); err != nil {
			return err
		}
	}
}

// poll reads records, or returns without any when a schema has become known.
func (i *Ingester) poll(ctx context.Context) []*kgo.Record {
	short, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-i.config.Schemas.News():
			stop()
		case <-short.Done():
		}
	}()
	fetches := i.session.PollRecords(short, mostAtOnce)
	fetches.EachError(func(topic string, number int32, err error) {
		if short.Err() == nil {
			i.config.Logger.Warn("reading a topic failed, will be tried again", "topic", topic, "partition", number, "error", err)
		}
	})
	return fetches.Records()
}

// queue is what is to be done of one partition, in order.
type queue struct {
	place
	records []*kgo.Record
}

// queues puts what is read behind what is held.
func (i *Ingester) queues(fetched []*kgo.Record) []queue {
	byPlace := i.held
	i.held = map[place][]*kgo.Record{}
	for _, r := range fetched {
		at := place{r.Topic, r.Partition}
		byPlace[at] = append(byPlace[at], r)
	}
	all := make([]queue, 0, len(byPlace))
	for at, records := range byPlace {
		all = append(all, queue{at, records})
	}
	slices.SortFunc(all, func(a, b queue) int {
		return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition))
	})
	return all
}

// transact makes what it can of the queues in one transaction, and holds the
// rest.
func (i *Ingester) transact(ctx context.Context, queues []queue) error {
	outcomes, advanced := []outcome{}, false
	i.showLag(queues)
	for _, q := range queues {
		done := i.advance(ctx, q, &outcomes)
		advanced = advanced || done > 0
		i.hold(q.place, q.records[done:])
	}
	i.metrics.held.Set(float64(len(i.held)))
	if !advanced {
		return nil
	}
	if err := i.session.Begin(); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	// What was begun is finished, or readers would wait for the broker to abort it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), transactionTimeout)
	defer cancel()
	failed := i.produce(ctx, outcomes)
	end := kgo.TransactionEndTry(failed == nil)
	committed, err := i.session.End(kgo.PreTxnCommitFnContext(ctx, i.upToHeld), end)
	switch {
	case err != nil:
		return fmt.Errorf("commit: %w", err)
	case failed != nil:
		return failed
	case !committed: // partitions have moved: what they hold is read again, here or elsewhere
		i.config.Logger.Info("a transaction was taken back, its records are read again")
		i.session.Client().ResumeFetchPartitions(i.session.Client().PauseFetchPartitions(nil))
		i.held = map[place][]*kgo.Record{}
		return nil
	}
	for _, o := range outcomes {
		i.metrics.records.WithLabelValues(o.topic, o.result).Inc()
	}
	if len(outcomes) < mostAtOnce { // there is no more than what is held
		var held []queue
		for at, records := range i.held {
			held = append(held, queue{at, records})
		}
		i.showLag(held)
	}
	return nil
}

// showLag says how old the first record is of what is to be done.
func (i *Ingester) showLag(queues []queue) {
	behind, now := 0.0, i.config.Clock().Time()
	for _, q := range queues {
		behind = max(behind, now.Sub(q.records[0].Timestamp).Seconds())
	}
	i.metrics.behind.Set(behind)
}

// advance deals with the records of q, up to one whose schema is not known yet,
// and says with how many.
func (i *Ingester) advance(ctx context.Context, q queue, outcomes *[]outcome) int {
	for n, r := range q.records {
		o, err := i.sources[q.topic].outcome(ctx, r, &i.config)
		if errors.Is(err, foreign.ErrPending) {
			return n
		}
		i.follow(o.record, r)
		*outcomes = append(*outcomes, o)
	}
	return len(q.records)
}

// hold keeps records until their schema is known, and the partition from being
// read on.
func (i *Ingester) hold(at place, records []*kgo.Record) {
	one, client := map[string][]int32{at.topic: {at.partition}}, i.session.Client()
	paused := slices.Contains(client.PauseFetchPartitions(nil)[at.topic], at.partition)
	switch {
	case len(records) > 0:
		i.held[at] = records
		client.PauseFetchPartitions(one)
	case paused:
		client.ResumeFetchPartitions(one)
	}
}

// upToHeld lets a transaction commit the offsets of what it has dealt with, and
// not of what is held.
func (i *Ingester) upToHeld(request *kmsg.TxnOffsetCommitRequest) error {
	for t := range request.Topics {
		topic := &request.Topics[t]
		for p := range topic.Partitions {
			partition := &topic.Partitions[p]
			if held := i.held[place{topic.Topic, partition.Partition}]; len(held) > 0 {
				partition.Offset, partition.LeaderEpoch = held[0].Offset, held[0].LeaderEpoch
			}
		}
	}
	return nil
}

func (i *Ingester) produce(ctx context.Context, outcomes []outcome) error {
	var records []*kgo.Record
	for _, o := range outcomes {
		if o.record != nil {
			records = append(records, o.record)
		}
	}
	if err := i.session.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	return nil
}
