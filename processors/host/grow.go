package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/schemas"
	"kairos/topologies"
)

// Growing is what Grow needs. DefaultGrowing sets what has a default.
type Growing struct {
	Kafka      []kgo.Opt            // how to reach the brokers
	Topology   *topologies.Topology // as it is
	Partitions int32                // as it is to be: a multiple of what it is, or a whole part of it

	Patience time.Duration // that hosts have to end by themselves
	Await    time.Duration // that they have to work again, in which Grow looks on; 0: it does not
	Longest  time.Duration // after which the broker aborts a growth that has died; at most its transaction.max.timeout.ms
	Now      func() time.Time
	Logger   *slog.Logger
	Progress func(GrowthProgress)
}

// DefaultGrowing is what production starts from.
func DefaultGrowing() Growing {
	return Growing{
		Patience: 15 * time.Second, Longest: 15 * time.Minute, Now: time.Now,
		Logger: slog.New(slog.DiscardHandler), Progress: func(GrowthProgress) {},
	}
}

// The steps of a growth, in their order. From StepFence on hosts stand still.
const (
	StepPartitions = "partitions" // Kafka makes them
	StepRows       = "rows"       // are copied while hosts work
	StepFence      = "fence"      // hosts end
	StepRest       = "rest"       // of the rows, and what is not yet read
	StepCommit     = "commit"     // brokers take it, and offsets with it
	StepHosts      = "hosts"      // begin anew, until all of them have committed something
)

// GrowthProgress says how far a growth is.
type GrowthProgress struct {
	Step  string  `json:"step"`
	Done  int64   `json:"done"` // of StepRows and StepRest: records of tables that are read
	Total int64   `json:"total"`
	Took  float64 `json:"took_seconds,omitempty"` // of a step that is over
}

// GrowthStep is a step that is over.
type GrowthStep struct {
	Step    string  `json:"step"`
	Seconds float64 `json:"seconds"`
}

// Grown is what a growth did.
type Grown struct {
	Partitions int32         `json:"partitions"`
	Topics     []string      `json:"topics"`    // that have got partitions
	Rows       int64         `json:"rows"`      // moved
	Late       int64         `json:"late"`      // records of tables that were copied behind the fence
	Records    int64         `json:"records"`   // of loops and streams, not yet read, put where they are read now
	PutOut     int           `json:"put_out"`   // hosts that did not end by themselves
	Paused     time.Duration `json:"paused_ns"` // from the fence to the switch
	Working    bool          `json:"working"`   // hosts, of whom there were some before, were seen to work again
	Steps      []GrowthStep  `json:"steps"`
}

// GrowthError says why a growth cannot be, and the next move.
type GrowthError struct{ What string }

func (e *GrowthError) Error() string { return e.What }

func refuseGrowth(format string, args ...any) error {
	return &GrowthError{fmt.Sprintf(format, args...)}
}

const growthID = "kairos.operator-grow" // transactional: only the newest who grows can commit

// Grow gives the tables, and the streams between stages, more partitions, or
// fewer. For more it copies rows there while hosts work; then it ends them, and
// takes the rest, records not yet read, times and offsets there in one
// transaction, with which the new number counts; see topologies/decisions/0012.
// It may be run again after whatever ended it: it does what is left to do.
func Grow(ctx context.Context, g Growing) (Grown, error) {
	m, err := newMover(ctx, g)
	if err != nil {
		return Grown{}, err
	}
	defer m.client.Close()
	if err := m.check(ctx); err != nil {
		return Grown{}, err
	}
	if err := m.say(ctx, schemas.Growth{Partitions: m.from, Next: g.Partitions}); err != nil {
		return m.grown, fmt.Errorf("say that growth begins: %w", err)
	}
	if err := m.widen(ctx); err != nil {
		return m.grown, err
	}
	if err := m.copyAhead(ctx); err != nil {
		return m.grown, err
	}
	members, err := m.members(ctx)
	if err != nil {
		return m.grown, err
	}
	m.hosts = len(members)
	m.begin(StepFence)
	began := g.Now()
	if err := m.say(ctx, schemas.Growth{Partitions: m.from, Next: g.Partitions, Fenced: true}); err != nil {
		return m.grown, fmt.Errorf("tell hosts to end: %w", err)
	}
	if err := m.fence(ctx); err != nil {
		return m.grown, err
	}
	if err := m.move(ctx); err != nil {
		return m.grown, err
	}
	m.grown.Paused = g.Now().Sub(began)
	m.awaitHosts(ctx)
	m.begin("")
	return m.grown, nil
}

// begin ends the step at work, and begins another one.
func (m *mover) begin(step string) {
	now := m.Now()
	if m.step != "" {
		took := now.Sub(m.since).Seconds()
		m.grown.Steps = append(m.grown.Steps, GrowthStep{m.step, took})
		m.Progress(GrowthProgress{Step: m.step, Took: took})
	}
	if m.step, m.since = step, now; step != "" {
		m.show(0, 0)
	}
}

