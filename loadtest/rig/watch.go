package rig

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/schemas"
	"kairos/topologies"
)

const beacon = "beacon" // the audience

// watcher reads the public transitions as anybody would, read committed, and
// notes when it first sees the one that each beacon caused.
type watcher struct {
	client  *kgo.Client
	done    chan struct{}
	observe func(*schemas.Transition, time.Time) // nil: nobody wants to know

	mu          sync.Mutex
	seen        map[string]time.Time // by event id
	transitions int
	err         error
	news        chan struct{} // closed and replaced whenever something was seen
}

func newWatcher(ctx context.Context, brokers string, observe func(*schemas.Transition, time.Time)) (*watcher, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(brokers),
		kgo.ConsumeTopics(topologies.Transitions.Name),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
	)
	if err != nil {
		return nil, err
	}
	w := &watcher{client: client, observe: observe, done: make(chan struct{}), seen: map[string]time.Time{}, news: make(chan struct{})}
	go w.read(ctx)
	return w, nil
}

func (w *watcher) close() {
	w.client.Close()
	<-w.done
}

func (w *watcher) read(ctx context.Context) {
	defer close(w.done)
	for {
		fetches := w.client.PollFetches(ctx)
		if fetches.IsClientClosed() || ctx.Err() != nil {
			return
		}
		w.note(fetches, time.Now())
	}
}

func (w *watcher) note(fetches kgo.Fetches, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fetches.EachError(func(topic string, partition int32, err error) {
		w.err = fmt.Errorf("read %s/%d: %w", topic, partition, err)
	})
	fetches.EachRecord(func(r *kgo.Record) {
		t, err := topologies.Transitions.Codec.Decode(r.Value)
		if err != nil {
			w.err = fmt.Errorf("%s/%d at %d: %w", r.Topic, r.Partition, r.Offset, err)
			return
		}
		w.transitions++
		if w.observe != nil {
			w.observe(t, now)
		}
		if t.Audience != beacon || t.EventID == "" { // those of people who become one have no event
			return
		}
		if _, twice := w.seen[t.EventID]; twice {
			w.err = fmt.Errorf("%s/%d at %d: the transition of %s comes twice", r.Topic, r.Partition, r.Offset, t.EventID)
		}
		w.seen[t.EventID] = now
	})
	close(w.news)
	w.news = make(chan struct{})
}

// count is how many transitions were seen so far.
func (w *watcher) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.transitions
}

// await returns when all beacons were seen, and when each was.
func (w *watcher) await(ctx context.Context, beacons []string) (map[string]time.Time, error) {
	for {
		seen, news, err := w.look(beacons)
		if err != nil || len(seen) == len(beacons) {
			return seen, err
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d beacons were not seen in time", len(beacons)-len(seen), len(beacons))
		}
	}
}

func (w *watcher) look(beacons []string) (map[string]time.Time, <-chan struct{}, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := map[string]time.Time{}
	for _, id := range beacons {
		if at, ok := w.seen[id]; ok {
			seen[id] = at
		}
	}
	return seen, w.news, w.err
}
