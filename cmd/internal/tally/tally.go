// Package tally counts who is in which audience by listening to the public
// stream of transitions, as any reader outside would.
//
// In: kairos.segment.transitions, read committed. Out: a [Count] for each
// audience. State: the counts. Laws: a transition counts once; size = entered
// - exited.
//
// Not here: why somebody entered (cmd/internal/lookup).
package tally

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/cluster"
	"kairos/schemas"
	"kairos/topologies"
)

// Count is what happened to one audience.
type Count struct {
	Name    string `json:"name"`
	Size    int    `json:"size"`
	Entered int    `json:"entered"`
	Exited  int    `json:"exited"`
}

// Tally counts transitions. It may be used by many goroutines.
type Tally struct {
	mutex  sync.Mutex
	counts map[string]*Count
	seen   int
	newest schemas.Instant
	next   map[int32]int64           // offset after the last record, per partition
	at     map[int32]schemas.Instant // of the last cause, per partition
}

// New makes a tally of nothing.
func New() *Tally {
	return &Tally{counts: map[string]*Count{}, next: map[int32]int64{}, at: map[int32]schemas.Instant{}}
}

// Expect lists audiences, so that they count even while nobody has entered.
func (t *Tally) Expect(audiences ...string) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for _, a := range audiences {
		t.count(a)
	}
}

func (t *Tally) count(audience string) *Count {
	c := t.counts[audience]
	if c == nil {
		c = &Count{Name: audience}
		t.counts[audience] = c
	}
	return c
}

// Add counts one transition.
func (t *Tally) Add(transition *schemas.Transition) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	c := t.count(transition.Audience)
	if transition.Entered {
		c.Entered++
		c.Size++
	} else {
		c.Exited++
		c.Size--
	}
	t.seen++
	t.newest = max(t.newest, transition.Cause)
}

// Counts returns the counts by name.
func (t *Tally) Counts() []Count {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	all := make([]Count, 0, len(t.counts))
	for _, c := range t.counts {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b Count) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Seen is how many transitions were counted, and the newest time of a cause.
func (t *Tally) Seen() (int, schemas.Instant) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.seen, t.newest
}

// Slowest is the time of the last cause in the partition that is furthest
// behind: all others have come that far too.
func (t *Tally) Slowest() schemas.Instant {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	var slowest schemas.Instant
	for _, at := range t.at {
		if slowest == 0 || at < slowest {
			slowest = at
		}
	}
	return slowest
}

// Listen adds every transition of a cluster, those of the past first, until
// ctx ends; then it returns nil.
func (t *Tally) Listen(ctx context.Context, client *cluster.Client) error {
	reader, err := kgo.NewClient(append(client.Opts(),
		kgo.ConsumeTopics(topologies.Transitions.Name),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // for Reached
		kgo.FetchMaxWait(200*time.Millisecond))...)
	if err != nil {
		return fmt.Errorf("listen to transitions: %w", err)
	}
	defer reader.Close()
	for {
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		for _, e := range fetches.Errors() {
			return fmt.Errorf("listen to transitions, partition %d: %w", e.Partition, e.Err)
		}
		for _, r := range fetches.Records() {
			if err := t.take(r); err != nil {
				return err
			}
		}
	}
}

func (t *Tally) take(r *kgo.Record) error {
	var transition *schemas.Transition
	if !r.Attrs.IsControl() && string(r.Key) != schemas.TickKey {
		var err error
		transition, err = topologies.Transitions.Codec.Decode(r.Value)
		if err != nil {
			return fmt.Errorf("transition at %d/%d: %w", r.Partition, r.Offset, err)
		}
		t.Add(transition)
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if transition != nil {
		t.at[r.Partition] = transition.Cause
	}
	t.next[r.Partition] = r.Offset + 1
	return nil
}

// Reached reports whether everything before the given ends was counted.
func (t *Tally) Reached(ends kadm.ListedOffsets) bool {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for partition, end := range ends[topologies.Transitions.Name] {
		if t.next[partition] < end.Offset {
			return false
		}
	}
	return true
}

// CatchUp returns once everything that is on the topic now was counted.
func (t *Tally) CatchUp(ctx context.Context, client *cluster.Client) error {
	ends, err := client.Admin().ListCommittedOffsets(ctx, topologies.Transitions.Name)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("find the end of the transitions: %w", err)
	}
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !t.Reached(ends) {
		select {
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
