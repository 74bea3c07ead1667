package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"kairos/cmd/internal/credential"
	"kairos/processors/delivery"
)

type deliverCommand struct {
	connection
	traces
	File    string   `short:"f" required:"" type:"existingfile" placeholder:"FILE" help:"The webhooks."`
	Only    []string `arg:"" optional:"" name:"destination" help:"Of these destinations only. Without: all in the file."`
	Metrics string   `default:"127.0.0.1:9465" help:"Where /metrics is (${default}); empty: nowhere."`
	Verbose bool     `short:"v" help:"Log more."`
}

func (c *deliverCommand) Help() string {
	return `Tells third parties over HTTP who entered and who left, in order for each person, until it is
interrupted. Several processes share the work. FILE:
  webhooks:
    - destination: app                     as its definition is called
      url: https://app.example/kairos
      secrets: [file:/run/secrets/app]     or env:NAME; two while one follows the other
      per_second: 50                       requests; without: as fast as it takes them
      batch: 1                             activations in a request
      lanes: 8                             requests at the same time, for different people
      timeout: 10s
      give_up_after: 72h                   then it is a dead letter
      allow_private: false                 addresses of the own network
Each request is signed: Kairos-Signature: t=SECONDS,v1=HMAC-SHA256 of "SECONDS.BODY" in
hexadecimal, once for each secret. What comes twice has the same Idempotency-Key.`
}

// webhooks is the file as it is written.
type webhooks struct {
	Webhooks []struct {
		Destination  string        `yaml:"destination"`
		URL          string        `yaml:"url"`
		Secrets      []string      `yaml:"secrets"`
		PerSecond    float64       `yaml:"per_second"`
		Batch        int           `yaml:"batch"`
		Lanes        int           `yaml:"lanes"`
		Timeout      time.Duration `yaml:"timeout"`
		GiveUpAfter  time.Duration `yaml:"give_up_after"`
		AllowPrivate bool          `yaml:"allow_private"`
	} `yaml:"webhooks"`
}

func (c *deliverCommand) read() ([]delivery.Webhook, error) {
	var file webhooks
	if err := credential.Read(c.File, &file); err != nil {
		return nil, err
	}
	var all []delivery.Webhook
	for _, w := range file.Webhooks {
		if len(c.Only) > 0 && !slices.Contains(c.Only, w.Destination) {
			continue
		}
		hook := delivery.Webhook{
			Destination: w.Destination, URL: w.URL, PerSecond: w.PerSecond, Batch: w.Batch, Lanes: w.Lanes,
			Timeout: w.Timeout, GiveUpAfter: w.GiveUpAfter, AllowPrivate: w.AllowPrivate,
		}
		for _, from := range w.Secrets {
			secret, err := credential.Secret(from)
			if err != nil {
				return nil, fmt.Errorf("%s: webhook of %s: %w", c.File, w.Destination, err)
			}
			hook.Secrets = append(hook.Secrets, secret)
		}
		all = append(all, hook)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: there is no webhook in it%s", c.File, strings.Join(append([]string{""}, c.Only...), " "))
	}
	return all, nil
}

func (c *deliverCommand) Run(p *process) error {
	hooks, err := c.read()
	if err != nil {
		return askedError{err}
	}
	client, err := c.connect(p)
	if err != nil {
		return err
	}
	defer client.Close()
	registry, logger := prometheus.NewRegistry(), newLogger(p.err, c.Verbose)
	tracer, end, err := c.traces.open(p, "", logger)
	if err != nil {
		return err
	}
	defer end()
	var deliverers []*delivery.Deliverer
	for _, hook := range hooks {
		d, err := delivery.New(delivery.Config{Webhook: hook, Kafka: client.Reach(), Registry: registry, Logger: logger, Tracer: tracer})
		if err != nil {
			return askedError{fmt.Errorf("%s: %w", c.File, err)}
		}
		deliverers = append(deliverers, d)
	}
	group, ctx := errgroup.WithContext(p)
	if c.Metrics != "" {
		if err := serveMetrics(ctx, group, c.Metrics, registry); err != nil {
			return err
		}
	}
	for _, d := range deliverers {
		group.Go(func() error { return d.Run(ctx) })
	}
	logger.Info("delivering", "destinations", len(deliverers))
	return group.Wait()
}
