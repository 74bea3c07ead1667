package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"kairos/cmd/internal/credential"
	"kairos/cmd/internal/prober"
)

type probeCommand struct {
	logging
	Door      string        `default:"http://127.0.0.1:8080" help:"Where the door is (${default})."`
	API       string        `name:"api" default:"http://127.0.0.1:8081" help:"Where profiles are told (${default})."`
	Token     string        `placeholder:"FROM" help:"Where the token for the API is kept, file:PATH or env:NAME; its scope is profiles."`
	Key       string        `placeholder:"FROM" help:"Where the write key for the door is kept, likewise; its source has the scope events."`
	Event     string        `default:"kairos_probe" help:"What people do (${default})."`
	Audience  string        `default:"kairos_probe" help:"What they come into by it (${default})."`
	Namespace string        `default:"email" help:"Of their identifiers (${default})."`
	People    int           `default:"60" help:"How many take turns (${default})."`
	Every     time.Duration `default:"10s" help:"How often one is sent (${default})."`
	Patience  time.Duration `default:"30s" help:"After which one is lost (${default})."`
	Times     int           `default:"0" help:"How many to send; 0: without end (${default})."`
	Metrics   string        `default:"127.0.0.1:9467" help:"Where /metrics, /live, /ready and /startup are (${default}); empty: nowhere."`
}

func (c *probeCommand) Help() string {
	return `Sends invented people through production for ever and measures how many seconds after what
they do they are in their audience, as anybody sees it: by the door and the API. Publish the
audience first. People must leave it before their next turn (people times every):
  kind: audience
  name: kairos_probe
  description: Invented people of the prober
  when: events("kairos_probe").within("1m").any()`
}

func (c *probeCommand) Run(p *process) error {
	registry, logger := prometheus.NewRegistry(), c.logger(p)
	config := prober.Config{
		Door: c.Door, API: c.API, Event: c.Event, Audience: c.Audience, Namespace: c.Namespace, People: c.People,
		Every: c.Every, Patience: c.Patience, Registry: registry, Logger: logger,
	}
	for _, one := range []struct {
		from string
		into *string
	}{{c.Token, &config.Token}, {c.Key, &config.Key}} {
		if one.from == "" {
			continue
		}
		secret, err := credential.Secret(one.from)
		if err != nil {
			return askedError{err}
		}
		*one.into = secret
	}
	probing, err := prober.New(config)
	if err != nil {
		return askedError{err}
	}
	if c.Times > 0 {
		if err := probing.Run(p, c.Times); err != nil {
			return &noError{err.Error()}
		}
		return nil
	}
	group, ctx := errgroup.WithContext(p)
	if c.Metrics != "" {
		ready := func() string { return "" } // whatever it finds: it is not it that is ill
		if err := serveVitals(ctx, group, c.Metrics, registry, ready); err != nil {
			return err
		}
	}
	group.Go(func() error { return probing.Run(ctx, 0) })
	logger.Info("probing", "door", c.Door, "api", c.API, "every", c.Every.String())
	return group.Wait()
}
