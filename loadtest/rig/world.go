package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"kairos/loadtest/binary"
	"kairos/loadtest/kafka"
	"kairos/loadtest/loopback"
	"kairos/loadtest/population"
	"kairos/schemas"
	"kairos/topologies"
)

// World is a broker, a kairos and a population, for one run.
type World struct {
	Config
	dir       string
	broker    *kafka.Broker
	brokerPID int
	topology  *topologies.Topology
	people    *population.Population
	feeder    *feeder
	watcher   *watcher
	admin     *kadm.Client
	beacons   int    // sent so far
	on        []bool // whether a person's beacon is on

	mu      sync.Mutex // over what follows: instances come and go beside a load
	running []running
	past    Usage // of processes that have gone
}

// Open starts everything but kairos itself.
func Open(ctx context.Context, c Config) (w *World, err error) {
	if c.People < closers { // somebody's beacon would go on and off within a millisecond, and attributes have no order there
		return nil, fmt.Errorf("-people %d: the stopwatch needs %d", c.People, closers)
	}
	if c.Patience == 0 {
		c.Patience = 10 * time.Minute
	}
	if c.Bar == nil {
		c.Bar = NewBar(os.Stderr)
	}
	w = &World{Config: c, on: make([]bool, c.People)}
	if w.dir, err = os.MkdirTemp("", "kairos-load-"); err != nil {
		return nil, err
	}
	opened := w // what is returned with an error is nil
	defer func() {
		if err != nil {
			err = errors.Join(err, opened.Close())
		}
	}()
	if w.people, err = population.New(c.People, c.Seed); err != nil {
		return nil, err
	}
	if w.topology, err = topologies.New(topologies.Config{Partitions: int32(c.Partitions), Replication: 1, Chained: !c.Separate}); err != nil {
		return nil, err
	}
	if w.Binary == nil {
		if w.Binary, err = binary.Build(ctx, w.dir); err != nil {
			return nil, err
		}
	}
	if w.broker, err = kafka.Open(filepath.Join(w.dir, "kafka"), c.Settings...); err != nil {
		return nil, err
	}
	w.brokerPID = w.broker.PID()
	if err := w.Define(ctx, w.Definitions); err != nil {
		return nil, err
	}
	return w, w.connect(ctx, w.broker.Address)
}

// connect opens both ends: where events go in and transitions come out.
func (w *World) connect(ctx context.Context, brokers string) (err error) {
	if w.feeder, err = newFeeder(brokers); err != nil {
		return err
	}
	w.admin = kadm.NewClient(w.feeder.client)
	w.watcher, err = newWatcher(ctx, brokers, w.Observe)
	return err
}

// Define publishes the definitions of a folder, and makes the topics that are
// not there yet.
func (w *World) Define(ctx context.Context, folder string) error {
	size := append([]string{"--brokers", w.broker.Address, "--partitions", strconv.Itoa(w.Partitions)}, w.chaining()...)
	if _, err := w.Binary.Run(ctx, append([]string{"apply", "-f", folder}, size...)...); err != nil {
		return err
	}
	_, err := w.Binary.Run(ctx, append([]string{"topology", "apply"}, size...)...)
	return err
}

// Grow gives the live topology more partitions, and returns what the command
// said, as JSON.
func (w *World) Grow(ctx context.Context, partitions int) (string, error) {
	return w.Binary.Run(ctx, "topology", "grow", "--brokers", w.broker.Address, "--partitions", strconv.Itoa(partitions), "--json")
}

// Feed sends an event as the door would.
func (w *World) Feed(ctx context.Context, e *schemas.Event) error { return w.feeder.feed(ctx, e) }

// Close ends all processes and deletes what they left.
func (w *World) Close() error {
	problems := []error{w.Stop()}
	if w.watcher != nil {
		w.watcher.close()
	}
	w.Bar.End()
	if w.feeder != nil {
		w.feeder.client.Close()
	}
	if w.broker != nil {
		problems = append(problems, w.broker.Close())
	}
	return errors.Join(append(problems, os.RemoveAll(w.dir))...)
}

