package scenario

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/processors/definition"
	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// Pure is a world without Kafka: topics and tables are slices and maps, and
// one goroutine does everything. With a Shuffle it takes from the partitions
// in an order of its own, as consumers that are ahead or behind would.
type Pure struct {
	shape   Shape
	runners Runners
	shuffle *rand.Rand // nil: always the first partition that has something

	topology *topologies.Topology
	topics   map[string][][]stage.Message
	groups   []*pureGroup
	now      schemas.Instant
}

// Runners gives the runner of a group that follows a plan: flow.Runner, or
// toys.
type Runners func(topologies.Group, *definition.Plan) (*stage.Runner, error)

type pureGroup struct {
	runner *stage.Runner
	parts  []*purePart
}

// purePart is one partition of a group.
type purePart struct {
	group   *pureGroup
	number  int32
	offsets map[string]int // by input topic
	tables  map[string]map[string][]byte
	wakes   map[[2]string]schemas.Instant // by table and key
	ticks   map[string]schemas.Instant    // newest, by topic and source
	told    schemas.Instant               // the time that the groups behind know
	drops   map[stage.Drop]int
}

// NewPure makes an empty world. Seed 0 is no shuffle.
func NewPure(shape Shape, runners Runners, seed uint64) *Pure {
	p := &Pure{shape: shape, runners: runners, topics: map[string][][]stage.Message{}}
	if seed != 0 {
		p.shuffle = rand.New(rand.NewPCG(seed, seed))
	}
	return p
}

// Follow is as World says: it sweeps every row.
func (p *Pure) Follow(plan *definition.Plan) error {
	config := topologies.Config{Partitions: p.shape.Partitions, Replication: 1, Chained: p.shape.Chained}
	for _, d := range plan.Destinations {
		config.Destinations = append(config.Destinations, d.Name)
	}
	var err error
	if p.topology, err = topologies.New(config); err != nil {
		return err
	}
	for _, topic := range p.topology.Topics() {
		if p.topics[topic.Name] == nil {
			p.topics[topic.Name] = make([][]stage.Message, p.topology.PartitionsOf(topic))
		}
	}
	for i, group := range p.topology.Groups {
		runner, err := p.runners(group, plan)
		if err != nil {
			return err
		}
		if i == len(p.groups) {
			p.groups = append(p.groups, newPureGroup(p.shape.Partitions))
		}
		p.groups[i].runner = runner
	}
	return p.sweep()
}

func newPureGroup(partitions int32) *pureGroup {
	g := &pureGroup{}
	for n := range partitions {
		g.parts = append(g.parts, &purePart{
			group: g, number: n, offsets: map[string]int{}, tables: map[string]map[string][]byte{},
			wakes: map[[2]string]schemas.Instant{}, ticks: map[string]schemas.Instant{}, drops: map[stage.Drop]int{},
		})
	}
	return g
}

func (p *Pure) sweep() error {
	for _, g := range p.groups {
		for _, s := range g.runner.Group().Stages {
			for _, part := range g.parts {
				for _, key := range slices.Sorted(maps.Keys(part.tables[s.Table.Name])) {
					effects, err := g.runner.Sweep(part, s.Word, key, p.now)
					if err != nil {
						return err
					}
					if err := p.apply(part, effects); err != nil {
						return err
					}
				}
			}
		}
		if err := p.Settle(); err != nil {
			return err
		}
	}
	return nil
}

// Send is as World says.
func (p *Pure) Send(records ...Input) error {
	if err := p.Put(records...); err != nil {
		return err
	}
	return p.Settle()
}

// Tick is as World says.
func (p *Pure) Tick(t schemas.Instant) error {
	if err := p.PutTick(t); err != nil {
		return err
	}
	return p.Settle()
}

// Put leaves records in their topics, for Settle to find.
func (p *Pure) Put(records ...Input) error {
	for _, r := range records {
		if err := p.append(stage.Record{Topic: r.Topic, Key: string(r.Key), PartitionBy: string(r.Key), Value: r.Value}); err != nil {
			return err
		}
	}
	return nil
}

