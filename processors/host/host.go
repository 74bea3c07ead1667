package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/processors/stage"
	"kairos/topologies"
)

// Host runs one group. Its methods may be called from any goroutine.
type Host struct {
	config  Config
	metrics *metrics
	started atomic.Bool
	view    atomic.Pointer[view] // what the owner goroutine last published

	turns  sync.Mutex
	turned chan struct{} // closed after the next turn

	redefining sync.Mutex
	redefined  *redefinition // not yet taken by the owner goroutine
	asked      int           // how often it was asked to redefine
	wake       func()        // ends the owner's wait; nil until it runs

	held atomic.Bool // sweeps make no progress
}

// redefinition is a runner that replaces the one in use, and what to sweep.
type redefinition struct {
	runner *stage.Runner
	rules  int64
	words  []string
	number int
}

// New checks c and prepares a host. Nothing is connected before Run.
func New(c Config) (*Host, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("host of %s: %w", c.Group.Name, err)
	}
	m, err := newMetrics(c.Registerer, c.Group)
	if err != nil {
		return nil, fmt.Errorf("host of %s: %w", c.Group.Name, err)
	}
	h := &Host{config: c, metrics: m, turned: make(chan struct{})}
	h.view.Store(&view{})
	return h, nil
}

// ErrFenced says that another host runs under the same Config.InstanceID.
var ErrFenced = errors.New("another host has taken over this InstanceID: give each host its own")

// Run joins the group and works until ctx ends, then finishes the batch at
// work, leaves and returns nil. An error is a bug or something that only an
// operator can mend; what was not committed will be done again by whoever runs
// next. Run works once per Host.
func (h *Host) Run(ctx context.Context) error {
	if !h.started.CompareAndSwap(false, true) {
		return errors.New("host: Run works once: make a new Host")
	}
	r, err := newRun(ctx, h)
	if err != nil && ctx.Err() != nil {
		return nil // stopped before it had begun
	}
	if err != nil {
		return fmt.Errorf("host of %s: %w", h.config.Group.Name, err)
	}
	defer r.close()
	processor, err := r.processor()
	if err != nil {
		return fmt.Errorf("host of %s: %w", h.config.Group.Name, err)
	}
	h.redefining.Lock()
	h.wake = r.wakeUp
	h.redefining.Unlock()
	err = processor.Run(ctx)
	if err != nil && ctx.Err() != nil && !r.began.Load() {
		return nil // likewise: Goka calls that an error
	}
	if err != nil {
		return fmt.Errorf("host of %s: %w", h.config.Group.Name, err)
	}
	return nil
}

// Redefine makes r the runner from the next batch on and lets the stages with
// the given words sweep over all rows of the partitions that this host owns.
// Rules is the number of what the rows are to be brought up to: a partition
// whose last sweep had the same one goes on with it, or has nothing to do, also
// after a restart or under another owner. 0 sweeps in any case.
func (h *Host) Redefine(r *stage.Runner, rules int64, sweepWords ...string) error {
	if got := r.Group().Name; got != h.config.Group.Name {
		return fmt.Errorf("host of %s: the runner is of group %s", h.config.Group.Name, got)
	}
	for _, word := range sweepWords {
		if !slices.ContainsFunc(h.config.Group.Stages, func(s topologies.Stage) bool { return s.Word == word }) {
			return fmt.Errorf("host of %s: no stage %s to sweep", h.config.Group.Name, word)
		}
	}
	h.redefining.Lock()
	defer h.redefining.Unlock()
	h.asked++
	next := &redefinition{r, rules, slices.Clone(sweepWords), h.asked}
	if h.redefined != nil { // not yet taken: its sweeps are still wanted
		next.words = append(next.words, h.redefined.words...)
	}
	h.redefined = next
	if h.wake != nil {
		h.wake()
	}
	return nil
}

// HoldSweeps makes sweeps stand still where they are, or go on. Meanwhile a row
// is brought up to date by its next record only. It is not remembered: the
// sweeps of a host that starts anew go on.
func (h *Host) HoldSweeps(hold bool) {
	h.held.Store(hold)
	h.redefining.Lock()
	defer h.redefining.Unlock()
	if h.wake != nil {
		h.wake()
	}
}

// follows reports whether what v shows follows from the newest definitions.
func (h *Host) follows(v *view) bool {
	h.redefining.Lock()
	defer h.redefining.Unlock()
	return v.redefinition == h.asked
}

func (h *Host) takeRedefinition() *redefinition {
	h.redefining.Lock()
	defer h.redefining.Unlock()
	next := h.redefined
	h.redefined = nil
	return next
}

// groupOptions are those of the client that reads the inputs.
func (r *run) groupOptions() []kgo.Opt {
	c := r.config
	opts := append(slices.Clone(c.Kafka),
		kgo.ClientID(memberClient+r.instance),
		kgo.WithLogger(kafkaLogger{c.Logger}),
		kgo.ConsumerGroup(c.Group.Name),
		kgo.ConsumeTopics(r.inputs...),
		kgo.Balancers(together{c.Topology.Config.Partitions, func() { go r.endOrphans() }}),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.SessionTimeout(c.SessionTimeout),
		kgo.RebalanceTimeout(c.RebalanceTimeout),
		kgo.HeartbeatInterval(min(c.SessionTimeout/3, heartbeatEvery)),
		kgo.OnPartitionsRevoked(r.lose),
		kgo.OnPartitionsLost(r.lose),
		kgo.AdjustFetchOffsetsFn(r.gain),
	)
	if c.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(c.InstanceID))
	}
	return append(opts, c.fetching()...)
}

// fetching has brokers gather records for as long as the host rests between two
// batches. By default they answer as soon as there is one; the client keeps that
// answer until it is polled, and asks for what came behind it only then, so most
// records would wait for another batch.
func (c Config) fetching() []kgo.Opt {
	const least = 10 * time.Millisecond // that kgo accepts
	if c.Clock != Wall || c.Pace < least {
		return nil
	}
	return []kgo.Opt{kgo.FetchMinBytes(1 << 20), kgo.FetchMaxWait(c.Pace)}
}
