package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"kairos/cmd/internal/collector"
	"kairos/cmd/internal/erasure"
	"kairos/cmd/internal/pipeline"
	"kairos/cmd/internal/profileapi"
	"kairos/cmd/internal/service"
	"kairos/processors/host"
	"kairos/topologies"
)

type runCommand struct {
	connection
	size
	traces
	logging
	Stages    []string `arg:"" optional:"" name:"stage" help:"door, identity, profile, segment, propensity, destination; person for all that are keyed by person. Without: all."`
	Clock     string   `enum:"wall,log" default:"wall" help:"wall: time goes on by itself. log: only with the ticks of a replay."`
	State     string   `placeholder:"DIR" help:"Keep rows in this folder, for a quick restart. Without: in memory, read from Kafka at each start."`
	Instance  string   `placeholder:"NAME" help:"Static member name: a restart under the same name moves no partition. One for each process."`
	Door      string   `default:"127.0.0.1:8080" help:"Where the door listens (${default})."`
	Sources   string   `placeholder:"FILE" type:"existingfile" help:"Who may send: their names, hashed write keys and scopes (sdk: POST /v1/batch and its kin; events: POST /v1/events); read anew when it changes. Without: everybody."`
	API       string   `name:"api" default:"127.0.0.1:8081" help:"Where profiles are told, GET /v1/profiles/email/sarah@example.org (${default}); empty: nowhere."`
	Tokens    string   `placeholder:"FILE" type:"existingfile" help:"Who may ask the API for what: hashed tokens and their scopes; read anew when it changes. Without: everybody, on loopback only."`
	Peers     []string `placeholder:"URL" help:"The APIs of other processes, which have the other partitions."`
	PeerToken string   `placeholder:"FILE" type:"existingfile" help:"The token for the peers, with the scope rows."`
	Receipts  string   `placeholder:"FILE" help:"The key that signs receipts (see kairos erase); with it the API exports and erases people, for tokens with the scopes exports and erasures."`
	Metrics   string   `default:"127.0.0.1:9464" help:"Where /metrics, /live, /ready, /startup, /status and /debug/pprof are (${default}); empty: nowhere."`
	PerSecond int      `name:"traces-per-second" default:"10" help:"How many requests the door lets be followed in a second, at most (${default})."`
}

func (c *runCommand) Help() string {
	return `Creates the topics that are missing, follows the published definitions, and runs until it
is interrupted; then it finishes the batch at work. Several processes share the work, each
with some partitions. Examples:
  kairos run                       everything in one process
  kairos run door identity         these two; "kairos run person" in another process
  kairos run --clock log           for "kairos replay cdnow"
  kairos run --sources FILE        FILE: {sources: [{name: web, write_keys: [SHA-256 in hexadecimal], scopes: [sdk, events], events_per_second: 500}]}`
}

func (c *runCommand) Run(p *process) error {
	t, err := c.topology(nil)
	if err != nil {
		return err
	}
	stages := slices.DeleteFunc(slices.Clone(c.Stages), func(s string) bool { return s == "door" })
	if len(stages) > 0 || len(c.Stages) == 0 {
		if _, err := pipeline.Choose(t, stages); err != nil {
			return askedError{err}
		}
	}
	api, err := c.api()
	if err != nil {
		return askedError{err}
	}
	logger := c.logger(p)
	tracer, end, err := c.traces.open(p, c.Instance, logger)
	if err != nil {
		return err
	}
	defer end()
	client, err := c.connect(p)
	if err != nil {
		return err
	}
	defer client.Close()
	p.roles = c.roles(t, stages)
	if err := client.Rights(p, t, t.ACLs(p.roles...)); err != nil {
		return err
	}
	config := service.Config{
		Client: client, Kafka: client.Reach(), Topology: c.following, Stages: stages, Hosts: len(stages) > 0 || len(c.Stages) == 0,
		Clock: host.Wall, StateDir: c.State, Instance: c.Instance, Metrics: c.Metrics, API: api,
		Logger: logger, Tracer: tracer, Traces: c.PerSecond,
	}
	if c.Clock == "log" {
		config.Clock = host.Log
	}
	if len(c.Stages) == 0 || slices.Contains(c.Stages, "door") {
		config.Door = c.Door
	}
	if c.Sources != "" {
		if config.Sources, err = collector.ReadSources(c.Sources); err != nil {
			return askedError{err}
		}
	}
	err = service.Run(p, config)
	var taken *service.AddressError
	if errors.As(err, &taken) {
		return fmt.Errorf("%w: choose another with --%s", err, taken.Flag)
	}
	return err
}

// roles are those that this process takes.
func (c *runCommand) roles(t *topologies.Topology, stages []string) []string {
	var roles []string
	if len(c.Stages) == 0 || slices.Contains(c.Stages, topologies.DoorRole) {
		roles = append(roles, topologies.DoorRole)
	}
	if len(stages) > 0 || len(c.Stages) == 0 {
		groups, _ := pipeline.Choose(t, stages) // has been checked
		for _, g := range groups {
			roles = append(roles, g.Role())
		}
	}
	if c.Receipts != "" {
		roles = append(roles, topologies.EraseRole)
	}
	return roles
}

func (c *runCommand) api() (api service.API, err error) {
	api = service.API{Address: c.API}
	for _, peer := range c.Peers {
		api.Peers = append(api.Peers, strings.TrimSuffix(peer, "/"))
	}
	if c.PeerToken != "" {
		text, err := os.ReadFile(c.PeerToken)
		if err != nil {
			return api, err
		}
		api.PeerToken = strings.TrimSpace(string(text))
	}
	if c.Receipts != "" {
		if api.Receipts, err = erasure.Key(c.Receipts); err != nil {
			return api, err
		}
	}
	if c.Tokens != "" {
		api.Tokens, err = profileapi.ReadTokens(c.Tokens)
		return api, err
	}
	if name, _, err := net.SplitHostPort(c.API); c.API != "" && err == nil && name != "localhost" && !net.ParseIP(name).IsLoopback() {
		return api, fmt.Errorf("--api=%s can be reached from elsewhere: say with --tokens who may ask, or listen on 127.0.0.1", c.API)
	}
	return api, nil
}
