package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/catalog"
	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/deadletters"
	"kairos/cmd/internal/door"
	"kairos/cmd/internal/feed"
	"kairos/cmd/internal/pipeline"
	"kairos/cmd/internal/tally"
	"kairos/processors/definition"
	"kairos/processors/host"
	"kairos/schemas"
	"kairos/topologies"
)

// world is everything that runs. When a part of it fails, all of it ends.
type world struct {
	config   Config
	ctx      context.Context
	stop     context.CancelCauseFunc
	parts    sync.WaitGroup
	broker   *kfake.Cluster
	client   *cluster.Client
	feeder   *feed.Feeder
	pipeline *pipeline.Pipeline
	plan     *definition.Plan
	tally    *tally.Tally
	door     *door.Door
	clock    *clock
	address  string          // of the door
	begins   schemas.Instant // the history
}

func open(ctx context.Context, c Config) (w *world, err error) {
	w = &world{config: c, tally: tally.New(), clock: &clock{}}
	w.ctx, w.stop = context.WithCancelCause(ctx)
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	options := []kfake.Opt{kfake.NumBrokers(1)}
	if c.DataDir != "" {
		options = append(options, kfake.DataDir(filepath.Join(c.DataDir, "broker")))
	}
	if w.broker, err = kfake.NewCluster(options...); err != nil {
		return w, fmt.Errorf("start the embedded broker: %w", err)
	}
	if w.client, err = cluster.Connect(w.ctx, w.broker.ListenAddrs()); err != nil {
		return w, err
	}
	published, topology, err := w.declare()
	if err != nil {
		return w, err
	}
	if w.plan, err = published.Plan(); err != nil {
		return w, err
	}
	for _, a := range w.plan.Audiences {
		w.tally.Expect(a.Name)
	}
	return w, w.start(published, topology)
}

// declare publishes the definitions and creates the topics.
func (w *world) declare() (catalog.Published, *topologies.Topology, error) {
	set, err := Definitions()
	if err != nil {
		return nil, nil, err
	}
	plan, err := set.Compile()
	if err != nil {
		return nil, nil, err
	}
	config := topologies.DefaultConfig()
	config.Partitions, config.Chained = w.config.Partitions, !w.config.Unchained
	for _, d := range plan.Destinations {
		config.Destinations = append(config.Destinations, d.Name)
	}
	topology, err := topologies.New(config)
	if err != nil {
		return nil, nil, err
	}
	if _, err := w.client.Apply(w.ctx, topology); err != nil {
		return nil, nil, err
	}
	if _, err := catalog.Publish(w.ctx, w.client, 0, func(before catalog.Published) ([]schemas.Definition, error) {
		return set.Records(before), nil
	}); err != nil {
		return nil, nil, err
	}
	published, err := catalog.Read(w.ctx, w.client)
	return published, topology, err
}

// start starts the hosts, whoever listens to them, and what feeds them.
func (w *world) start(published catalog.Published, topology *topologies.Topology) (err error) {
	config := pipeline.Config{
		Kafka: []kgo.Opt{kgo.SeedBrokers(w.broker.ListenAddrs()...)}, Topology: topology, Groups: topology.Groups,
		Published: published, Clock: host.Log, Logger: w.config.Log,
	}
	if w.config.DataDir != "" {
		config.StateDir = filepath.Join(w.config.DataDir, "rows")
	}
	if w.pipeline, err = pipeline.New(config); err != nil {
		return err
	}
	if w.feeder, err = feed.New(w.ctx, w.client); err != nil {
		return err
	}
	w.run("stages", w.pipeline.Run)
	w.run("audiences", func(ctx context.Context) error { return w.tally.Listen(ctx, w.client) })
	return nil
}

// run runs a part of the world beside the others.
func (w *world) run(name string, part func(context.Context) error) {
	w.parts.Go(func() {
		if err := part(w.ctx); err != nil && w.ctx.Err() == nil {
			w.stop(fmt.Errorf("%s: %w", name, err))
		}
	})
}