func (m *mover) show(done, total int64) {
	m.Progress(GrowthProgress{Step: m.step, Done: done, Total: total})
}

// AbortGrowth lets hosts go on with the partitions that they had, and deletes
// copies. Whoever is growing fails. It refuses where the switch has been made.
func AbortGrowth(ctx context.Context, g Growing) error {
	m, err := newMover(ctx, g) // which aborts the other's transaction, or finds it committed
	if err != nil {
		return err
	}
	defer m.client.Close()
	grown, err := ReadGrowth(ctx, g.Kafka)
	switch {
	case err != nil:
		return err
	case grown == nil || grown.Next == 0:
		return refuseGrowth("no growth is under way: there is nothing to abort")
	}
	if err := m.say(ctx, schemas.Growth{Partitions: grown.Partitions}); err != nil {
		return err
	}
	m.from, m.Partitions = grown.Partitions, grown.Next
	left, err := m.leftovers(ctx)
	if err != nil {
		return fmt.Errorf("aborted, but copies are left that the next growth clears away: %w", err)
	}
	return m.clear(ctx, left)
}

// PlanGrowth checks a growth and says which topics would get partitions, and
// about how many records of tables would be read.
func PlanGrowth(ctx context.Context, g Growing) (topics []string, records int64, err error) {
	client, err := kgo.NewClient(slices.Clone(g.Kafka)...)
	if err != nil {
		return nil, 0, err
	}
	defer client.Close()
	m := &mover{Growing: g, client: client, admin: kadm.NewClient(client), home: Partitioner()}
	if err := m.check(ctx); err != nil {
		return nil, 0, err
	}
	topics, err = m.narrow(ctx)
	if err == nil {
		records, err = m.extent(ctx)
	}
	return topics, records, err
}

// mover is one growth.
type mover struct {
	Growing
	client *kgo.Client
	admin  *kadm.Client
	home   func(key []byte, partitions int32) int32
	from   int32                                   // partitions so far
	doors  map[string]int32                        // partitions of the door's topics
	ids    map[string]kadm.TopicID                 // of streams
	bounds map[string]map[int32]bounds             // of tables and streams, once nobody works
	copied map[string]map[int32]int64              // of tables: the offset after the last record that is copied
	moved  map[string]map[int32]map[string]uint16  // by group and old partition: the keys that move, with a bit for each table that has a row
	states map[string]map[int32]*schemas.HostState // by group
	grown  Grown
	total  int64 // of records to be read ahead
	read   int64
	step   string // at work, and since when
	since  time.Time
	hosts  int // that were members before the fence
}

func newMover(ctx context.Context, g Growing) (*mover, error) {
	client, err := kgo.NewClient(append(slices.Clone(g.Kafka),
		kgo.ClientID("kairos-growth"),
		kgo.WithLogger(kafkaLogger{g.Logger}),
		kgo.TransactionalID(growthID),
		kgo.TransactionTimeout(g.Longest),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchMaxBytes(topologies.MaxBatchBytes),
		kgo.MaxBufferedRecords(100_000),
	)...)
	if err != nil {
		return nil, err
	}
	if _, _, err := client.ProducerID(ctx); err != nil {
		client.Close()
		return nil, fmt.Errorf("begin to write as %s: %w", growthID, err)
	}
	m := &mover{
		Growing: g, client: client, admin: kadm.NewClient(client), home: Partitioner(),
		bounds: map[string]map[int32]bounds{}, copied: map[string]map[int32]int64{}, moved: map[string]map[int32]map[string]uint16{},
		states: map[string]map[int32]*schemas.HostState{},
	}
	m.grown.Partitions = g.Partitions
	return m, nil
}

// check looks at what is there, and refuses what cannot be.
func (m *mover) check(ctx context.Context) error {
	grown, err := ReadGrowth(ctx, m.Kafka)
	if err != nil {
		return err
	}
	m.from = m.Topology.Config.Partitions
	if grown != nil {
		m.from = grown.Partitions
	}
	switch to := m.Partitions; {
	case grown != nil && grown.Next != 0 && grown.Next != to:
		return refuseGrowth("a growth from %d to %d partitions is under way: finish it, or abort it, before another one", grown.Partitions, grown.Next)
	case to == m.from:
		return refuseGrowth("%d partitions is what the topology has", to)
	case to < 1 || to < m.from && m.from%to != 0:
		return refuseGrowth("%d is no whole part of the %d partitions that the topology has: choose one of %v", to, m.from, wholeParts(m.from))
	case to > m.from && to%m.from != 0:
		return refuseGrowth("%d is no multiple of the %d partitions that the topology has: choose %d, or %d", to, m.from, to/m.from*m.from+m.from, 2*m.from)
	case len(m.Topology.Groups) > 1 && !m.Topology.Config.Chained:
		return refuseGrowth("the stages of this topology run in groups of their own (--unchained), which cannot get more or fewer partitions: what is unread would be read twice. Choose the number when you make the cluster, or run the stages chained on a new one")
	}
	return m.checkTopics(ctx, grown != nil)
}

