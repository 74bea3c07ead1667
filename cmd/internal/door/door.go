// Package door is where events come in: it checks them, brings them into one
// form and puts them on kairos.door.events.
//
// In: events as JSON over HTTP (POST /v1/events), or as Go values. Out:
// [schemas.Event] records keyed by their primary identifier; an answer only
// after Kafka has acknowledged them on all replicas. State: none. Laws: an
// event is either acknowledged whole or refused with the place that is wrong;
// nothing that gets in can be refused by a stage for its form.
//
// Not here: duplicates (profile drops them), time (the stages' host ticks).
package door

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"kairos/processors/definition"
	"kairos/processors/keyring"
	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// Config is what a door needs.
type Config struct {
	Clock    func() schemas.Instant          // when an event counts as received
	Rules    func() definition.IdentityRules // which identifier is primary
	Registry prometheus.Registerer           // nil: no metrics
	Timeout  time.Duration                   // for Kafka's acknowledgement; 0: 10 s
	Ring     func() *keyring.Ring            // by which events are sealed; nil, or giving nil: they are not
	Tracer   trace.Tracer                    // makes the spans of requests that are followed; nil: none, and they are passed on
	Guard    Guard                           // of requests; nil: everybody may send, under any name
	Patience time.Duration                   // for a request's body to come; 0: 30 s
}

// Guard says which source a request's events come from, or by a [Refusal] why they
// may not come in.
type Guard func(r *http.Request, events int) (source string, err error)

// Refusal is a request that does not come in.
type Refusal struct {
	Status   int
	Say      string // why, and what to do
	Problems Problems
}

func (r *Refusal) Error() string { return r.Say }

// Door puts events on their topic. It is safe for concurrent use.
type Door struct {
	config  Config
	client  *kgo.Client
	events  *prometheus.CounterVec
	seconds prometheus.Histogram
}

// ErrUnacknowledged says that Kafka did not acknowledge in time. The events
// may have been written all the same: send them again with the same ids.
var ErrUnacknowledged = errors.New("not acknowledged by Kafka: send the events again with the same ids, repetitions do no harm")

// Options are what a door's client must be made with.
func Options() []kgo.Opt {
	return []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(0), // while a request is under way, the next batch gathers by itself
		kgo.ProducerBatchMaxBytes(topologies.MaxBatchBytes),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
		Partitioner(),
	}
}

// New makes a door over a client made with [Options].
func New(client *kgo.Client, config Config) *Door {
	if config.Timeout == 0 {
		config.Timeout = 10 * time.Second
	}
	if config.Patience == 0 {
		config.Patience = 30 * time.Second
	}
	if config.Tracer == nil {
		config.Tracer = noop.Tracer{}
	}
	d := &Door{
		config: config, client: client,
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kairos_door_events_total", Help: "Events that came to the door, by what became of them.",
		}, []string{"result"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "kairos_door_acknowledge_seconds", Help: "Time until Kafka acknowledged a request's events.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14), NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
		}),
	}
	if config.Registry != nil {
		config.Registry.MustRegister(d.events, d.seconds)
	}
	return d
}

// Accept brings events into form and returns once Kafka holds all of them. A
// problem with any of them refuses all, as [Problems].
func (d *Door) Accept(ctx context.Context, events ...schemas.Event) error {
	records := make([]*kgo.Record, 0, len(events))
	var problems Problems
	for i := range events {
		record, problem := Record(&events[i], d.config.Clock(), d.config.Rules(), d.ring())
		if problem != nil {
			problem.Path = fmt.Sprintf("/%d%s", i, problem.Path)
			problems = append(problems, *problem)
			continue
		}
		if record == nil {
			d.events.WithLabelValues("suppressed").Inc()
			continue
		}
		records = append(records, record)
	}
	if len(problems) > 0 {
		d.events.WithLabelValues("refused").Add(float64(len(events)))
		return problems
	}
	return d.send(ctx, records)
}

// Record brings an event into form and makes the record that goes on the topic
// of events, sealed if there is a ring; nil for somebody whom nothing may be taken
// in about. It may change e. The client must have the option [Partitioner].
func Record(e *schemas.Event, now schemas.Instant, rules definition.IdentityRules, ring *keyring.Ring) (*kgo.Record, *Problem) {
	if problem := normalise(e, now, rules); problem != nil {
		return nil, problem
	}
	return Sealed(e, ring)
}

// Sealed is [Record] for an event that is in form already, such as one of a
// history: its time and that of its receipt stay.
func Sealed(e *schemas.Event, ring *keyring.Ring) (*kgo.Record, *Problem) {
	if !unsuppressed(ring, e) {
		return nil, nil
	}
	value, err := topologies.Events.Codec.Append(nil, e)
	if err != nil {
		return nil, &Problem{What: err.Error()}
	}
	if len(value) > stage.MaxMessageBytes {
		return nil, &Problem{TooLarge: true, What: fmt.Sprintf("the event has %d bytes, at most %d are taken: send less, or the bulk elsewhere", len(value), stage.MaxMessageBytes)}
	}
	record, err := seal(ring, e.Identifiers[0].String(), e.Identifiers[0].String(), value)
	if err != nil {
		return nil, &Problem{What: err.Error()}
	}
	return record, nil
}

// send waits for the acknowledgement, but no longer than the timeout: a record
// that is on its way cannot be called back, so it may still arrive after that.
func (d *Door) send(ctx context.Context, records []*kgo.Record) error {
	ctx, cancel := context.WithTimeout(ctx, d.config.Timeout)
	defer cancel()
	if trace.SpanContextFromContext(ctx).IsSampled() {
		defer d.follow(ctx, records).End()
	}
	begin := time.Now()
	acknowledged := make(chan error, len(records))
	for _, r := range records {
		if r.Context != nil { // where the record's key waits for the partitioner
			r.Context = context.WithValue(ctx, primaryKey{}, r.Context.Value(primaryKey{}))
		}
		d.client.Produce(ctx, r, func(_ *kgo.Record, err error) { acknowledged <- err })
	}
	for range records {
		var err error
		select {
		case err = <-acknowledged:
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			d.events.WithLabelValues("unacknowledged").Add(float64(len(records)))
			return fmt.Errorf("%w (%w)", ErrUnacknowledged, err)
		}
	}
	d.seconds.Observe(time.Since(begin).Seconds())
	d.events.WithLabelValues("accepted").Add(float64(len(records)))
	return nil
}
