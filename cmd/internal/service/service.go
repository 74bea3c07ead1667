// Package service is `kairos run`: hosts and door against a Kafka cluster,
// following the published definitions until it is told to stop.
//
// In: a cluster, and which parts to run. Out: running parts; metrics, health
// and status over HTTP on loopback. State: the hosts'. Laws: it serves only
// under definitions that are published; what was begun is finished before it
// ends.
//
// Not here: the parts themselves (cmd/internal/pipeline, cmd/internal/door).
package service

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"kairos/cmd/internal/catalog"
	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/collector"
	"kairos/cmd/internal/credential"
	"kairos/cmd/internal/door"
	"kairos/cmd/internal/pipeline"
	"kairos/cmd/internal/profileapi"
	"kairos/processors/definition"
	"kairos/processors/host"
	"kairos/processors/keyring"
	"kairos/schemas"
	"kairos/topologies"
)

// Config says what to run.
type Config struct {
	Client   *cluster.Client
	Kafka    []kgo.Opt                                                                       // how to reach the same cluster
	Topology func(context.Context, *cluster.Client, ...string) (*topologies.Topology, error) // as the cluster and its definitions have it
	Hosts    bool                                                                            // run stages at all
	Stages   []string                                                                        // which; empty: all
	Clock    host.Clock
	StateDir string
	Instance string
	Door     string             // address; "": no door
	Sources  *collector.Sources // who may send with SDKs; nil: everybody
	Metrics  string             // address; "": none
	API      API
	Logger   *slog.Logger
	Tracer   trace.Tracer // nil: no spans, but who asks to be followed is passed on
	Traces   int          // requests of a second, at most, that are followed from the door
}

// API says where and to whom profiles are told.
type API struct {
	Address   string             // "": nowhere
	Tokens    *profileapi.Tokens // nil: everybody
	Peers     []string           // base URLs of other processes' APIs
	PeerToken string
	Receipts  ed25519.PrivateKey // signs what people who are erased are given; nil: nobody is exported or erased here
}

// service is one run.
type service struct {
	Config
	registry *prometheus.Registry            // of what lives as long as the service
	plan     atomic.Pointer[definition.Plan] // that the door follows
	current  atomic.Pointer[generation]      // of hosts
	ring     atomic.Pointer[keyring.Ring]    // by which events are sealed; nil: they are not
	changes  chan catalog.Published          // for the hosts
	held     atomic.Bool                     // sweeps stand still
	kept     host.Kept                       // rows, from one generation to the next
	began    atomic.Bool                     // it has heard which definitions are published, if any
}

// generation is a set of hosts under one set of destinations. A new
// destination is a new stream, and hosts know their streams from the start.
type generation struct {
	pipeline     *pipeline.Pipeline
	registry     *prometheus.Registry
	destinations []string
	partitions   int32
}

// errRestart ends a generation in favour of the next.
var errRestart = errors.New("destinations changed")

// Run runs until ctx ends, and returns nil then.
func Run(ctx context.Context, c Config) error {
	s := &service{Config: c, registry: prometheus.NewRegistry(), changes: make(chan catalog.Published)}
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := s.createTopics(ctx); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	ring, err := s.Client.Ring(ctx)
	if err != nil {
		return err
	}
	s.ring.Store(ring)
	group.Go(func() error {
		return s.Client.FollowRing(ctx, s.ring.Store, func(err error) { s.Logger.Warn("keys", "error", err) })
	})
	if err := s.serveMetrics(ctx, group); err != nil {
		return err
	}
	if err := s.openDoor(ctx, group); err != nil {
		return err
	}
	if err := s.serveProfiles(ctx, group); err != nil {
		return err
	}
	group.Go(func() error { return s.follow(ctx) })
	group.Go(func() error { return s.host(ctx) })
	return group.Wait()
}

func (s *service) createTopics(ctx context.Context) error {
	t, err := s.Topology(ctx, s.Client)
	if err != nil {
		return err
	}
	applied, err := s.Client.Apply(ctx, t)
	if err != nil {
		return err
	}
	if len(applied.Created) > 0 {
		s.Logger.Info("topics created", "topics", len(applied.Created), "partitions", t.Config.Partitions)
	}
	for _, d := range applied.Refused {
		return fmt.Errorf("%s: start with the number that the cluster has, or let it grow first (`kairos topology grow`)", d)
	}
	return nil
}

