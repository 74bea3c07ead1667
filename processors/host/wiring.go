package host

import (
	"bytes"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/storage"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/processors/stage"
	"kairos/processors/tracing"
	"kairos/schemas"
	"kairos/topologies"
)

// processor builds the Goka processor whose consumer group, producer, storage
// and topic manager are the host's.
func (r *run) processor() (*goka.Processor, error) {
	var edges []goka.Edge
	loop := r.loopName()
	for _, topic := range r.inputs {
		if topic != loop {
			edges = append(edges, goka.Input(goka.Stream(topic), rawCodec{}, r.step))
		}
	}
	for _, topic := range r.config.Group.Outputs() {
		if topic.Name != loop {
			edges = append(edges, goka.Output(goka.Stream(topic.Name), ticketCodec{}))
		}
	}
	edges = append(edges, goka.Loop(loopCodec{}, r.step), goka.Persist(ticketCodec{}))
	graph := goka.DefineGroup(goka.Group(r.config.Group.Name), edges...)
	return goka.NewProcessor(nil, graph,
		goka.WithLogger(gokaLogger{r.config.Logger}),
		goka.WithNilHandling(goka.NilProcess),
		goka.WithPartitionChannelSize(64),
		goka.WithHasher(func() hash.Hash32 { panic("nobody asks Goka for a partition: see recordFor") }),
		goka.WithConsumerGroupBuilder(func([]string, string, string) (sarama.ConsumerGroup, error) { return r, nil }),
		goka.WithConsumerSaramaBuilder(func([]string, string) (sarama.Consumer, error) { return noConsumer{}, nil }),
		goka.WithProducerBuilder(func([]string, string, func() hash.Hash32) (goka.Producer, error) { return outbox{r}, nil }),
		goka.WithTopicManagerBuilder(func([]string) (goka.TopicManager, error) { return topicManager{r}, nil }),
		goka.WithStorageBuilder(func(_ string, number int32) (storage.Storage, error) {
			return &gokaStorage{r.session.partitions[number]}, nil
		}),
	)
}

// loopName is what Goka calls the group's loop. For a group of one stage it is
// the stage's loop topic, if it has one; for a chain there is no such topic.
// Errands run under this name either way.
func (r *run) loopName() string { return r.config.Group.Name + "-loop" }

// tableName is what Goka calls the group's composite table.
func (r *run) tableName() string { return r.config.Group.Name + "-table" }

// step is the callback of every input: it runs the group's stages on one
// message and writes what they did through Goka's context.
func (r *run) step(ctx goka.Context, message any) {
	p := r.session.partitions[ctx.Partition()]
	value, _ := message.([]byte)
	var f *followed // nil: nobody asks, as ever
	if p.share.followed != nil {
		f = p.share.followed[place{string(ctx.Topic()), ctx.Offset()}]
	}
	effects, err := r.effects(p, ctx, value, f)
	if err == nil {
		effects, err = r.fit(p, ctx, value, effects)
	}
	if err != nil {
		ctx.Fail(err) // panics, on purpose: nothing may go on
	}
	f.dropped(effects.Drops)
	p.share.drops = append(p.share.drops, effects.Drops...)
	p.share.layer.purge = p.share.layer.purge || effects.Purge
	p.handed = effects
	for i, record := range effects.Records {
		if record.Topic == r.loopName() {
			ctx.Loopback(record.Key, p.ticketFor(i), f.onward(record.Topic)...)
		} else {
			ctx.Emit(goka.Stream(record.Topic), record.Key, p.ticketFor(i), f.onward(record.Topic)...)
		}
	}
	if len(effects.Rows) > 0 {
		ctx.SetValue(p.ticketFor(0))
	}
	p.handed = stage.Effects{}
	p.lent = effects
}

func (r *run) effects(p *partition, ctx goka.Context, value []byte, f *followed) (stage.Effects, error) {
	rows := p.at(ctx.Key())
	if ctx.Offset() < 0 {
		e := parseErrand(value)
		if e.word == "" {
			return r.runner.Wake(rows, ctx.Key(), e.time)
		}
		return r.runner.Sweep(rows, e.word, ctx.Key(), e.time)
	}
	m := stage.Message{
		Topic: string(ctx.Topic()), Partition: ctx.Partition(), Offset: ctx.Offset(),
		Key: ctx.Key(), Value: value, Latest: r.latestOf(ctx),
	}
	if f != nil {
		m.Follow = f
	}
	e, err := r.runner.Message(rows, m)
	if err == nil && strings.HasPrefix(ctx.Key(), schemas.AwayKey) {
		err = r.ownKeys(e)
	}
	return e, err
}