// PutTick leaves the tick in the door's topic.
func (p *Pure) PutTick(t schemas.Instant) error {
	p.now = t
	return p.appendTick(topologies.Events.Topic, schemas.Tick{Source: topologies.Events.Writer, Time: t})
}

// Restart has nothing to lose: whatever a partition knows is in its rows.
func (p *Pure) Restart() error { return nil }

// Close has nothing to close.
func (p *Pure) Close() error { return nil }

// Read is as World says.
func (p *Pure) Read(topic string) ([]stage.Message, error) {
	var all []stage.Message
	for _, partition := range p.topics[topic] {
		for _, m := range partition {
			if m.Key != schemas.TickKey {
				all = append(all, m)
			}
		}
	}
	return all, nil
}

// At is the record at an offset, which must exist.
func (p *Pure) At(topic string, partition int32, offset int64) stage.Message {
	return p.topics[topic][partition][offset]
}

// Topics lists the topics that exist, sorted.
func (p *Pure) Topics() []string { return slices.Sorted(maps.Keys(p.topics)) }

// Rows is as World says.
func (p *Pure) Rows(table string) (map[string][]byte, error) {
	all := map[string][]byte{}
	for _, g := range p.groups {
		for _, part := range g.parts {
			maps.Copy(all, part.tables[table])
		}
	}
	return all, nil
}

// Drops counts what changed nothing, by stage and reason.
func (p *Pure) Drops() map[stage.Drop]int {
	all := map[stage.Drop]int{}
	for _, g := range p.groups {
		for _, part := range g.parts {
			for drop, n := range part.drops {
				all[drop] += n
			}
		}
	}
	return all
}

func (p *Pure) append(r stage.Record) error {
	partitions := p.topics[r.Topic]
	if partitions == nil {
		return fmt.Errorf("topic %s does not exist: the topology does not declare it", r.Topic)
	}
	n := partitionOf(r.PartitionBy, len(partitions))
	partitions[n] = append(partitions[n], stage.Message{
		Topic: r.Topic, Partition: n, Offset: int64(len(partitions[n])), Key: r.Key, Value: r.Value,
	})
	return nil
}

// partitionOf is Kafka's default partitioner; a record without a key goes to
// the first partition, where Kafka would choose any.
func partitionOf(key string, partitions int) int32 {
	if key == "" {
		return 0
	}
	record := &kgo.Record{Key: []byte(key)}
	return int32(kgo.StickyKeyPartitioner(nil).ForTopic("").Partition(record, partitions))
}

func (p *Pure) appendTick(topic topologies.Topic, tick schemas.Tick) error {
	value, err := schemas.TickCodec.Append(nil, &tick)
	if err != nil {
		return err
	}
	for n, partition := range p.topics[topic.Name] {
		p.topics[topic.Name][n] = append(partition, stage.Message{
			Topic: topic.Name, Partition: int32(n), Offset: int64(len(partition)), Key: schemas.TickKey, Value: value,
		})
	}
	return nil
}

// Settle takes from the partitions until none has anything.
func (p *Pure) Settle() error {
	for {
		var waiting []func() error
		for _, g := range p.groups {
			for _, topic := range g.runner.Group().Inputs() {
				for _, part := range g.parts {
					if m, ok := p.next(part, topic); ok {
						waiting = append(waiting, func() error { return p.take(part, topic, m) })
					}
				}
			}
		}
		if len(waiting) == 0 {
			return nil
		}
		n := 0
		if p.shuffle != nil {
			n = p.shuffle.IntN(len(waiting))
		}
		if err := waiting[n](); err != nil {
			return err
		}
	}
}

func (p *Pure) next(part *purePart, topic topologies.Topic) (stage.Message, bool) {
	partitions := p.topics[topic.Name]
	if int(part.number) >= len(partitions) || part.offsets[topic.Name] >= len(partitions[part.number]) {
		return stage.Message{}, false
	}
	return partitions[part.number][part.offsets[topic.Name]], true
}

