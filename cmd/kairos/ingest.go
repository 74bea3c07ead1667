package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"kairos/cmd/internal/catalog"
	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/credential"
	"kairos/cmd/internal/foreign"
	"kairos/cmd/internal/ingest"
	"kairos/processors/definition"
	"kairos/processors/keyring"
	"kairos/schemas"
	"kairos/topologies"
)

type ingestCommand struct {
	connection
	size
	logging
	File      string `short:"f" required:"" type:"existingfile" placeholder:"FILE" help:"The topics."`
	Instance  string `placeholder:"NAME" help:"Static member name: a restart under the same name goes on at once. One for each process."`
	Metrics   string `default:"127.0.0.1:9466" help:"Where /metrics, /live, /ready and /startup are (${default}); empty: nowhere."`
	PerSecond int    `name:"traces-per-second" default:"10" help:"How many records' events are followed in a second, at most, because a header traceparent asks for it (${default})."`
}

func (c *ingestCommand) Help() string {
	return `Reads topics that others write, in Avro under any schema, keyed and partitioned anyhow, and
puts events on the door's topic, exactly once, until it is interrupted. Several processes
share the partitions. FILE:
  registry: https://registry:8081      a Confluent-compatible registry of schemas, if there is one
  registry_access:                     how it learns who we are, if it asks: user and password, or
    user: kairos                       token; secrets are kept in file:PATH or env:NAME
    password: env:REGISTRY_PASSWORD
    ca: authorities.pem                who signs its certificate; cert and key are our own
  schemas: avro                        a folder of .avsc files, beside FILE
  topics:
    - topic: shop.orders               its records say which schema they have: by a first byte of
                                       C3 (single-object encoding) or 00 (Confluent's framing)
    - topic: crm.customers
      framing: confluent               or single-object, so that the other is refused
      mapping: crm_customer            the definition that says what the fields mean
    - topic: legacy.calls
      framing: plain                   no framing: the schema is avro/legacy.calls.avsc
Without a mapping, properties of the schema's fields say what they mean ("kairos.identity":
"email", "kairos.time": true): see ` + "`kairos mapping --help`" + `. Where the folder has a schema with
the topic's name, records are read as it says, by Avro's rules of resolution. What cannot be
read is a dead letter.`
}

// ingestFile is the file as it is written.
type ingestFile struct {
	Registry string           `yaml:"registry"`
	Access   foreign.Registry `yaml:"registry_access"`
	Schemas  string           `yaml:"schemas"`
	Topics   []struct {
		Topic   string `yaml:"topic"`
		Framing string `yaml:"framing"`
		Mapping string `yaml:"mapping"`
	} `yaml:"topics"`
}

// readIngest reads the file, and what it names: relative paths are beside it.
func readIngest(path string, failures func(error)) (topics []ingest.Topic, known *foreign.Known, err error) {
	var file ingestFile
	if err := credential.Read(path, &file); err != nil {
		return nil, nil, err
	}
	file.Access.URL = file.Registry
	for _, name := range []*string{&file.Schemas, &file.Access.CA, &file.Access.Cert, &file.Access.Key} {
		if *name != "" && !filepath.IsAbs(*name) {
			*name = filepath.Join(filepath.Dir(path), *name)
		}
	}
	var folder fs.FS
	if file.Schemas != "" {
		if _, err := os.Stat(file.Schemas); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		folder = os.DirFS(file.Schemas)
	}
	if known, err = foreign.NewKnown(folder, file.Access, failures); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	for i, t := range file.Topics {
		framing, err := foreign.FramingOf(t.Framing)
		if err == nil && t.Topic == "" {
			err = errors.New("names no topic")
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: topic %d: %w", path, i+1, err)
		}
		topics = append(topics, ingest.Topic{Name: t.Topic, Framing: framing, Mapping: t.Mapping})
	}
	return topics, known, nil
}