// ownKeys gives the dead letters of what was worked on under another key the
// key that it came with.
func (r *run) ownKeys(e stage.Effects) error {
	for i, record := range e.Records {
		if !slices.ContainsFunc(r.config.Group.Stages, func(s topologies.Stage) bool { return record.Topic == topologies.DeadLetters(s.Word).Name }) {
			continue
		}
		letter, err := schemas.DeadLetterCodec.Decode(record.Value)
		if err != nil {
			return err
		}
		letter.Key = bytes.TrimPrefix(letter.Key, []byte(schemas.AwayKey))
		if e.Records[i].Value, err = schemas.DeadLetterCodec.Append(nil, letter); err != nil {
			return err
		}
	}
	return nil
}

// aheadAtMost is how far a producer's clock may be ahead of the broker's. A
// record from further ahead would drag its key's time there for good.
const aheadAtMost = time.Hour

// latestOf bounds the time of what came from outside by when the broker took
// it, which is in the log and so the same whenever the record is processed.
// Replays live in times of their own.
func (r *run) latestOf(ctx goka.Context) schemas.Instant {
	if r.config.Clock != Wall || !slices.Contains(r.doors, string(ctx.Topic())) {
		return 0
	}
	return schemas.InstantOf(ctx.Timestamp()).Add(aheadAtMost)
}

// loopCodec encodes emissions to the loop as to any topic; what comes from it
// is raw.
type loopCodec struct{ ticketCodec }

// outbox is Goka's producer: it keeps what steps emit until the batch is
// through. Its promises are kept at once: that the batch is committed as a
// whole, or not at all, is the transaction's business.
type outbox struct{ run *run }

// Emit implements goka.Producer.
func (o outbox) Emit(topic, key string, value []byte) *goka.Promise {
	return o.EmitWithHeaders(topic, key, value, nil)
}

// EmitWithHeaders implements goka.Producer.
func (o outbox) EmitWithHeaders(topic, key string, value []byte, headers goka.Headers) *goka.Promise {
	if err := o.put(topic, key, value, headers); err != nil {
		_, finish := goka.NewPromiseWithFinisher()
		return finish(nil, err)
	}
	return kept
}

// kept is a promise that has been kept; one is enough for all.
var kept = func() *goka.Promise {
	_, finish := goka.NewPromiseWithFinisher()
	return finish(nil, nil)
}()

func (o outbox) put(topic, key string, value []byte, headers goka.Headers) error {
	from, place := parseTicket(value)
	p := o.run.session.partitions[from]
	s := p.share
	if topic == o.run.tableName() { // see gokaStorage.Set: a row is written as the batch leaves it
		return nil
	}
	handed := &p.handed.Records[place]
	record, err := o.run.recordFor(s, topic, key, handed.PartitionBy, handed.Value)
	if err != nil {
		return err
	}
	if trace := headers[tracing.Header]; trace != nil {
		record.Headers = []kgo.RecordHeader{{Key: tracing.Header, Value: trace}}
	}
	s.records = append(s.records, output{record, -1})
	if o.run.looping[topic] {
		at := max(handed.At, 1)
		if s.least == 0 || at < s.least {
			s.least = at
		}
	}
	return nil
}

// Close implements goka.Producer.
func (outbox) Close() error { return nil }

// gokaStorage is one partition's composite table as Goka sees it.
type gokaStorage struct{ partition *partition }

// Open implements storage.Storage. The partition is recovered before Goka
// hears of it, see recovery.go.
func (s *gokaStorage) Open() error {
	if s.partition == nil {
		return errors.New("a partition that the host does not own")
	}
	return nil
}

// Close implements storage.Storage. Rows outlive a generation.
func (*gokaStorage) Close() error { return nil }

// Has implements storage.Storage.
func (s *gokaStorage) Has(string) (bool, error) { return false, errReadRows }

// Get implements storage.Storage: steps get the rows of all tables at once.
func (s *gokaStorage) Get(string) ([]byte, error) { return nil, errReadRows }

var errReadRows = errors.New("rows are read through the host")

