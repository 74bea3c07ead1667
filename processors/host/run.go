package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/processors/stage"
	"kairos/topologies"
)

const heartbeatEvery = 3 * time.Second

// run is one life of a host: its clients, its partitions, its generation. It is
// the consumer group that Goka sees; the goroutine in Consume owns everything
// below mu.
type run struct {
	config  Config
	host    *Host
	metrics *metrics
	ctx     context.Context // of Host.Run

	inputs       []string // sorted
	doors        []string // inputs that the wall clock ticks for
	tables       []string // in the order of the stages
	sources      []source // whose ticks make the partition time
	tellTopics   []topologies.Topic
	loops        []topologies.Topic
	looping      map[string]bool   // by name
	loopSources  []source          // whose words make a round of the barrier
	writers      map[string]string // topic that a stage of the group writes -> the stage
	partitionsOf map[string]int32
	topicIDs     map[string][16]byte
	limits       map[string]int // most bytes of a batch, by topic
	partitionFor func(key []byte, partitions int32) int32

	instance  string      // Config.InstanceID, or one for this run
	asking    *kgo.Client // for admin
	admin     *kadm.Client
	producers *producers
	spare     []output      // memory for those of the next batch
	ready     chan struct{} // closed once client is set, which joins its group before
	client    *kgo.Client   // reads the inputs
	open      []*pending    // batches on their way, oldest first
	failed    []*pending    // that came to nothing, not yet dealt with
	disk      *disk

	inheriting sync.Mutex // may be taken under mu
	estate     *estate    // rows of the host before this one, not yet owned

	refused atomic.Pointer[error] // why partitions were not taken

	polling  sync.Mutex
	pollStop context.CancelFunc // ends the wait of the poll at work
	woken    bool               // before there was one

	mu      sync.Mutex
	owned   map[int32]*partition // recovered, ready to work
	changed bool                 // owned is not what the session has
	rewound bool                 // since the last poll, to what is committed
	session *session             // nil: none
	handler sarama.ConsumerGroupHandler
	began   atomic.Bool // Goka has called Consume
	runner  *stage.Runner
	worked  time.Time        // when the last batch began
	cost    time.Duration    // of a message, about, by the last batches
	asked   map[string]int64 // stages to sweep, since the run began, and for which rules: partitions that come later need it too
	waiting int              // records that are polled and in no batch yet
	turns   int              // which partition comes first in a batch
	busy    bool             // there is work without new records
	urgent  bool             // and more than a sweep, which can wait for others to come

	redefinition int // the number of the one that runner came with
	wall         wallClock
}

// source is who ticks in which topic.
type source struct{ topic, name string }

func newRun(ctx context.Context, h *Host) (*run, error) {
	r := &run{
		config: h.config, host: h, metrics: h.metrics, ctx: ctx,
		owned: map[int32]*partition{}, writers: map[string]string{}, asked: map[string]int64{}, looping: map[string]bool{}, runner: h.config.Runner, partitionFor: Partitioner(),
		ready: make(chan struct{}),
	}
	r.describe()
	var err error
	if r.instance, err = instanceOf(h.config); err != nil {
		return nil, err
	}
	if r.asking, err = kgo.NewClient(append(slices.Clone(h.config.Kafka), kgo.ClientID("kairos-host"), kgo.WithLogger(kafkaLogger{h.config.Logger}))...); err != nil {
		return nil, err
	}
	r.admin = kadm.NewClient(r.asking)
	if err = r.connect(ctx); err == nil {
		r.readAhead(ctx)
		r.client, err = kgo.NewClient(r.groupOptions()...) // last: from now on others wait for us
	}
	if err != nil {
		r.close()
		return nil, err
	}
	close(r.ready)
	return r, nil
}

// connect waits for brokers that are not there yet, but not for what is missing
// on them.
func (r *run) connect(ctx context.Context) error {
	const patience = time.Minute
	err := retry(ctx, patience, func() error {
		err := r.loadTopics(ctx)
		if err == nil {
			err = requireTransactions(ctx, r.asking)
		}
		if err == nil {
			r.producers, err = newProducers(ctx, r.config, r.instance, r.limitOf, r.largestLimit())
		}
		if err != nil && ctx.Err() == nil {
			r.config.Logger.Warn("cannot begin yet", "error", err)
		}
		return err
	})
	if err != nil {
		return err
	}
	r.disk, err = openDisk(r.config, r.tables, r.topicIDs)
	return err
}

