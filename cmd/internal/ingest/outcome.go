package ingest

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/door"
	"kairos/cmd/internal/foreign"
	"kairos/processors/definition"
	"kairos/processors/keyring"
	"kairos/schemas"
	"kairos/topologies"
)

// source is one foreign topic.
type source struct {
	topic  Topic
	reader *foreign.Reader

	plan     *definition.Plan // that unlabelled is of
	declared map[*foreign.Schema]error
}

// outcome is what became of one record: an event, a dead letter, or nothing.
type outcome struct {
	topic  string // the foreign one
	result string // for the metric: from a closed set
	record *kgo.Record
}

// reasons are the ids of dead letters.
const (
	reasonUndecodable = "kairos-ingest-undecodable"
	reasonUnknown     = "kairos-ingest-unknown-schema"
	reasonUnmapped    = "kairos-ingest-unmapped"
	reasonLabels      = "kairos-ingest-unpublished-labels"
	reasonRefused     = "kairos-ingest-refused"
)

// refusal is why a record is no event.
type refusal struct {
	reason string
	err    error
}

func (r *refusal) Error() string { return r.err.Error() }

// outcome deals with one record. The error is only ever [foreign.ErrPending].
func (s *source) outcome(ctx context.Context, r *kgo.Record, c *Config) (outcome, error) {
	if r.Value == nil {
		return outcome{topic: s.topic.Name, result: "tombstone"}, nil // says that a key is gone, which is no event
	}
	record, err := s.event(ctx, r, c)
	switch {
	case errors.Is(err, foreign.ErrPending):
		return outcome{}, err
	case err == nil && record == nil:
		return outcome{topic: s.topic.Name, result: "suppressed"}, nil
	case err == nil:
		return outcome{s.topic.Name, "event", record}, nil
	}
	var no *refusal
	if !errors.As(err, &no) {
		no = &refusal{reasonUndecodable, err}
	}
	return outcome{s.topic.Name, no.reason, letter(r, no, c.Clock())}, nil
}

func (s *source) event(ctx context.Context, r *kgo.Record, c *Config) (record *kgo.Record, err error) {
	defer func() {
		if bug := recover(); bug != nil {
			err = &refusal{reasonUndecodable, errors.New("reading the record failed inside kairos: report it with its schema")}
		}
	}()
	row, schema, err := s.reader.Read(ctx, r.Value)
	var unknown *foreign.UnknownSchemaError
	switch {
	case errors.As(err, &unknown):
		return nil, &refusal{reasonUnknown, err}
	case err != nil:
		return nil, err
	}
	plan := c.Plan()
	mapping, err := s.mapping(schema, plan)
	if err != nil {
		return nil, err
	}
	event, err := foreign.Event(mapping, row, foreign.Place(r.Topic, r.Partition, r.Offset))
	if err != nil {
		return nil, &refusal{reasonRefused, err}
	}
	var ring *keyring.Ring
	if c.Ring != nil {
		ring = c.Ring()
	}
	record, problem := door.Record(event, c.Clock(), plan.Identity, ring)
	if problem != nil {
		return nil, &refusal{reasonRefused, door.Problems{*problem}}
	}
	return record, nil
}

// mapping is the topic's, or the schema's own.
func (s *source) mapping(schema *foreign.Schema, plan *definition.Plan) (*definition.Mapping, error) {
	if s.topic.Mapping != "" {
		if m := plan.Mapping(s.topic.Mapping); m != nil {
			return m, nil
		}
		return nil, &refusal{reasonUnmapped, fmt.Errorf("the mapping %s is not published: apply it, then resend", s.topic.Mapping)}
	}
	m, err := schema.Mapping()
	if err != nil {
		return nil, &refusal{reasonUnmapped, err}
	}
	if s.plan != plan {
		s.plan, s.declared = plan, map[*foreign.Schema]error{}
	}
	missing, known := s.declared[schema]
	if !known {
		if err := foreign.Undeclared(m, plan); err != nil {
			missing = &refusal{reasonLabels, err}
		}
		s.declared[schema] = missing
	}
	return m, missing
}

// roomForValue is how long the key and value of a dead letter may be together.
const roomForValue = topologies.MaxDeadLetterBatchBytes - 64<<10

func letter(r *kgo.Record, no *refusal, now schemas.Instant) *kgo.Record {
	stream := topologies.DeadLetters(Word)
	dead := schemas.DeadLetter{
		Stage: Word, Topic: r.Topic, Partition: r.Partition, Offset: r.Offset,
		Reason: no.reason, Detail: no.Error(), Key: r.Key, Value: r.Value, Cause: now,
	}
	if len(r.Key)+len(r.Value) > roomForValue {
		dead.Key, dead.Value = nil, nil
		dead.Detail += fmt.Sprintf("; its %d bytes are too many to be kept here", len(r.Key)+len(r.Value))
	}
	value, err := stream.Codec.Append(nil, &dead)
	if err != nil {
		panic(err) // of fields without any rule
	}
	return &kgo.Record{Topic: stream.Name, Key: []byte(dead.PlaceKey()), Value: value}
}

type metrics struct {
	records  *prometheus.CounterVec
	failures prometheus.Counter
	held     prometheus.Gauge
	behind   prometheus.Gauge
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kairos_ingest_records_total", Help: "Foreign records, by topic and by what became of them: event, tombstone, or a dead letter's reason.",
		}, []string{"topic", "result"}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "kairos_ingest_registry_failures_total", Help: "Times that the registry of schemas did not answer.",
		}),
		held: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "kairos_ingest_held_partitions", Help: "Foreign partitions that wait for a schema.",
		}),
		behind: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "kairos_ingest_lag_seconds", Help: "How old the first record is that was read and is not taken in, by its timestamp, which is its producer's where the topic says so; 0: nothing waits.",
		}),
	}
	if registry != nil {
		registry.MustRegister(m.records, m.failures, m.held, m.behind)
	}
	return m
}