// Set implements storage.Storage: the rows that the ticket stands for go into the
// layer of the batch at work, and nowhere else.
func (s *gokaStorage) Set(key string, _ []byte) error {
	if key != s.partition.current.key {
		return fmt.Errorf("key %q: the step at work is on another", key)
	}
	s.partition.put(s.partition.handed.Rows)
	return nil
}

// Delete implements storage.Storage.
func (s *gokaStorage) Delete(key string) error {
	return fmt.Errorf("key %q: rows are deleted one by one, through a frame", key)
}

// GetOffset implements storage.Storage: Goka recovers nothing, so it needs none.
func (*gokaStorage) GetOffset(byDefault int64) (int64, error) { return byDefault, nil }

// SetOffset implements storage.Storage.
func (*gokaStorage) SetOffset(int64) error { return nil }

// MarkRecovered implements storage.Storage.
func (*gokaStorage) MarkRecovered() error { return nil }

// Iterator implements storage.Storage.
func (*gokaStorage) Iterator() (storage.Iterator, error) {
	return nil, errors.New("rows are iterated through Host.Scan")
}

// IteratorWithRange implements storage.Storage.
func (s *gokaStorage) IteratorWithRange(_, _ []byte) (storage.Iterator, error) { return s.Iterator() }

// topicManager answers Goka's questions. Topics are made by others: one that is
// missing is an error.
type topicManager struct{ run *run }

// EnsureTableExists implements goka.TopicManager: the composite table is no topic.
func (topicManager) EnsureTableExists(string, int) error { return nil }

// EnsureStreamExists implements goka.TopicManager: the loop is checked with the
// other topics, where it is one.
func (topicManager) EnsureStreamExists(string, int) error { return nil }

// EnsureTopicExists implements goka.TopicManager.
func (topicManager) EnsureTopicExists(string, int, int, map[string]string) error { return nil }

// Partitions implements goka.TopicManager.
func (m topicManager) Partitions(topic string) ([]int32, error) {
	n, ok := m.run.partitionsOf[topic]
	if !ok {
		return nil, fmt.Errorf("topic %s does not exist: create the topics of the topology first", topic)
	}
	if slices.Contains(m.run.inputs, topic) { // Goka wants them alike, the door's too
		n = m.run.config.Topology.Config.Partitions
	}
	numbers := make([]int32, n)
	for i := range numbers {
		numbers[i] = int32(i)
	}
	return numbers, nil
}

// GetOffset implements goka.TopicManager: oldest and newest are the same, so
// Goka finds its table recovered.
func (topicManager) GetOffset(string, int32, int64) (int64, error) { return 0, nil }

// Close implements goka.TopicManager.
func (topicManager) Close() error { return nil }

// noConsumer stands for the consumer with which Goka would recover tables.
type noConsumer struct{ sarama.Consumer }

// HighWaterMarks implements sarama.Consumer.
func (noConsumer) HighWaterMarks() map[string]map[int32]int64 { return nil }

// Close implements sarama.Consumer.
func (noConsumer) Close() error { return nil }

// Errors implements sarama.ConsumerGroup.
func (r *run) Errors() <-chan error { return nil }

// Close implements sarama.ConsumerGroup.
func (r *run) Close() error { return nil }

// Pause implements sarama.ConsumerGroup.
func (r *run) Pause(map[string][]int32) {}

// Resume implements sarama.ConsumerGroup.
func (r *run) Resume(map[string][]int32) {}

// PauseAll implements sarama.ConsumerGroup.
func (r *run) PauseAll() {}

// ResumeAll implements sarama.ConsumerGroup.
func (r *run) ResumeAll() {}

// carriesTicks reports whether the sources of a topic tick in it: the door, and
// stages in streams that only stages behind them read. Public streams carry
// records only, and a stage does not wait for its own loop.
func carriesTicks(g topologies.Group, t topologies.Topic) bool {
	return t.Writer == "door" || !t.Public && !isLoop(g, t.Name)
}

// isLoop reports whether a stage of g both reads and writes the topic.
func isLoop(g topologies.Group, name string) bool {
	return slices.ContainsFunc(g.Stages, func(s topologies.Stage) bool {
		named := func(t topologies.Topic) bool { return t.Name == name }
		return slices.ContainsFunc(s.Inputs, named) && slices.ContainsFunc(s.Outputs, named)
	})
}
