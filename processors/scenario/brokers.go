package scenario

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/processors/definition"
	"kairos/processors/host"
	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// patience is how long a world on brokers may take to come to rest.
const patience = 60 * time.Second

// Brokers is a world on Kafka, embedded or real: a host per group.
type Brokers struct {
	shape    Shape
	runners  Runners
	kafka    []kgo.Opt
	stateDir string // where hosts keep rows; empty: in memory

	topology *topologies.Topology
	plan     *definition.Plan
	writer   *kgo.Client
	admin    *kadm.Client
	reader   *reader
	hosts    []*working
	drops    map[stage.Drop]int // of hosts that have ended
	grown    int32              // partitions of what grows; 0: as shaped
}

// working is a host and how to end it.
type working struct {
	*host.Host
	group    topologies.Group
	registry *prometheus.Registry
	stop     context.CancelFunc
	done     chan error
}

// NewBrokers makes a world on the brokers that options lead to. They must hold
// no topic of kairos.
func NewBrokers(shape Shape, runners Runners, stateDir string, kafka ...kgo.Opt) (*Brokers, error) {
	writer, err := kgo.NewClient(append(slices.Clone(kafka), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(topologies.MaxBatchBytes), kgo.MetadataMinAge(10*time.Millisecond))...)
	if err != nil {
		return nil, err
	}
	return &Brokers{
		shape: shape, runners: runners, kafka: kafka, stateDir: stateDir,
		writer: writer, admin: kadm.NewClient(writer), drops: map[stage.Drop]int{},
	}, nil
}

