package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/credential"
	"kairos/processors/delivery"
	"kairos/topologies"
)

type deliverCommand struct {
	connection
	traces
	logging
	File    string   `short:"f" required:"" type:"existingfile" placeholder:"FILE" help:"Whom to tell, and how."`
	Only    []string `arg:"" optional:"" name:"destination" help:"Of these destinations only. Without: all in the file."`
	Metrics string   `default:"127.0.0.1:9465" help:"Where /metrics, /live, /ready and /startup are (${default}); empty: nowhere."`
}

func (c *deliverCommand) Help() string {
	return `Tells third parties over HTTP who entered and who left, in order for each person, until it is
interrupted. Several processes share the work. FILE:
  webhooks:
    - destination: app                     as its definition is called
      url: https://app.example/kairos
      secrets: [file:/run/secrets/app]     or env:NAME; two while one follows the other
      per_second: 50                       requests; without: as fast as it takes them
      batch: 1                             messages in a request
      lanes: 8                             requests at the same time, for different people
      timeout: 10s
      give_up_after: 72h                   then it is a dead letter
      poison_after: 1h                     so long a message may fail alone, while others are taken
      allow_private: false                 addresses of the own network
A receiver with a form of its own takes a body, a template, with method, headers, exit and others:
"kairos destination templates" has some ready. In url and headers stand secrets as ${env:NAME} or
${file:PATH}, which is read anew for each request.
What is told by files instead is under files:
  files:
    - destination: warehouse
      format: parquet                      or csv
      folder: /var/lib/drops               or a bucket:
      s3: {endpoint: "https://s3.eu-central-1.amazonaws.com", bucket: drops, prefix: kairos/, region: eu-central-1,
           access_key: env:S3_KEY, secret_key: file:/run/secrets/s3}
      roll_bytes: 8388608                  of messages, then a file is closed
      roll_after: 15m                      likewise
Each request is signed: Kairos-Signature: t=SECONDS,v1=HMAC-SHA256 of "SECONDS.BODY" in
hexadecimal, once for each secret. What comes twice has the same Idempotency-Key.`
}

// webhooks is the file as it is written.
type webhooks struct {
	Webhooks []webhook `yaml:"webhooks"`
	Files    []files   `yaml:"files"`
}

type files struct {
	Destination string        `yaml:"destination"`
	Format      string        `yaml:"format"`
	Folder      string        `yaml:"folder"`
	S3          *s3           `yaml:"s3"`
	RollBytes   int           `yaml:"roll_bytes"`
	RollAfter   time.Duration `yaml:"roll_after"`
}

type s3 struct {
	Endpoint  string `yaml:"endpoint"`
	Region    string `yaml:"region"`
	Bucket    string `yaml:"bucket"`
	Prefix    string `yaml:"prefix"`
	AccessKey string `yaml:"access_key"`
	SecretKey string `yaml:"secret_key"`
}

type webhook struct {
	Destination  string            `yaml:"destination"`
	Method       string            `yaml:"method"`
	URL          string            `yaml:"url"`
	Headers      map[string]string `yaml:"headers"`
	Body         string            `yaml:"body"`
	Exit         exitCall          `yaml:"exit"`
	Audiences    map[string]string `yaml:"audiences"`
	Needs        []string          `yaml:"needs"`
	Refused      []int             `yaml:"refused"`
	Secrets      []string          `yaml:"secrets"`
	PerSecond    float64           `yaml:"per_second"`
	Batch        int               `yaml:"batch"`
	Lanes        int               `yaml:"lanes"`
	Timeout      time.Duration     `yaml:"timeout"`
	GiveUpAfter  time.Duration     `yaml:"give_up_after"`
	PoisonAfter  time.Duration     `yaml:"poison_after"`
	AllowPrivate bool              `yaml:"allow_private"`
}

type exitCall struct {
	Method string `yaml:"method"`
	URL    string `yaml:"url"`
	Body   string `yaml:"body"`
}

// outlets are whoever is told, by requests or by files.
type outlets struct {
	hooks []delivery.Webhook
	drops []delivery.Drop
	wrong []error // why others are not among them
}

// read reads the file, and all that it names.
func (c *deliverCommand) read() (outlets, error) {
	to, err := c.readAll()
	if err == nil && len(to.wrong) > 0 {
		err = to.wrong[0]
	}
	return to, err
}

// readAll goes on behind what is wrong with one destination.
func (c *deliverCommand) readAll() (o outlets, err error) {
	var file webhooks
	if err := credential.Read(c.File, &file); err != nil {
		return o, err
	}
	wanted := func(destination string) bool { return len(c.Only) == 0 || slices.Contains(c.Only, destination) }
	for _, w := range file.Webhooks {
		if !wanted(w.Destination) {
			continue
		}
		hook, err := w.hook()
		if err != nil {
			o.wrong = append(o.wrong, fmt.Errorf("%s: webhook of %s: %w", c.File, w.Destination, err))
			continue
		}
		o.hooks = append(o.hooks, hook)
	}
	for _, f := range file.Files {
		if !wanted(f.Destination) {
			continue
		}
		drop, err := f.drop()
		if err != nil {
			o.wrong = append(o.wrong, fmt.Errorf("%s: files of %s: %w", c.File, f.Destination, err))
			continue
		}
		o.drops = append(o.drops, drop)
	}
	if len(o.hooks)+len(o.drops)+len(o.wrong) == 0 {
		return o, fmt.Errorf("%s: there is no webhook in it, and no files%s", c.File, strings.Join(append([]string{""}, c.Only...), " "))
	}
	return o, nil
}

