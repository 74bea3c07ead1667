package door

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/processors/keyring"
	"kairos/schemas"
	"kairos/topologies"
)

func (d *Door) ring() *keyring.Ring {
	if d.config.Ring == nil {
		return nil
	}
	return d.config.Ring()
}

// unsuppressed leaves out of an event what may not be taken in about erased
// people, and says whether anything is left: an event is about its primary
// identifier; others that are suppressed are not heard of.
func unsuppressed(ring *keyring.Ring, e *schemas.Event) bool {
	if ring == nil {
		return true
	}
	if !ring.Holds(e.Identifiers[0].String()) {
		return false
	}
	e.Identifiers = slices.DeleteFunc(e.Identifiers, func(id schemas.Identifier) bool { return !ring.Holds(id.String()) })
	return true
}

// primaryKey is where a record's context keeps the key that it is partitioned by.
type primaryKey struct{}

// seal makes the record of an event: sealed for a subject, if there is a ring.
// It lies in the partition of its key, though that is not seen any more.
func seal(ring *keyring.Ring, subject, key string, value []byte) (*kgo.Record, error) {
	r := &kgo.Record{Topic: topologies.Events.Name, Key: []byte(key), Value: value}
	if ring == nil {
		return r, nil
	}
	r.Context = context.WithValue(context.Background(), primaryKey{}, r.Key)
	var err error
	r.Key, r.Value, err = ring.Seal(subject, r.Key, r.Value)
	return r, err
}

// Again makes a record of what was on the topic of events before, whatever it
// holds: sealed if there is a ring, as far as its key says whom it is about; nil
// for somebody whom nothing may be taken in about.
func Again(ring *keyring.Ring, key, value []byte) (*kgo.Record, error) {
	if ring != nil && len(key) > 0 && !ring.Holds(string(key)) {
		return nil, nil
	}
	return seal(ring, string(key), string(key), value)
}

// Partitioner puts events where their primary identifier belongs, whatever their
// key in the topic.
func Partitioner() kgo.Opt {
	return kgo.RecordPartitioner(kgo.BasicConsistentPartitioner(ByPrimary))
}

// ByPrimary is Kafka's default partitioner, on the key before it was sealed.
func ByPrimary(topic string) func(*kgo.Record, int) int {
	usual := kgo.StickyKeyPartitioner(nil).ForTopic(topic)
	return func(r *kgo.Record, n int) int {
		if r.Context != nil {
			if key, ok := r.Context.Value(primaryKey{}).([]byte); ok {
				return usual.Partition(&kgo.Record{Key: key}, n)
			}
		}
		return usual.Partition(r, n)
	}
}

// Command puts an operator's word about an erased person on the topic. It is
// sealed for a subject of its own, whose key can be lost when it is done.
func (d *Door) Command(ctx context.Context, subject string, e schemas.Event) error {
	value, err := topologies.Events.Codec.Append(nil, &e)
	if err != nil {
		return err
	}
	record, err := seal(d.ring(), subject, e.Identifiers[0].String(), value)
	if err != nil {
		return err
	}
	return d.send(ctx, []*kgo.Record{record})
}