// because replaces the error of an end by its cause.
func (w *world) because(err error) error {
	if cause := context.Cause(w.ctx); err != nil && cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// close ends all parts, those first that need the others. It may be called
// again.
func (w *world) close() {
	w.stop(nil)
	w.parts.Wait()
	if w.feeder != nil {
		w.feeder.Close()
	}
	if w.client != nil {
		w.client.Close()
	}
	if w.broker != nil {
		w.broker.Close()
		w.broker = nil
	}
}

// dealtWith reports whether time has come to t everywhere, everything that it
// brought is done, and the tally knows of it.
func (w *world) dealtWith(t schemas.Instant) (bool, error) {
	if w.pipeline.Time() < t {
		return false, w.ctx.Err()
	}
	settled, err := w.pipeline.Settled(w.ctx, w.client)
	if err != nil || !settled {
		return false, err
	}
	ends, err := w.client.Admin().ListEndOffsets(w.ctx, topologies.Transitions.Name)
	if err != nil {
		return false, fmt.Errorf("find the end of the transitions: %w", err)
	}
	return w.tally.Reached(ends), nil
}

// settle returns when everything that was sent is dealt with.
func (w *world) settle(t schemas.Instant) error {
	for pause := time.NewTicker(2 * time.Millisecond); ; {
		if done, err := w.dealtWith(t); done || err != nil {
			return err
		}
		select {
		case <-pause.C:
		case <-w.ctx.Done():
			return w.ctx.Err()
		}
	}
}

// rows is about how many people there are, quickly.
func (w *world) rows() int {
	rows := 0
	for _, s := range w.pipeline.Statuses() {
		if s.Group != topologies.Identity.Word {
			rows = 0
			for _, p := range s.Partitions {
				rows += p.Rows
			}
		}
	}
	return rows
}

// people counts the people who hold anything.
func (w *world) people() (int, error) {
	people := 0
	var failed error
	err := w.pipeline.Scan(topologies.ProfileTable.Name, func(key string, encoded []byte) bool {
		if key == schemas.HostKey {
			return true
		}
		row, err := topologies.ProfileTable.Codec.Decode(encoded)
		if err != nil {
			failed = fmt.Errorf("row %q of %s: %w", key, topologies.ProfileTable.Name, err)
			return false
		}
		if len(row.Fragments) > 0 {
			people++
		}
		return true
	})
	return people, errors.Join(err, failed)
}

func (w *world) deadLetters() (int, error) {
	letters, err := deadletters.List(w.ctx, w.client, deadletters.Filter{})
	return len(letters), err
}

// openDoor lets events in over HTTP. If the address is taken, any other will do.
func (w *world) openDoor() error {
	client, err := kgo.NewClient(append(door.Options(), kgo.SeedBrokers(w.broker.ListenAddrs()...))...)
	if err != nil {
		return fmt.Errorf("open the door: %w", err)
	}
	w.door = door.New(client, door.Config{Clock: w.clock.now, Rules: func() definition.IdentityRules { return w.plan.Identity }})
	listener, err := net.Listen("tcp", w.config.Door)
	if err != nil {
		if listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return fmt.Errorf("open the door: %w", err)
		}
	}
	w.address = "http://" + listener.Addr().String()
	mux := http.NewServeMux()
	mux.Handle("/v1/events", w.door)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	w.run("door", func(ctx context.Context) error {
		defer client.Close()
		stopped := context.AfterFunc(ctx, func() { server.Close() })
		defer stopped()
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	return nil
}

// clock is the demo's time: it goes on from where the history ended.
type clock struct {
	mutex sync.Mutex
	base  schemas.Instant
	since time.Time
}

func (c *clock) now() schemas.Instant {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.base.Add(time.Since(c.since))
}

func (c *clock) set(t schemas.Instant) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.base, c.since = t, time.Now()
}