// destinations are those that are told, each once.
func (o outlets) destinations() []string {
	var all []string
	for _, hook := range o.hooks {
		all = append(all, hook.Destination)
	}
	for _, drop := range o.drops {
		all = append(all, drop.Destination)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (f files) drop() (drop delivery.Drop, err error) {
	drop = delivery.Drop{Destination: f.Destination, Format: f.Format, RollBytes: f.RollBytes, RollAfter: f.RollAfter}
	switch {
	case (f.Folder == "") == (f.S3 == nil):
		return drop, errors.New("give a folder or s3, one of them")
	case f.S3 == nil:
		drop.Place = delivery.Folder(f.Folder)
		return drop, nil
	}
	to := delivery.S3{Endpoint: f.S3.Endpoint, Region: f.S3.Region, Bucket: f.S3.Bucket, Prefix: f.S3.Prefix}
	for from, into := range map[string]*string{f.S3.AccessKey: &to.AccessKey, f.S3.SecretKey: &to.SecretKey} {
		if from == "" {
			continue
		}
		if *into, err = credential.Secret(from); err != nil {
			return drop, err
		}
	}
	drop.Place, err = to.Open()
	return drop, err
}

func (w webhook) hook() (hook delivery.Webhook, err error) {
	hook = delivery.Webhook{
		Destination: w.Destination, Method: w.Method, Body: w.Body, Audiences: w.Audiences, Needs: w.Needs, Refused: w.Refused,
		PerSecond: w.PerSecond, Batch: w.Batch, Lanes: w.Lanes,
		Timeout: w.Timeout, GiveUpAfter: w.GiveUpAfter, PoisonAfter: w.PoisonAfter, AllowPrivate: w.AllowPrivate,
		Exit: delivery.Call{Method: w.Exit.Method, Body: w.Exit.Body},
	}
	if hook.URL, err = credential.Fill(w.URL); err != nil {
		return hook, err
	}
	if hook.Exit.URL, err = credential.Fill(w.Exit.URL); err != nil {
		return hook, err
	}
	for _, name := range slices.Sorted(maps.Keys(w.Headers)) {
		text := w.Headers[name]
		if _, err := credential.Fill(text); err != nil {
			return hook, fmt.Errorf("header %s: %w", name, err)
		}
		hook.Headers = append(hook.Headers, delivery.Header{Name: name, Value: func() (string, error) { return credential.Fill(text) }})
	}
	for _, from := range w.Secrets {
		secret, err := credential.Secret(from)
		if err != nil {
			return hook, err
		}
		hook.Secrets = append(hook.Secrets, secret)
	}
	return hook, nil
}

// runner is something that delivers until its context ends.
type runner interface {
	Run(ctx context.Context) error
	Ready() string
}

// runners are all of a process.
type runners []runner

// Ready says who waits to be let in by Kafka; empty: nobody.
func (all runners) Ready() string {
	var waiting []string
	for _, r := range all {
		if why := r.Ready(); why != "" {
			waiting = append(waiting, why)
		}
	}
	return strings.Join(waiting, "; ")
}

// mayDeliver fails if our user may not tell these destinations.
func (o outlets) mayDeliver(ctx context.Context, client *cluster.Client) error {
	config := topologies.DefaultConfig()
	config.Destinations = o.destinations()
	t, err := topologies.New(config)
	if err != nil {
		return askedError{err}
	}
	acls := t.ACLs(topologies.DeliveryRole)
	remember := func(group string) {
		acls = append(acls, topologies.ACL{Resource: topologies.OnGroup, Name: group, Operation: topologies.Read, Why: "to remember what was told"})
	}
	for _, hook := range o.hooks {
		remember(delivery.Group(hook.Destination))
	}
	for _, drop := range o.drops {
		remember(delivery.FilesGroup(drop.Destination))
	}
	return client.Rights(ctx, t, acls)
}

func (c *deliverCommand) Run(p *process) error {
	to, err := c.read()
	if err != nil {
		return askedError{err}
	}
	client, err := c.connect(p)
	if err != nil {
		return err
	}
	defer client.Close()
	p.roles = []string{topologies.DeliveryRole}
	if err := to.mayDeliver(p, client); err != nil {
		return err
	}
	registry, logger := prometheus.NewRegistry(), c.logger(p)
	tracer, end, err := c.traces.open(p, "", logger)
	if err != nil {
		return err
	}
	defer end()
	var all runners
	for _, hook := range to.hooks {
		d, err := delivery.New(delivery.Config{Webhook: hook, Kafka: client.Reach(), Registry: registry, Logger: logger, Tracer: tracer})
		if err != nil {
			return askedError{fmt.Errorf("%s: %w", c.File, err)}
		}
		all = append(all, d)
	}
	for _, drop := range to.drops {
		d, err := delivery.NewDropper(delivery.DropConfig{Drop: drop, Kafka: client.Reach(), Registry: registry, Logger: logger})
		if err != nil {
			return askedError{fmt.Errorf("%s: %w", c.File, err)}
		}
		all = append(all, d)
	}
	group, ctx := errgroup.WithContext(p)
	if c.Metrics != "" {
		if err := serveVitals(ctx, group, c.Metrics, registry, all.Ready); err != nil {
			return err
		}
	}
	for _, r := range all {
		group.Go(func() error { return r.Run(ctx) })
	}
	logger.Info("delivering", "destinations", len(all))
	return group.Wait()
}