// follow hands on the definitions whenever they change. Definitions that
// cannot be compiled by this release are reported, and the last good ones stay.
func (s *service) follow(ctx context.Context) error {
	return catalog.Follow(ctx, s.Client, func(published catalog.Published) error {
		return s.take(ctx, published)
	}, func(err error) { s.Logger.Warn("definitions", "error", err) })
}

func (s *service) take(ctx context.Context, published catalog.Published) error {
	defer s.began.Store(true)
	if published.Len() == 0 {
		s.Logger.Warn("no definitions are published yet: waiting; publish some with `kairos apply -f DIR`")
		return nil
	}
	plan, err := published.Plan()
	if err != nil {
		s.Logger.Error("the published definitions are not followed", "error", err)
		return nil
	}
	for _, why := range plan.Forbidden() {
		s.Logger.Error("a destination is not told what a policy refuses it, and who was told is taken back", "why", why)
	}
	s.plan.Store(plan)
	if s.Hosts {
		select {
		case s.changes <- published:
		case <-ctx.Done():
		}
	}
	return nil
}

// host runs one generation of hosts after the other.
func (s *service) host(ctx context.Context) error {
	if !s.Hosts {
		return nil
	}
	var published catalog.Published
	select {
	case published = <-s.changes:
	case <-ctx.Done():
		return nil
	}
	for {
		next, err := s.generation(ctx, published)
		switch {
		case errors.Is(err, errRestart):
			s.Logger.Info("destinations changed: hosts start again")
		case errors.Is(err, host.ErrResized):
			s.Logger.Info("the number of partitions changes: hosts wait", "why", err)
		default:
			return err
		}
		if next != nil {
			published = next
		}
	}
}

// awaitGrowth returns when no growth forbids hosts to work.
func (s *service) awaitGrowth(ctx context.Context) error {
	grown, err := s.Client.Growth(ctx)
	if err != nil || grown == nil || !grown.Fenced {
		return err
	}
	s.Logger.Info("the topology grows: hosts wait", "from", grown.Partitions, "to", grown.Next)
	return s.Client.FollowGrowth(ctx, func(g schemas.Growth) bool { return g.Fenced }, s.complainOfGrowth)
}

// resized returns host.ErrResized when hosts for so many partitions must end.
func (s *service) resized(ctx context.Context, partitions int32) error {
	ended := false
	err := s.Client.FollowGrowth(ctx, func(g schemas.Growth) bool {
		ended = !g.Lets(partitions)
		return !ended
	}, s.complainOfGrowth)
	if ended {
		return host.ErrResized
	}
	return err
}

func (s *service) complainOfGrowth(err error) { s.Logger.Warn("growth", "error", err) }

// generation runs hosts until ctx ends, or definitions come that need others.
func (s *service) generation(ctx context.Context, published catalog.Published) (catalog.Published, error) {
	if err := s.awaitGrowth(ctx); err != nil || ctx.Err() != nil {
		return nil, err
	}
	g, err := s.prepare(ctx, published)
	if err != nil {
		return nil, err
	}
	g.pipeline.HoldSweeps(s.held.Load())
	s.current.Store(g)
	s.Logger.Info("hosts start", "definitions", published.Len(), "destinations", len(g.destinations))
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return g.pipeline.Run(running) })
	group.Go(func() error { return g.sweepGained(running) })
	group.Go(func() error { return s.resized(running, g.partitions) })
	var next catalog.Published
	group.Go(func() error {
		for {
			select {
			case next = <-s.changes:
			case <-running.Done():
				return nil
			}
			if !slices.Equal(next.Names("destination"), g.destinations) {
				return errRestart
			}
			s.Logger.Info("definitions changed: rows that they concern are recomputed", "definitions", next.Len())
			if err := g.pipeline.Redefine(next); err != nil {
				return err
			}
		}
	})
	err = group.Wait()
	if errors.Is(err, host.ErrResized) && ctx.Err() == nil {
		if err := g.pipeline.Leave(ctx, s.Client); err != nil {
			s.Logger.Warn("cannot leave a group; who lets the topology grow will put us out", "error", err)
		}
	}
	return next, err
}

