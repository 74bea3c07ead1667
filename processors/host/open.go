package host

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/schemas"
)

// unseal opens what doors have sealed, before anything else looks at it. What
// nobody may read any more keeps its place in the topic and is counted.
func (r *run) unseal(fetches kgo.Fetches) error {
	if r.config.Open == nil {
		return nil
	}
	var failed error
	fetches.EachRecord(func(record *kgo.Record) {
		if failed != nil || record.Attrs.IsControl() || string(record.Key) == schemas.TickKey || !slices.Contains(r.doors, record.Topic) {
			return
		}
		key, value, drop, err := r.config.Open(record.Key, record.Value)
		switch {
		case err != nil:
			failed = err
		case drop != "":
			record.Context = context.WithValue(context.Background(), dropKey{}, drop)
		case r.partitionFor(key, r.partitionsOf[record.Topic]) != record.Partition:
			record.Value = value // a dead letter that was sent again: as under a foreign key
		default:
			record.Key, record.Value = key, value
		}
	})
	return failed
}

// dropKey is where a record's context says why it is dropped.
type dropKey struct{}

func dropOf(record *kgo.Record) (reason string, dropped bool) {
	if record.Context == nil {
		return "", false
	}
	reason, dropped = record.Context.Value(dropKey{}).(string)
	return reason, dropped
}
