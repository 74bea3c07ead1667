package host

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/schemas"
	"kairos/topologies"
)

// How many partitions count is what the newest growth says; before the first
// one, what all topics have.

// ErrResized says that the topology has, or is about to have, another number
// of partitions than this host was told.
var ErrResized = errors.New("the number of partitions is being changed, or has been: make a new host when it is")

// ReadGrowth is the newest committed growth of the topology; nil before the
// first one.
func ReadGrowth(ctx context.Context, kafka []kgo.Opt) (*schemas.Growth, error) {
	client, err := kgo.NewClient(append(slices.Clone(kafka), kgo.ClientID("kairos-growth"))...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return readGrowth(ctx, kadm.NewClient(client), kafka)
}

// readGrowth costs a question where nothing has ever grown.
func readGrowth(ctx context.Context, admin *kadm.Client, kafka []kgo.Opt) (*schemas.Growth, error) {
	topic := topologies.Growths.Name
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err = errors.Join(err, ends.Error()); err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
		return nil, fmt.Errorf("growth of the topology: %w", err)
	}
	if end, ok := ends.Lookup(topic, 0); err != nil || !ok || end.Offset == 0 {
		return nil, nil
	}
	all, err := boundsOf(ctx, admin, topic)
	if err != nil {
		return nil, err
	}
	var newest *schemas.Growth
	growths := stretches{}
	growths.add(topic, 0, all[0])
	err = readCommitted(ctx, kafka, growths, func(record *kgo.Record) error {
		var err error
		newest, err = schemas.GrowthCodec.Decode(record.Value)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("growth of the topology: %w", err)
	}
	return newest, nil
}

// differs says why a host must not run, by the newest growth.
func (r *run) differs(grown *schemas.Growth) error {
	declared := r.config.Topology.Config.Partitions
	if grown.Lets(declared) {
		return nil
	}
	return fmt.Errorf("%w (%d partitions count, growing to %d; the host was told %d)", ErrResized, grown.Partitions, grown.Next, declared)
}

// useSizes makes partitionsOf what counts, and says why this host must not run
// with that.
func (r *run) useSizes(grown *schemas.Growth) error {
	if err := r.differs(grown); err != nil {
		return err
	}
	declared := r.config.Topology.Config.Partitions
	for _, name := range slices.Concat(r.inputs, r.tables) {
		have, grows := r.partitionsOf[name], r.config.Topology.Grows(name)
		if grown == nil && have != declared || grows && have < declared || !grows && have > declared {
			return fmt.Errorf("topic %s has %d partitions, the topology has %d: they must be equal", name, have, declared)
		}
	}
	for name, have := range r.partitionsOf {
		if r.config.Topology.Grows(name) {
			r.partitionsOf[name] = min(have, declared)
		}
	}
	return nil
}

// checkSizes is asked after the group has given partitions: whoever changes
// their number has said so before it put all members out.
func (r *run) checkSizes(ctx context.Context) (*schemas.Growth, error) {
	grown, err := readGrowth(ctx, r.admin, r.config.Kafka)
	if err != nil {
		return nil, err
	}
	return grown, r.differs(grown)
}

// has reports whether a partition of the group has a part of an input. The
// door's topic may have fewer than the tables.
func (r *run) has(topic string, number int32) bool { return number < r.partitionsOf[topic] }

// keyAt is the key under which a record is worked on. What came through the
// door in a partition that is not its key's must not make a row there; under a
// key that is nobody's, identity sends it on.
func (r *run) keyAt(p *partition, record *kgo.Record) []byte {
	declared := r.config.Topology.Config.Partitions
	if !slices.Contains(r.doors, record.Topic) || r.partitionsOf[record.Topic] == declared || len(record.Key) == 0 ||
		r.partitionFor(record.Key, declared) == p.number {
		return record.Key
	}
	return append([]byte(schemas.AwayKey), record.Key...)
}

// bounds are the first offset of a partition and the one after its last.
type bounds struct{ first, end int64 }

// boundsOf asks for the bounds of all partitions of a topic.
func boundsOf(ctx context.Context, admin *kadm.Client, topic string) (map[int32]bounds, error) {
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err = errors.Join(err, ends.Error()); err != nil {
		return nil, fmt.Errorf("ends of %s: %w", topic, err)
	}
	firsts, err := admin.ListStartOffsets(ctx, topic)
	if err = errors.Join(err, firsts.Error()); err != nil {
		return nil, fmt.Errorf("first offsets of %s: %w", topic, err)
	}
	all := map[int32]bounds{}
	for number, end := range ends[topic] {
		first, _ := firsts.Lookup(topic, number)
		all[number] = bounds{first.Offset, end.Offset}
	}
	return all, nil
}