func (c *ingestCommand) Run(p *process) error {
	var ingester *ingest.Ingester
	topics, known, err := readIngest(c.File, func(err error) { ingester.RegistryFailed(err) }) // first asked when it runs
	if err != nil {
		return askedError{err}
	}
	var plan atomic.Pointer[definition.Plan]
	var ring atomic.Pointer[keyring.Ring]
	registry, logger := prometheus.NewRegistry(), c.logger(p)
	config := ingest.Config{
		Topics: topics, Schemas: known, Instance: c.Instance, Registry: registry, Logger: logger,
		Plan: plan.Load, Clock: func() schemas.Instant { return schemas.InstantOf(time.Now()) }, Ring: ring.Load, Traces: c.PerSecond,
	}
	client, err := c.connect(p)
	if err != nil {
		return err
	}
	defer client.Close()
	config.Kafka = client.Reach()
	if ingester, err = ingest.New(config); err != nil {
		return askedError{fmt.Errorf("%s: %w", c.File, err)}
	}
	p.roles = []string{topologies.IngestRole}
	first, err := c.prepare(p, client, topics)
	if err != nil {
		return err
	}
	plan.Store(first)
	keys, err := client.Ring(p)
	if err != nil {
		return err
	}
	ring.Store(keys)
	group, ctx := errgroup.WithContext(p)
	group.Go(func() error {
		return client.FollowRing(ctx, ring.Store, func(err error) { logger.Warn("keys", "error", err) })
	})
	if c.Metrics != "" {
		if err := serveVitals(ctx, group, c.Metrics, registry, ingester.Ready); err != nil {
			return err
		}
	}
	group.Go(func() error {
		return catalog.Follow(ctx, client, func(published catalog.Published) error {
			next, err := published.Plan()
			if err != nil {
				logger.Error("the published definitions are not followed", "error", err)
				return nil
			}
			plan.Store(next)
			return nil
		}, func(err error) { logger.Warn("definitions", "error", err) })
	})
	group.Go(func() error { return ingester.Run(ctx) })
	logger.Info("ingesting", "topics", len(topics))
	return group.Wait()
}

// may fails if our user may not ingest these topics.
func (c *ingestCommand) may(ctx context.Context, client *cluster.Client, topics []ingest.Topic) error {
	var theirs []topologies.ACL
	for _, topic := range topics {
		theirs = append(theirs, topologies.ACL{Resource: topologies.OnTopic, Name: topic.Name, Operation: topologies.Read, Why: "to ingest it"})
	}
	return c.mayBe(ctx, client, topologies.IngestRole, theirs...)
}

// prepare makes our topics and finds the mappings that are named.
func (c *ingestCommand) prepare(ctx context.Context, client *cluster.Client, topics []ingest.Topic) (*definition.Plan, error) {
	if err := c.may(ctx, client, topics); err != nil {
		return nil, err
	}
	t, err := c.on(ctx, client)
	if err != nil {
		return nil, err
	}
	if _, err := client.Apply(ctx, t); err != nil {
		return nil, err
	}
	plan, err := catalog.ReadPlan(ctx, client)
	if err != nil {
		return nil, err
	}
	for _, topic := range topics {
		if topic.Mapping != "" && plan.Mapping(topic.Mapping) == nil {
			return nil, &noError{fmt.Sprintf("the mapping %s of topic %s is not published: `kairos apply -f DIR` with its definition first", topic.Mapping, topic.Name)}
		}
	}
	return plan, nil
}

type mappingCommand struct {
	Schema string `arg:"" type:"existingfile" name:"SCHEMA.avsc" help:"An Avro schema."`
	Name   string `help:"Of the mapping (the record's name)."`
}

func (c *mappingCommand) Help() string {
	return `Properties of a schema's fields say what they mean:
  "kairos.identity": "email"     an identifier of this namespace
  "kairos.id": true              the id of the event
  "kairos.time": true            when it happened
  "kairos.event": true           the name of the event; of a record: "purchase"
  "kairos.consent": "ads"        whether the person agrees to this purpose
  "kairos.attribute": true       about the person; or a name of its own
  "kairos.property": false       nothing; or a name of its own
  "kairos.label": ["C2"]         what the field is, for policies
What says nothing is a property. The mapping that comes out says the same as a definition:
labels count once it is published with ` + "`kairos apply`" + `.`
}

func (c *mappingCommand) Run(p *process) error {
	text, err := os.ReadFile(c.Schema)
	if err != nil {
		return err
	}
	schema, err := foreign.ParseSchema(string(text))
	if err != nil {
		return askedError{fmt.Errorf("%s %w", c.Schema, err)}
	}
	m, err := schema.Mapping()
	if err != nil {
		return askedError{fmt.Errorf("%s: %w", c.Schema, err)}
	}
	written, err := foreign.Definition(m, c.Name)
	if err != nil {
		return err
	}
	p.printf("%s", written)
	return nil
}