func (p *Pure) take(part *purePart, topic topologies.Topic, m stage.Message) error {
	part.offsets[topic.Name]++
	if m.Key == schemas.TickKey {
		tick, err := schemas.TickCodec.Decode(m.Value)
		if err != nil {
			return err
		}
		part.ticks[topic.Name+"/"+tick.Source] = tick.Time
		return p.passTime(part)
	}
	effects, err := part.group.runner.Message(part, m)
	if err != nil {
		return err
	}
	return p.apply(part, effects)
}

func (p *Pure) apply(part *purePart, effects stage.Effects) error {
	for _, change := range effects.Rows {
		if part.tables[change.Table] == nil {
			part.tables[change.Table] = map[string][]byte{}
		}
		if change.Value == nil {
			delete(part.tables[change.Table], change.Key)
		} else {
			part.tables[change.Table][change.Key] = change.Value
		}
		part.wakes[[2]string{change.Table, change.Key}] = change.Wake
		if change.Wake == 0 {
			delete(part.wakes, [2]string{change.Table, change.Key})
		}
	}
	for _, drop := range effects.Drops {
		part.drops[drop]++
	}
	for _, record := range effects.Records {
		if err := p.append(record); err != nil {
			return err
		}
	}
	return nil
}

// Row makes a partition the runner's rows.
func (part *purePart) Row(table, key string) ([]byte, error) { return part.tables[table][key], nil }

// passTime fires the wakes up to the partition's time, then tells the time to
// the groups behind.
func (p *Pure) passTime(part *purePart) error {
	t := p.timeOf(part)
	if t <= part.told {
		return nil
	}
	for {
		key, wake := part.firstWake()
		if wake == 0 || wake > t {
			break
		}
		effects, err := part.group.runner.Wake(part, key, wake)
		if err != nil {
			return err
		}
		if err := p.apply(part, effects); err != nil {
			return err
		}
	}
	part.told = t
	group := part.group.runner.Group()
	for _, topic := range group.Outputs() {
		if topic.Public || isLoop(group, topic) {
			continue
		}
		tick := schemas.Tick{Source: fmt.Sprintf("%s/%d", topic.Writer, part.number), Time: t}
		if err := p.appendTick(topic, tick); err != nil {
			return err
		}
	}
	return nil
}

func (part *purePart) firstWake() (string, schemas.Instant) {
	var key string
	var wake schemas.Instant
	for row, at := range part.wakes {
		if wake == 0 || cmp.Or(cmp.Compare(at, wake), cmp.Compare(row[1], key)) < 0 {
			key, wake = row[1], at
		}
	}
	return key, wake
}

// timeOf is the time that all sources of a partition have reached.
func (p *Pure) timeOf(part *purePart) schemas.Instant {
	group := part.group.runner.Group()
	least := schemas.Instant(-1)
	for _, topic := range group.Inputs() {
		for _, source := range p.sources(group, topic) {
			t := part.ticks[topic.Name+"/"+source]
			if least < 0 || t < least {
				least = t
			}
		}
	}
	return max(least, 0)
}

// sources lists who ticks in an input of group. Nobody does in loops and in
// what later stages feed back.
func (p *Pure) sources(group topologies.Group, topic topologies.Topic) []string {
	if topic.Name == topologies.Events.Name {
		return []string{topic.Writer}
	}
	if topic.Public || isLoop(group, topic) {
		return nil
	}
	var all []string
	for n := range p.shape.Partitions {
		all = append(all, fmt.Sprintf("%s/%d", topic.Writer, n))
	}
	return all
}

func isLoop(group topologies.Group, topic topologies.Topic) bool {
	return slices.ContainsFunc(group.Stages, func(s topologies.Stage) bool { return s.Word == topic.Writer }) &&
		slices.ContainsFunc(group.Inputs(), func(t topologies.Topic) bool { return t.Name == topic.Name })
}