// permanentError is one that no waiting mends.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// describe works out what the group reads and writes.
func (r *run) describe() {
	g := r.config.Group
	for _, t := range g.Inputs() {
		r.inputs = append(r.inputs, t.Name)
		if t.Writer == "door" {
			r.doors = append(r.doors, t.Name)
			r.sources = append(r.sources, source{t.Name, "door"})
		} else if isLoop(g, t.Name) {
			r.loops = append(r.loops, t)
			r.looping[t.Name] = true
			for n := range r.config.Topology.PartitionsOf(t) {
				r.loopSources = append(r.loopSources, source{t.Name, tickSource(t, n)})
			}
		} else if carriesTicks(g, t) {
			for n := range r.config.Topology.PartitionsOf(t) {
				r.sources = append(r.sources, source{t.Name, tickSource(t, n)})
			}
		}
	}
	for _, s := range g.Stages {
		r.tables = append(r.tables, s.Table.Name)
		for _, t := range s.Outputs {
			r.writers[t.Name] = s.Word
		}
		r.writers[topologies.DeadLetters(s.Word).Name] = s.Word
	}
	for _, t := range g.Outputs() {
		if t.Writer != "door" && carriesTicks(g, t) { // dead letters are public
			r.tellTopics = append(r.tellTopics, t)
		}
	}
}

func tickSource(t topologies.Topic, partition int32) string {
	return fmt.Sprintf("%s/%d", t.Writer, partition)
}

// loadTopics reads how many partitions the group's topics have. New topics may
// take a moment to be known to all brokers.
func (r *run) loadTopics(ctx context.Context) error {
	names := slices.Concat(r.inputs, r.tables)
	for _, t := range r.config.Group.Outputs() {
		names = append(names, t.Name)
	}
	var missing error
	err := retry(ctx, 5*time.Second, func() error {
		missing = nil
		details, err := r.admin.ListTopics(ctx, names...)
		if err != nil {
			return err
		}
		r.partitionsOf, r.topicIDs = map[string]int32{}, map[string][16]byte{}
		for _, name := range names {
			d := details[name]
			if d.Err != nil || len(d.Partitions) == 0 {
				missing = fmt.Errorf("topic %s: %w; create the topics of the topology first", name, cmpErr(d.Err))
				return missing
			}
			r.partitionsOf[name], r.topicIDs[name] = int32(len(d.Partitions)), d.ID
		}
		grown, err := readGrowth(ctx, r.admin, r.config.Kafka)
		if err != nil {
			return err
		}
		if missing = r.useSizes(grown); missing != nil {
			return missing
		}
		return r.loadLimits(ctx, names)
	})
	if err != nil && missing != nil && ctx.Err() == nil {
		return permanentError{missing}
	}
	return err
}

func cmpErr(err error) error {
	if err == nil {
		return kerr.UnknownTopicOrPartition
	}
	return err
}

