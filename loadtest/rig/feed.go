package rig

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/schemas"
	"kairos/topologies"
)

// feeder writes events as the door would.
type feeder struct {
	client *kgo.Client
	fed    int64 // events

	mu    sync.Mutex
	first error // that a broker answered
}

func newFeeder(brokers string) (*feeder, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(brokers),
		kgo.DefaultProduceTopic(topologies.Events.Name),
		kgo.ProducerLinger(0), // the latency of others is measured, not ours
	)
	if err != nil {
		return nil, err
	}
	return &feeder{client: client}, nil
}

// feed sends an event off; flush tells how it went.
func (f *feeder) feed(ctx context.Context, e *schemas.Event) error {
	value, err := topologies.Events.Codec.Append(nil, e)
	if err != nil {
		return err
	}
	f.fed++
	record := &kgo.Record{Key: []byte(e.Identifiers[0].String()), Value: value}
	f.client.Produce(ctx, record, func(_ *kgo.Record, err error) {
		if err != nil {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.first == nil {
				f.first = err
			}
		}
	})
	return nil
}

// flush returns when everything has been acknowledged, or the first problem.
func (f *feeder) flush(ctx context.Context) error {
	if err := f.client.Flush(ctx); err != nil {
		return fmt.Errorf("feed: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.first != nil {
		return fmt.Errorf("feed: %w", f.first)
	}
	return nil
}