// Follow is as World says. Hosts that write other topics than before are made
// anew; then all of them sweep, group after group.
func (b *Brokers) Follow(plan *definition.Plan) error {
	config := topologies.Config{Partitions: max(b.grown, b.shape.Partitions), Replication: 1, Chained: b.shape.Chained}
	for _, d := range plan.Destinations {
		config.Destinations = append(config.Destinations, d.Name)
	}
	topology, err := topologies.New(config)
	if err != nil {
		return err
	}
	first := b.topology == nil
	other := first || !slices.Equal(config.Destinations, b.topology.Config.Destinations)
	if b.plan = plan; other {
		if err := b.stop(); err != nil {
			return err
		}
		b.topology = topology
		if err := b.createTopics(); err != nil {
			return err
		}
		if err := b.start(); err != nil {
			return err
		}
	}
	if first {
		return b.Settle()
	}
	// All follow before any sweeps: what profile tells again must find stages
	// that ask for it.
	for _, sweeping := range []bool{false, true} {
		for _, h := range b.hosts {
			if err := h.redefine(b.runners, plan, sweeping); err != nil {
				return err
			}
			if err := b.Settle(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *working) redefine(runners Runners, plan *definition.Plan, sweeping bool) error {
	runner, err := runners(w.group, plan)
	if err != nil {
		return err
	}
	var words []string
	for _, s := range w.group.Stages {
		if sweeping {
			words = append(words, s.Word)
		}
	}
	return w.Redefine(runner, 0, words...)
}

func (b *Brokers) createTopics() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, topic := range b.topology.Topics() {
		settings := map[string]*string{}
		for _, s := range b.topology.Settings(topic) {
			settings[s.Name] = &s.Value
		}
		made, err := b.admin.CreateTopic(ctx, b.topology.PartitionsOf(topic), 1, settings, topic.Name)
		if errors.Is(made.Err, kerr.TopicAlreadyExists) {
			continue // of an earlier plan
		}
		if err = errors.Join(err, made.Err); err != nil {
			return fmt.Errorf("create %s: %w", topic.Name, err)
		}
	}
	var names []string
	for _, topic := range b.topology.Topics() {
		names = append(names, topic.Name)
	}
	for { // a new topic may have no leader yet
		ends, err := b.admin.ListEndOffsets(ctx, names...)
		if err = errors.Join(err, ends.Error()); err == nil {
			break
		} else if !errors.Is(err, kerr.UnknownTopicOrPartition) && !errors.Is(err, kerr.NotLeaderForPartition) && !errors.Is(err, kerr.LeaderNotAvailable) {
			return fmt.Errorf("new topics: %w", err)
		}
	}
	var err error
	if b.reader == nil {
		b.reader, err = newReader(b.kafka)
	}
	return err
}

func (b *Brokers) start() error {
	for _, group := range b.topology.Groups {
		h, err := b.newHost(group)
		if err != nil {
			return err
		}
		b.hosts = append(b.hosts, h)
	}
	return nil
}

func (b *Brokers) newHost(group topologies.Group) (*working, error) {
	c := host.DefaultConfig()
	c.Kafka, c.Group, c.Topology = b.kafka, group, b.topology
	if b.stateDir != "" {
		c.StateDir = filepath.Join(b.stateDir, group.Name)
	}
	c.Producers = 2
	registry := prometheus.NewRegistry()
	c.Registerer = registry
	var err error
	if c.Runner, err = b.runners(group, b.plan); err != nil {
		return nil, err
	}
	h, err := host.New(c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &working{h, group, registry, cancel, make(chan error, 1)}
	go func() { w.done <- h.Run(ctx) }()
	return w, nil
}

// stop ends all hosts.
func (b *Brokers) stop() error {
	var errs []error
	for _, h := range b.hosts {
		h.stop()
		errs = append(errs, <-h.done)
		h.addDrops(b.drops)
	}
	b.hosts = nil
	return errors.Join(errs...)
}

// Settle waits until every host has nothing left to do; one that ends instead
// is an error.
func (b *Brokers) Settle() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var hosts []*host.Host
	for _, h := range b.hosts {
		hosts = append(hosts, h.Host)
		go func() {
			err := <-h.done
			h.done <- err
			cancel()
		}()
	}
	err := host.Drain(ctx, hosts...)
	for _, h := range b.hosts {
		select {
		case ended := <-h.done:
			h.done <- ended
			err = errors.Join(err, fmt.Errorf("the host of %s ended: %w", h.group.Name, ended))
		default:
		}
	}
	return err
}

// Send is as World says.
func (b *Brokers) Send(records ...Input) error {
	if err := b.Put(records...); err != nil {
		return err
	}
	return b.Settle()
}

// Tick is as World says.
func (b *Brokers) Tick(t schemas.Instant) error {
	if err := b.PutTick(t); err != nil {
		return err
	}
	return b.Settle()
}

// Put leaves records in their topics and does not wait for what they cause.
func (b *Brokers) Put(records ...Input) error {
	var all []*kgo.Record
	for _, r := range records {
		n := partitionOf(string(r.Key), int(b.shape.Partitions))
		all = append(all, &kgo.Record{Topic: r.Topic, Partition: n, Key: r.Key, Value: r.Value})
	}
	return b.produce(all)
}

// PutTick leaves the tick in the door's topic.
func (b *Brokers) PutTick(t schemas.Instant) error {
	value, err := schemas.TickCodec.Append(nil, &schemas.Tick{Source: topologies.Events.Writer, Time: t})
	if err != nil {
		return err
	}
	var all []*kgo.Record
	for n := range b.shape.Partitions {
		all = append(all, &kgo.Record{Topic: topologies.Events.Name, Partition: n, Key: []byte(schemas.TickKey), Value: value})
	}
	return b.produce(all)
}

func (b *Brokers) produce(records []*kgo.Record) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return b.writer.ProduceSync(ctx, records...).FirstErr()
}

// Restart is as World says.
func (b *Brokers) Restart() error {
	if err := b.Interrupt(); err != nil {
		return err
	}
	return b.Settle()
}

// Interrupt ends all hosts in the middle of whatever they do and starts them
// again.
func (b *Brokers) Interrupt() error {
	if err := b.stop(); err != nil {
		return err
	}
	return b.start()
}

// Grow gives the world more partitions, whatever its hosts do. Polite, they are
// stopped before; otherwise they are put out of their groups.
func (b *Brokers) Grow(partitions int32, polite bool) error {
	if polite {
		if err := b.stop(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	g := host.DefaultGrowing()
	g.Kafka, g.Topology, g.Partitions, g.Patience, g.Longest = b.kafka, b.topology, partitions, 0, time.Minute
	if _, err := host.Grow(ctx, g); err != nil {
		return err
	}
	for _, h := range b.hosts { // they find out by themselves
		if err := <-h.done; !errors.Is(err, host.ErrResized) {
			return fmt.Errorf("a host that was put out ended with %v", err)
		}
		h.addDrops(b.drops)
	}
	b.hosts, b.grown = nil, partitions
	config := b.topology.Config
	config.Partitions = partitions
	var err error
	if b.topology, err = topologies.New(config); err != nil {
		return err
	}
	return b.start()
}

// Read is as World says.
func (b *Brokers) Read(topic string) ([]stage.Message, error) {
	if !slices.ContainsFunc(b.topology.Topics(), func(t topologies.Topic) bool { return t.Name == topic }) {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return b.reader.read(ctx, topic)
}

// Rows is as World says.
func (b *Brokers) Rows(table string) (map[string][]byte, error) {
	rows := map[string][]byte{}
	for _, h := range b.hosts {
		if !slices.ContainsFunc(h.group.Stages, func(s topologies.Stage) bool { return s.Table.Name == table }) {
			continue
		}
		if err := h.Scan(table, "", func(key string, value []byte) bool {
			if !strings.HasPrefix(key, "\x00") {
				rows[key] = slices.Clone(value)
			}
			return true
		}); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// Drops is as World says.
func (b *Brokers) Drops() map[stage.Drop]int {
	all := maps.Clone(b.drops)
	for _, h := range b.hosts {
		h.addDrops(all)
	}
	return all
}

func (w *working) addDrops(to map[stage.Drop]int) {
	families, err := w.registry.Gather()
	if err != nil {
		return
	}
	for _, family := range families {
		if family.GetName() != "kairos_host_drops_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			to[stage.Drop{Stage: labels["stage"], Reason: labels["reason"]}] += int(metric.GetCounter().GetValue())
		}
	}
}

// Close ends the hosts and deletes what the world made.
func (b *Brokers) Close() error {
	err := b.stop()
	if b.reader != nil {
		b.reader.client.Close()
	}
	if b.topology != nil {
		err = errors.Join(err, b.clear())
	}
	b.writer.Close()
	return err
}

func (b *Brokers) clear() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var groups, topics []string
	for _, g := range b.topology.Groups {
		groups = append(groups, g.Name)
	}
	for _, t := range b.topology.Topics() {
		topics = append(topics, t.Name)
	}
	_, err := b.admin.DeleteGroups(ctx, groups...)
	if _, gone := b.admin.DeleteTopics(ctx, topics...); gone != nil {
		err = errors.Join(err, gone)
	}
	return err
}