// retry repeats f, with growing pauses, until it succeeds, ctx ends or patience
// is over; 0 is without end.
func retry(ctx context.Context, patience time.Duration, f func() error) error {
	began := time.Now()
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := f()
		if err == nil || errors.Is(err, ErrFenced) || errors.Is(err, ErrResized) || errors.As(err, new(permanentError)) {
			return err
		}
		if patience > 0 && time.Since(began) > patience {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// Consume implements sarama.ConsumerGroup: it lives through all generations, so
// that Goka never comes to its pause between two calls.
func (r *run) Consume(ctx context.Context, _ []string, handler sarama.ConsumerGroupHandler) error {
	r.handler = handler
	r.began.Store(true)
	for ctx.Err() == nil {
		r.gather(ctx)
		fetches := r.poll(ctx)
		err := r.turn(fetches)
		r.client.AllowRebalance()
		switch {
		case err == nil:
		case ctx.Err() != nil && errors.Is(err, context.Canceled):
			// Asked to stop while asking how a transaction ended: who runs next will ask.
			return r.finish()
		default:
			return errors.Join(r.finish(), err)
		}
	}
	r.mu.Lock()
	r.settleOpen(0)
	r.mu.Unlock()
	return r.finish()
}

// gather lets records come together that arrive close after each other. Without
// it, live traffic makes a transaction of every few records, and the broker is
// busy with transactions long before it is with records.
func (r *run) gather(ctx context.Context) {
	left := r.config.Pace - time.Since(r.worked)
	if r.config.Clock != Wall || r.urgent || left <= 0 {
		return
	}
	rest := time.NewTimer(left)
	defer rest.Stop()
	select {
	case <-ctx.Done():
	case <-rest.C:
	}
}

// poll waits for records, not longer than the next tick of the clock allows,
// and not at all while there is other work. It asks for more than a batch takes:
// franz-go gives what it has partition by partition, and a batch of one
// partition is worked on by one CPU.
func (r *run) poll(ctx context.Context) kgo.Fetches {
	const batches = 2
	most := r.mostRecords()
	if r.waiting >= most {
		return nil
	}
	r.polling.Lock()
	woken := r.woken
	r.woken = false
	r.polling.Unlock()
	if r.busy || woken { // a wait that ends before it begins would give nothing, again and again
		//lint:ignore SA1012 nil is kgo's way to ask for what is buffered now
		return r.client.PollRecords(nil, batches*most-r.waiting)
	}
	ctx, stop := context.WithTimeout(ctx, r.config.TickEvery)
	defer stop()
	r.polling.Lock()
	if r.woken {
		stop()
	}
	r.woken, r.pollStop = false, stop
	r.polling.Unlock()
	return r.client.PollRecords(ctx, batches*most-r.waiting)
}

// wakeUp ends the wait for records, or the next one.
func (r *run) wakeUp() {
	r.polling.Lock()
	defer r.polling.Unlock()
	r.woken = true
	if r.pollStop != nil {
		r.pollStop()
	}
}

// turn takes what a poll brought, and does the next batch.
func (r *run) turn(fetches kgo.Fetches) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.publish()
	if refused := r.refused.Load(); refused != nil {
		return *refused
	}
	if err := r.checkFetches(fetches); err != nil {
		return err
	}
	r.rewound = false
	if err := r.settle(r.most()); err != nil {
		return err
	}
	if r.rewound { // what was polled lies behind what is read again now, and comes again behind that
		fetches = nil
	}
	if err := r.renew(); err != nil {
		return err
	}
	r.adopt(r.host.takeRedefinition())
	if err := r.unseal(fetches); err != nil {
		return err
	}
	r.take(fetches)
	r.wall.tick(r)
	if b := r.collect(); b != nil {
		if err := r.work(b); err != nil {
			return err
		}
	}
	r.dropEstate()
	r.waiting = r.countWaiting()
	r.urgent = r.anyUrgent()
	r.busy = r.urgent || r.anySweep()
	return r.settle(r.most())
}

// renew ends the generation and begins another one if the partitions changed.
func (r *run) renew() error {
	if !r.changed {
		return nil
	}
	if err := r.finish(); err != nil {
		return err
	}
	r.changed = false
	if len(r.owned) == 0 {
		return nil
	}
	member, generation := r.client.GroupMetadata()
	depth := r.config.BatchRecords + r.config.WakeChunk + r.config.SweepChunk
	r.session = newSession(member, generation, r.inputs, maps.Clone(r.owned), depth)
	return r.session.run(r.handler)
}

// finish ends the generation, if there is one.
func (r *run) finish() error {
	if r.session == nil {
		return nil
	}
	err := r.session.end(r.handler)
	r.session = nil // not before: steps that still run look at it
	return err
}

// checkFetches looks for errors that no waiting mends.
func (r *run) checkFetches(fetches kgo.Fetches) error {
	var fatal error
	fetches.EachError(func(topic string, number int32, err error) {
		switch {
		case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, kgo.ErrClientClosed):
		case errors.Is(err, kerr.FencedInstanceID):
			fatal = fmt.Errorf("%w (%w)", ErrFenced, err)
		default:
			r.config.Logger.Warn("reading an input failed, will be tried again", "topic", topic, "partition", number, "error", err)
		}
	})
	return fatal
}

func (r *run) close() {
	r.leave()
	r.mu.Lock()
	r.producers.close()
	r.mu.Unlock()
	if r.client != nil {
		r.client.CloseAllowingRebalance()
	}
	r.asking.Close()
	r.disk.close()
}
