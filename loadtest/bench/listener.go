package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/schemas"
	"kairos/topologies"
)

// listener reads the answers as anybody would, read committed.
type listener struct {
	client    *kgo.Client
	audiences map[string]int16
	done      chan struct{}

	mu    sync.Mutex
	given map[answer]int
	end   schemas.Instant // later answers are not counted yet
	seen  int             // that last until then, with repetitions
	news  time.Time       // when the last came
	first map[string]time.Time
	err   error
}

// listen begins to read all that has been and will be answered.
func (s *stage) listen(ctx context.Context, c *config) (*listener, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.broker.Address), kgo.ConsumeTopics(topologies.Transitions.Name),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return nil, err
	}
	l := &listener{client: client, end: s.end, audiences: map[string]int16{}, given: map[answer]int{}, news: time.Now(), done: make(chan struct{})}
	for i, a := range c.job.audiences {
		l.audiences[a.name] = int16(i)
	}
	go l.read(ctx)
	return l, nil
}

func (l *listener) close() {
	l.client.Close()
	<-l.done
}

func (l *listener) read(ctx context.Context) {
	defer close(l.done)
	for {
		fetches := l.client.PollFetches(ctx)
		if fetches.IsClientClosed() || ctx.Err() != nil {
			return
		}
		l.note(fetches, time.Now())
	}
}

func (l *listener) note(fetches kgo.Fetches, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fetches.EachRecord(func(r *kgo.Record) {
		t, err := topologies.Transitions.Codec.Decode(r.Value)
		if err != nil {
			l.err = fmt.Errorf("%s/%d at %d: %w", r.Topic, r.Partition, r.Offset, err)
			return
		}
		a := answer{audience: -1, entered: t.Entered, at: t.At()}
		if n, ok := l.audiences[t.Audience]; ok {
			a.audience = n
		}
		if n, err := strconv.ParseInt(strings.TrimPrefix(t.Person, "person-"), 10, 32); err == nil {
			a.person = int32(n)
		} else {
			a.person = math.MaxInt32
		}
		if l.given[a]++; a.at <= l.end {
			l.seen += l.lasts(a)
		}
		l.news = now
		if _, twice := l.first[t.EventID]; l.first != nil && t.EventID != "" && !twice {
			l.first[t.EventID] = now
		}
	})
}

// time begins to note when the answers to so many events come.
func (l *listener) time(events int) {
	first := make(map[string]time.Time, events) // which grows no more: that would take a CPU from who is measured
	l.mu.Lock()
	defer l.mu.Unlock()
	l.first = first
}

// timed is what has been noted, by event, and ends it.
func (l *listener) timed() map[string]time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := l.first
	l.first = nil
	return first
}

// count counts answers until a later end.
func (l *listener) count(end schemas.Instant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end, l.seen = end, 0
	for a, n := range lasting(l.given) {
		if a.at <= end {
			l.seen += n
		}
	}
}

// lasts is by how many answers more last now that one has come.
func (l *listener) lasts(a answer) int {
	if l.given[a] <= l.given[a.other()] {
		return -1
	}
	return 1
}

// all returns when so many answers have come, or none for so long that none
// will.
func (l *listener) all(ctx context.Context, want int) error {
	const silence = 20 * time.Second
	return l.until(ctx, func(seen int, still time.Duration) bool { return seen >= want || still > silence })
}

// quiet returns when none has come for a time.
func (l *listener) quiet(ctx context.Context, silence time.Duration) error {
	return l.until(ctx, func(_ int, still time.Duration) bool { return still > silence })
}

func (l *listener) until(ctx context.Context, holds func(seen int, still time.Duration) bool) error {
	begun := time.Now()
	for {
		l.mu.Lock()
		seen, still, err := l.seen, min(time.Since(l.news), time.Since(begun)), l.err
		l.mu.Unlock()
		if err != nil || holds(seen, still) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// answers are those until the end, and how many with repetitions.
func (l *listener) answers() (given map[answer]int, seen int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	given = map[answer]int{}
	for a, n := range l.given {
		if a.at <= l.end {
			given[a] = n
		}
	}
	return given, l.seen
}
