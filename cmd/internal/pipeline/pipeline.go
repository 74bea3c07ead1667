// Package pipeline runs groups of stages in this process and makes them follow
// the published definitions.
//
// In: a topology, the groups of it to run, published definitions. Out: running
// hosts; their health. State: the hosts'. Laws: hosts that follow the same
// definitions compute the same; when one host ends with an error all end.
//
// Not here: how a group runs (processors/host), what its stages do
// (processors/flow).
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"kairos/cmd/internal/catalog"
	"kairos/cmd/internal/cluster"
	"kairos/processors/definition"
	"kairos/processors/flow"
	"kairos/processors/host"
	"kairos/topologies"
)

// Config is what a pipeline needs.
type Config struct {
	Kafka     []kgo.Opt // how to reach the brokers
	Topology  *topologies.Topology
	Groups    []topologies.Group
	Published catalog.Published
	Clock     host.Clock
	StateDir  string // "": rows in memory only
	Kept      *host.Kept
	Instance  string // static member id, one for each process that runs the same groups; "": none
	Logger    *slog.Logger
	Registry  prometheus.Registerer
	Tracer    trace.Tracer                                                  // nil: no spans
	Open      func(key, value []byte) (k, v []byte, drop string, err error) // as host.Config.Open
}

// Pipeline is a set of hosts.
type Pipeline struct {
	config Config
	hosts  []*host.Host

	mutex sync.Mutex // over what is defined: partitions may come while it changes
	defined
}

// defined is what is published, and what is made of it: many definitions take
// seconds to compile.
type defined struct {
	published catalog.Published
	plan      *definition.Plan
}

// Choose picks the groups of t that contain the named stages; a name may also
// be a group's, such as person. No name at all picks every group.
func Choose(t *topologies.Topology, words []string) ([]topologies.Group, error) {
	if len(words) == 0 {
		return t.Groups, nil
	}
	var chosen []topologies.Group
	for _, word := range words {
		i := slices.IndexFunc(t.Groups, func(g topologies.Group) bool { return answersTo(g, word) })
		if i < 0 {
			return nil, fmt.Errorf("there is no stage %q: choose some of %s", word, strings.Join(names(t), ", "))
		}
		if !slices.ContainsFunc(chosen, func(g topologies.Group) bool { return g.Name == t.Groups[i].Name }) {
			chosen = append(chosen, t.Groups[i])
		}
	}
	return chosen, nil
}

func answersTo(g topologies.Group, word string) bool {
	return word == shortName(g) || slices.ContainsFunc(g.Stages, func(s topologies.Stage) bool { return s.Word == word })
}

func shortName(g topologies.Group) string { return strings.TrimPrefix(g.Name, "kairos.") }

func names(t *topologies.Topology) []string {
	var all []string
	for _, g := range t.Groups {
		all = append(all, shortName(g))
		for _, s := range g.Stages {
			if s.Word != shortName(g) {
				all = append(all, s.Word)
			}
		}
	}
	return all
}

// New makes a host for each group. Nothing is connected before Run.
func New(c Config) (*Pipeline, error) {
	plan, err := c.Published.Plan()
	if err != nil {
		return nil, err
	}
	p := &Pipeline{config: c, defined: defined{c.Published, plan}}
	for _, g := range c.Groups {
		runner, err := flow.Runner(g, plan)
		if err != nil {
			return nil, fmt.Errorf("prepare group %s: %w", g.Name, err)
		}
		config := host.DefaultConfig()
		config.Kafka, config.Group, config.Topology, config.Runner = c.Kafka, g, c.Topology, runner
		config.Open = c.Open
		if c.Tracer != nil {
			config.Tracer = c.Tracer
		}
		config.Clock, config.Logger, config.Registerer = c.Clock, c.Logger.With("group", g.Name), c.Registry
		if slices.ContainsFunc(g.Stages, func(s topologies.Stage) bool { return s.Word == topologies.Segment.Word }) {
			if config.Watcher, err = watchSizes(c); err != nil {
				return nil, err
			}
		}
		if c.StateDir != "" {
			config.StateDir = filepath.Join(c.StateDir, shortName(g))
		}
		config.InstanceID, config.Kept = c.instance(g), c.Kept
		h, err := host.New(config)
		if err != nil {
			return nil, err
		}
		p.hosts = append(p.hosts, h)
	}
	return p, nil
}