func (s *service) prepare(ctx context.Context, published catalog.Published) (*generation, error) {
	if err := s.createTopics(ctx); err != nil { // streams of new destinations
		return nil, err
	}
	t, err := s.Topology(ctx, s.Client)
	if err != nil {
		return nil, err
	}
	groups, err := pipeline.Choose(t, s.Stages)
	if err != nil {
		return nil, err
	}
	if err := s.Client.Continues(ctx, t, groups); err != nil {
		return nil, err
	}
	g := &generation{registry: prometheus.NewRegistry(), destinations: published.Names("destination"), partitions: t.Config.Partitions}
	g.pipeline, err = pipeline.New(pipeline.Config{
		Kafka: s.Kafka, Topology: t, Groups: groups, Published: published,
		Clock: s.Clock, StateDir: s.StateDir, Kept: &s.kept, Instance: s.Instance, Logger: s.Logger, Registry: g.registry, Tracer: s.Tracer,
		Open: func(key, value []byte) ([]byte, []byte, string, error) { return s.unseal(ctx, key, value) },
	})
	return g, err
}

// sweepGained brings the rows of partitions up to today's definitions whenever
// this process gains some: their rows may have been computed under older ones.
// A row that is up to date costs a look.
func (g *generation) sweepGained(ctx context.Context) error {
	look := time.NewTicker(500 * time.Millisecond)
	defer look.Stop()
	owned := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		}
		gained, now := false, map[string]bool{}
		for _, s := range g.pipeline.Statuses() {
			for _, p := range s.Partitions {
				name := fmt.Sprintf("%s/%d", s.Group, p.Number)
				gained = gained || !owned[name]
				now[name] = true
			}
		}
		if owned = now; gained {
			if err := g.pipeline.Sweep(); err != nil {
				return err
			}
		}
	}
}

// openDoor lets events in, as soon as there are definitions.
func (s *service) openDoor(ctx context.Context, group *errgroup.Group) error {
	if s.Door == "" {
		return nil
	}
	client, err := kgo.NewClient(append(slices.Clone(s.Kafka), door.Options()...)...)
	if err != nil {
		return fmt.Errorf("open the door: %w", err)
	}
	clock := func() schemas.Instant { return schemas.InstantOf(time.Now()) }
	opened := door.New(client, door.Config{
		Clock:    clock,
		Rules:    func() definition.IdentityRules { return s.rules() },
		Registry: s.registry,
		Ring:     s.ring.Load,
		Tracer:   s.Tracer,
		Guard:    s.Sources.Guard(clock),
	})
	if s.Sources != nil {
		group.Go(func() error {
			return s.Sources.Follow(ctx, credential.Look, func(err error) { s.Logger.Error("the file of sources is not followed", "error", err) })
		})
	}
	sdks := collector.New(collector.Config{Door: opened, Sources: s.Sources, Clock: clock})
	if err := serve(ctx, group, "door", s.Door, door.Followed(doorHandler(opened, sdks), s.Traces, s.registry), client.Close); err != nil {
		client.Close()
		return err
	}
	s.Logger.Info("the door is open", "url", "http://"+s.Door+"/v1/events")
	if s.Sources == nil && reachable(s.Door) {
		s.Logger.Warn("whoever reaches the door may send, under any name: say with --sources who may", "door", s.Door)
	}
	return nil
}

// reachable says whether others than this machine may get to an address.
func reachable(address string) bool {
	name, _, err := net.SplitHostPort(address)
	return err == nil && name != "localhost" && !net.ParseIP(name).IsLoopback()
}

// serveProfiles answers who people are.
func (s *service) serveProfiles(ctx context.Context, group *errgroup.Group) error {
	if s.API.Address == "" {
		return nil
	}
	t, err := s.Topology(ctx, s.Client)
	if err != nil {
		return err
	}
	granted, closeRights, err := s.rights(ctx)
	if err != nil {
		return err
	}
	api := profileapi.New(profileapi.Config{
		Rights: granted,
		Plan:   s.plan.Load, Peers: s.API.Peers, PeerToken: s.API.PeerToken, Tokens: s.API.Tokens,
		Partitions: func() int32 {
			if g := s.current.Load(); g != nil {
				return g.partitions
			}
			return t.Config.Partitions
		},
		Now: time.Now, Kafka: s.Kafka, Logger: s.Logger,
		Local: func() profileapi.Local {
			if g := s.current.Load(); g != nil {
				return g.pipeline
			}
			return nil
		},
	})
	if err := serve(ctx, group, "api", s.API.Address, api, closeRights); err != nil {
		return err
	}
	if s.API.Tokens != nil {
		group.Go(func() error {
			return s.API.Tokens.Follow(ctx, credential.Look, func(err error) { s.Logger.Error("the file of tokens is not followed", "error", err) })
		})
	}
	group.Go(func() error { return api.Run(ctx) })
	return nil
}

func (s *service) rules() definition.IdentityRules {
	if plan := s.plan.Load(); plan != nil {
		return plan.Identity
	}
	return definition.DefaultIdentity()
}
