package deadletters

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/door"
	"kairos/processors/delivery"
	"kairos/schemas"
)

// renew replaces what was not delivered by what is true today: a destination's
// topic is the current list, and an old entry put behind a newer exit would make
// it wrong. What a letter took off a list, and today's record does not know of, is
// said by the records that it returns, which go ahead.
func renew(ctx context.Context, client *cluster.Client, letters []Letter, records []*kgo.Record) (ahead []*kgo.Record, err error) {
	newest := map[string]map[string][]byte{} // by topic and key
	for i, l := range letters {
		if l.Stage != delivery.Word {
			continue
		}
		if newest[l.Topic] == nil {
			newest[l.Topic] = map[string][]byte{}
			err := client.Scan(ctx, l.Topic, cluster.EveryPartition, func(r *kgo.Record) error {
				newest[l.Topic][string(r.Key)] = r.Value
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
		there := context.WithValue(ctx, placeKey{}, l.Partition)
		today := newest[l.Topic][string(l.Key)] // nil: forgotten since, and stays so
		records[i].Value, records[i].Context = today, there
		if first := takingOff(l.Value, today); first != nil {
			ahead = append(ahead, &kgo.Record{Topic: l.Topic, Key: l.Key, Value: first, Context: there})
		}
	}
	return ahead, nil
}

// takingOff is today's record with the identifiers that one which was not
// delivered took back, and that do not hold today; nil if there are none.
func takingOff(lost, today []byte) []byte {
	was, err := schemas.ActivationCodec.Decode(lost)
	if err != nil {
		return nil
	}
	is, err := schemas.ActivationCodec.Decode(today)
	if err != nil {
		return nil
	}
	gone := was.Former
	if !was.Entered {
		gone = append(gone, was.Identifiers...)
	}
	gone = slices.DeleteFunc(gone, func(id schemas.Identifier) bool { return slices.Contains(is.Identifiers, id) })
	if len(gone) == 0 {
		return nil
	}
	if is.Entered {
		is.Former = gone
	} else {
		is.Identifiers = append(is.Identifiers, gone...)
	}
	value, err := schemas.ActivationCodec.Append(nil, is)
	if err != nil {
		return nil
	}
	return value
}

// placeKey marks in a record's context the partition that it must go to.
type placeKey struct{}

// whereItWas is the partitioner of the door, but for records that say where they
// were: a destination's topic is keyed finer than it is partitioned, and a person's
// record in another partition would be there for ever.
func whereItWas(topic string) func(*kgo.Record, int) int {
	usual := door.ByPrimary(topic)
	return func(r *kgo.Record, n int) int {
		if place, says := r.Context.Value(placeKey{}).(int32); says && int(place) < n {
			return int(place)
		}
		return usual(r, n)
	}
}