// instance is the static member of a group.
func (c Config) instance(g topologies.Group) string {
	if c.Instance == "" {
		return ""
	}
	return c.Instance + "-" + shortName(g)
}

// Leave says, after Run, that this process does not come back soon. Kafka would
// keep a static member's partitions for it for a while.
func (p *Pipeline) Leave(ctx context.Context, client *cluster.Client) error {
	var failed []error
	for _, g := range p.config.Groups {
		if p.config.Instance != "" {
			_, err := client.Admin().LeaveGroup(ctx, kadm.LeaveGroup(g.Name).InstanceIDs(p.config.instance(g)))
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// Run runs all hosts until ctx ends, and returns nil then; or until one fails,
// and returns why.
func (p *Pipeline) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, h := range p.hosts {
		group.Go(func() error { return h.Run(ctx) })
	}
	return group.Wait()
}

// Redefine makes all hosts follow other definitions and recompute the rows
// that they concern.
func (p *Pipeline) Redefine(published catalog.Published) error {
	plan, err := published.Plan()
	if err != nil {
		return err
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	words := Swept(p.published, published)
	var failed []error
	for i, h := range p.hosts {
		g := p.config.Groups[i]
		runner, err := flow.Runner(g, plan)
		if err == nil {
			err = h.Redefine(runner, number(published), within(g, words)...)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("redefine group %s: %w", g.Name, err))
		}
	}
	p.defined = defined{published, plan}
	return errors.Join(failed...)
}

// Swept lists the stages that recompute their rows when definitions change, in
// the order of the flow.
func Swept(before, after catalog.Published) []string { return sweptBy(changedKinds(before, after)) }

func changedKinds(before, after catalog.Published) []string {
	var kinds []string
	for _, d := range after {
		was, there := before.Find(d.Kind, d.Name)
		if (!there || was.Version != d.Version) && !slices.Contains(kinds, d.Kind) {
			kinds = append(kinds, d.Kind)
		}
	}
	return kinds
}

// flowOrder is the order in which stages must sweep: profile tells new features
// before segment looks at them.
var flowOrder = []string{
	topologies.Identity.Word, topologies.Profile.Word, topologies.Segment.Word, topologies.Propensity.Word, topologies.Destination.Word,
}

// sweptBy lists the stages whose rows depend on definitions of the kinds.
func sweptBy(kinds []string) []string {
	concerns := map[string][]string{
		"identity":    {"identity"},
		"profile":     {"profile"},
		"feature":     {"profile", "segment", "propensity"},
		"group":       {"profile", "segment", "propensity"},
		"audience":    {"profile", "segment", "propensity"},
		"model":       {"profile", "segment", "propensity"},
		"destination": {"profile", "destination"},
		"policy":      {"destination"},
	}
	var words []string
	for _, word := range flowOrder {
		if slices.ContainsFunc(kinds, func(kind string) bool { return slices.Contains(concerns[kind], word) }) {
			words = append(words, word)
		}
	}
	return words
}

// number tells published definitions apart, by their versions: rows that were
// swept under the same ones need it no second time.
func number(published catalog.Published) int64 {
	h := xxhash.New()
	for _, d := range published {
		fmt.Fprintf(h, "%q %q %d\n", d.Kind, d.Name, d.Version)
	}
	return int64(h.Sum64() | 1)
}

func within(g topologies.Group, words []string) []string {
	var own []string
	for _, s := range g.Stages {
		if slices.Contains(words, s.Word) {
			own = append(own, s.Word)
		}
	}
	return own
}

// Sweep recomputes every row of this process's partitions that was computed
// under other definitions, as after a start with new ones.
func (p *Pipeline) Sweep() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for i, h := range p.hosts {
		g := p.config.Groups[i]
		runner, err := flow.Runner(g, p.plan)
		if err == nil {
			err = h.Redefine(runner, number(p.published), within(g, flowOrder)...)
		}
		if err != nil {
			return fmt.Errorf("sweep group %s: %w", g.Name, err)
		}
	}
	return nil
}