func wholeParts(n int32) (parts []int32) {
	for part := int32(1); part < n; part++ {
		if n%part == 0 {
			parts = append(parts, part)
		}
	}
	return parts
}

func (m *mover) checkTopics(ctx context.Context, before bool) error {
	details, err := m.details(ctx, m.inputs()...)
	if err != nil {
		return err
	}
	m.doors = map[string]int32{}
	for _, d := range details {
		have := int32(len(d.Partitions))
		if !m.Topology.Grows(d.Topic) {
			m.doors[d.Topic] = have
		}
		if !m.Topology.Grows(d.Topic) && have > m.Partitions {
			return refuseGrowth("topic %s is public and keeps its %d partitions, and each of them needs a host's: the topology cannot have fewer; one process can own many", d.Topic, have)
		}
		if !before && have != m.from || have > m.from && !m.Topology.Grows(d.Topic) || have < m.from && m.Topology.Grows(d.Topic) {
			return refuseGrowth("topic %s has %d partitions, the topology has %d: somebody has changed that; it cannot grow", d.Topic, have, m.from)
		}
	}
	return nil
}

// details are topics as the cluster has them, not as a cache remembers them.
func (m *mover) details(ctx context.Context, names ...string) (kadm.TopicDetails, error) {
	details, err := m.admin.ListTopics(kadm.WithAuthorizedOps(ctx), names...)
	if err == nil {
		err = details.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("look at topics: %w; create the topics of the topology first", err)
	}
	return details, nil
}

// inputs are all inputs of all groups, and their tables.
func (m *mover) inputs() []string {
	var names []string
	for _, g := range m.Topology.Groups {
		for _, in := range g.Inputs() {
			names = append(names, in.Name)
		}
		for _, s := range g.Stages {
			names = append(names, s.Table.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// growing are the topics that get partitions.
func (m *mover) growing() []string {
	return slices.DeleteFunc(m.inputs(), func(name string) bool { return !m.Topology.Grows(name) })
}

// say commits a growth by itself.
func (m *mover) say(ctx context.Context, g schemas.Growth) error {
	record, err := m.recordOf(g)
	if err != nil {
		return err
	}
	if err := m.client.BeginTransaction(); err != nil {
		return err
	}
	err = m.client.ProduceSync(ctx, record).FirstErr()
	end := kgo.TryCommit
	if err != nil {
		end = kgo.TryAbort
	}
	return errors.Join(err, m.client.EndTransaction(context.WithoutCancel(ctx), end))
}

func (m *mover) recordOf(g schemas.Growth) (*kgo.Record, error) {
	g.Cause = schemas.InstantOf(m.Now())
	value, err := schemas.GrowthCodec.Append(nil, &g)
	return &kgo.Record{Topic: topologies.Growths.Name, Key: []byte("partitions"), Value: value}, err
}

// narrow lists the topics that do not have their new partitions yet.
func (m *mover) narrow(ctx context.Context) ([]string, error) {
	details, err := m.details(ctx, m.growing()...)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range details.Sorted() {
		if int32(len(d.Partitions)) < m.Partitions {
			names = append(names, d.Topic)
		}
	}
	return names, nil
}

// widen adds the partitions and waits until all can be written to. Nobody looks
// at them yet.
func (m *mover) widen(ctx context.Context) error {
	m.begin(StepPartitions)
	names, err := m.narrow(ctx)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		made, err := m.admin.UpdatePartitions(ctx, int(m.Partitions), names...)
		if err == nil {
			err = made.Error()
		}
		if err != nil {
			return fmt.Errorf("add partitions: %w", err)
		}
	}
	m.grown.Topics = names
	return retry(ctx, time.Minute, func() error {
		ends, err := m.admin.ListEndOffsets(ctx, m.growing()...)
		if err = errors.Join(err, ends.Error()); err != nil {
			return err
		}
		for _, name := range m.growing() {
			if have := len(ends[name]); have < int(m.Partitions) {
				return fmt.Errorf("%s has %d partitions so far: %w", name, have, kerr.UnknownTopicOrPartition)
			}
		}
		return nil
	})
}

// extent is how many records the tables hold, about.
func (m *mover) extent(ctx context.Context) (int64, error) {
	var n int64
	for _, g := range m.Topology.Groups {
		for _, s := range g.Stages {
			all, err := boundsOf(ctx, m.admin, s.Table.Name)
			if err != nil {
				return 0, err
			}
			for _, b := range all {
				n += b.end - b.first
			}
		}
	}
	return n, nil
}