// running is a kairos process, and where it serves its profiles.
type running struct {
	*binary.Process
	name string
	rim  string
}

// Start runs kairos, in one process or in one per stage.
func (w *World) Start() error {
	var words [][]string // by process
	for _, s := range w.topology.Stages() {
		words = append(words, []string{s.Word})
	}
	if !w.Separate {
		words = [][]string{slices.Concat(words...)}
	}
	for _, stages := range words {
		if err := w.launch(strings.Join(stages, "-"), stages); err != nil {
			return err
		}
	}
	return nil
}

// launch starts a process that runs stages.
func (w *World) launch(name string, stages []string) error {
	r := running{name: name}
	var err error
	if r.rim, err = loopback.Free(1); err != nil {
		return err
	}
	args := []string{"run", "--brokers", w.broker.Address, "--state", filepath.Join(w.dir, "state", name), "--metrics", r.rim, "--api="}
	if w.Static {
		args = append(args, "--instance", name)
	}
	args = append(append(args, w.chaining()...), stages...)
	if r.Process, err = w.Binary.Start(filepath.Join(w.dir, name+".log"), args...); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = append(w.running, r)
	return nil
}

// processes are those that are to run now.
func (w *World) processes() []running {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.running)
}

func (w *World) chaining() []string {
	if w.Separate {
		return []string{"--unchained"}
	}
	return nil
}

// patience is how long a process may take to end in good order.
const patience = 30 * time.Second

// Stop ends kairos in good order.
func (w *World) Stop() error {
	var problems []error
	for _, p := range w.processes() {
		problems = append(problems, p.Stop(patience))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = nil
	return errors.Join(problems...)
}

func (w *World) pids() []int {
	var pids []int
	for _, p := range w.processes() {
		pids = append(pids, p.PID)
	}
	return pids
}

// alive is an error if one of kairos' processes has ended by itself.
func (w *World) alive() error {
	for _, p := range w.processes() {
		select {
		case <-p.Ended():
			return fmt.Errorf("kairos (process %d) has ended; the end of its log:\n%s", p.PID, p.LogTail())
		default:
		}
	}
	return nil
}

// next is something that somebody of the population does.
func (w *World) next(at schemas.Instant) *schemas.Event {
	e := w.people.Next(at)
	if w.Furnish != nil {
		w.Furnish(e)
	}
	return e
}

// light sends a beacon for the next person in line and returns its event id.
// People take turns, so that nobody's beacon is asked to do two things at once.
func (w *World) light(ctx context.Context) (string, error) {
	number := w.beacons % w.Config.People
	w.beacons++
	w.on[number] = !w.on[number]
	e := w.people.Beacon(number, w.on[number], schemas.InstantOf(time.Now()))
	return e.ID, w.feeder.feed(ctx, e)
}

// closers end what was fed: beacons enough that every partition of the door and of
// every stage behind it has some among them; when all have been seen, all that
// was fed before them is done.
const closers = 1_000

func (w *World) lightMany(ctx context.Context) ([]string, error) {
	var ids []string
	for range closers {
		id, err := w.light(ctx)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, w.feeder.flush(ctx)
}

// progress is how many of the door's records the first stage has committed.
func (w *World) progress(ctx context.Context) (int64, error) {
	lags, err := w.admin.Lag(ctx, w.topology.Groups[0].Name)
	if err = errors.Join(err, lags.Error()); err != nil {
		return 0, fmt.Errorf("progress of %s: %w", w.topology.Groups[0].Name, err)
	}
	var sum int64
	for _, lag := range lags[w.topology.Groups[0].Name].Lag[topologies.Events.Name] {
		sum += max(lag.Commit.At, 0)
	}
	return sum, nil
}

// behind is how many records all groups together have not committed yet.
func (w *World) behind(ctx context.Context) (int64, error) {
	var sum int64
	for _, g := range w.topology.Groups {
		lags, err := w.admin.Lag(ctx, g.Name)
		if err = errors.Join(err, lags.Error()); err != nil {
			return 0, fmt.Errorf("lag of %s: %w", g.Name, err)
		}
		sum += lags[g.Name].Lag.Total()
	}
	return sum, nil
}
