// Package delivery tells third parties over HTTP what destinations are told on
// Kafka: who entered and who left. It is the last hop, and runs without Goka.
//
// In: a destination's stream, read committed. Out: signed POSTs to one URL, in
// order for each person; dead letters for what the receiver refuses or nobody
// took in time. State: the group's committed offsets. Laws: nothing is lost, and
// what may arrive twice carries the same Kairos-Id; a destination that is slow
// or dead costs the others nothing, each has a reader of its own; no body of an
// answer, and no secret, gets into a log, a letter or an error.
//
// Not here: who is told what (processors/destination).
package delivery

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"kairos/schemas"
	"kairos/topologies"
)

// Word names delivery where stages have a word.
const Word = "delivery"

// Webhook is whom to tell, and how.
type Webhook struct {
	Destination  string
	URL          string
	Secrets      []string      // each signs; two while one is replaced by the other
	PerSecond    float64       // requests; 0: no limit
	Batch        int           // activations in one request; 1: a request for each
	Lanes        int           // requests at the same time, each for other people
	Timeout      time.Duration // of one request
	GiveUpAfter  time.Duration // then it is a dead letter
	AllowPrivate bool          // addresses of the own network
}

// Config is what a deliverer needs.
type Config struct {
	Webhook
	Kafka    []kgo.Opt
	Clock    Clock                 // nil: the machine's
	Random   func() float64        // for the jitter of pauses, from 0 to 1; nil: math/rand
	Registry prometheus.Registerer // nil: no metrics
	Logger   *slog.Logger
	Tracer   trace.Tracer // makes the spans of activations that ask to be followed; nil: none
}

// Clock is time, for tests that cannot wait an hour.
type Clock interface {
	Now() time.Time
	Wait(ctx context.Context, d time.Duration) error // until d has passed, or ctx ends
}

type machineClock struct{}

func (machineClock) Now() time.Time { return time.Now() }

func (machineClock) Wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Deliverer delivers one destination's stream.
type Deliverer struct {
	config  Config
	http    *http.Client
	breaker *breaker
	pace    *pace
	metrics *metrics
	seed    maphash.Seed
	letters *kgo.Client
}

// New checks c and makes a deliverer. Nothing is connected before Run.
func New(c Config) (*Deliverer, error) {
	c.Webhook = c.Webhook.withDefaults()
	if err := c.Webhook.validate(); err != nil {
		return nil, fmt.Errorf("webhook of destination %s: %w", c.Destination, err)
	}
	if c.Clock == nil {
		c.Clock = machineClock{}
	}
	if c.Random == nil {
		c.Random = rand.Float64
	}
	if c.Tracer == nil {
		c.Tracer = noop.Tracer{}
	}
	m, err := newMetrics(c.Registry, c.Destination)
	if err != nil {
		return nil, err
	}
	return &Deliverer{
		config: c, http: newHTTP(c.Webhook), breaker: &breaker{config: c}, pace: &pace{config: c}, metrics: m, seed: maphash.MakeSeed(),
	}, nil
}

// mostAtOnce is how many activations are in hand at a time.
const mostAtOnce = 500

// Run delivers until ctx ends, and returns nil then.
func (d *Deliverer) Run(ctx context.Context) error {
	stream := topologies.Activations(d.config.Destination)
	reader, err := kgo.NewClient(append(slices.Clone(d.config.Kafka),
		kgo.ClientID("kairos-delivery"), kgo.ConsumerGroup("kairos.delivery."+d.config.Destination), kgo.ConsumeTopics(stream.Name),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.DisableAutoCommit(),
	)...)
	if err != nil {
		return err
	}
	defer reader.Close()
	if d.letters, err = kgo.NewClient(append(slices.Clone(d.config.Kafka), kgo.ClientID("kairos-delivery"))...); err != nil {
		return err
	}
	defer d.letters.Close()
	for {
		fetches := reader.PollRecords(ctx, mostAtOnce)
		if ctx.Err() != nil {
			return nil
		}
		fetches.EachError(func(topic string, number int32, err error) {
			d.config.Logger.Warn("reading what is to be delivered failed, will be tried again", "topic", topic, "partition", number, "error", err)
		})
		records := fetches.Records()
		if len(records) == 0 {
			continue
		}
		if err := d.deliver(ctx, records); err != nil {
			if ctx.Err() != nil {
				return nil // what was told is told again by whoever runs next
			}
			return err
		}
		if err := reader.CommitRecords(ctx, records...); err != nil && ctx.Err() == nil {
			d.config.Logger.Warn("offsets could not be committed: some will be told twice", "error", err)
		}
	}
}

// item is one activation to tell.
type item struct {
	record *kgo.Record
	*schemas.Activation
}

// deliver tells everything in records, people's in order, lanes beside each other.
func (d *Deliverer) deliver(ctx context.Context, records []*kgo.Record) error {
	lanes := make([][]item, d.config.Lanes)
	for _, r := range records {
		d.metrics.age.Set(d.config.Clock.Now().Sub(r.Timestamp).Seconds())
		if r.Value == nil {
			continue // a tombstone: the person is forgotten, which nobody is told
		}
		a, err := topologies.Activations(d.config.Destination).Codec.Decode(r.Value)
		if err != nil {
			if err := d.letter(ctx, r, "undecodable", err.Error()); err != nil {
				return err
			}
			continue
		}
		lane := maphash.String(d.seed, a.Person) % uint64(len(lanes))
		lanes[lane] = append(lanes[lane], item{r, a})
	}
	errs := make([]error, len(lanes))
	var running sync.WaitGroup
	for i, lane := range lanes {
		running.Go(func() {
			for chunk := range slices.Chunk(lane, d.config.Batch) {
				if errs[i] = d.followed(ctx, chunk); errs[i] != nil {
					return
				}
			}
		})
	}
	running.Wait()
	d.metrics.age.Set(0)
	return errors.Join(errs...)
}

// letter makes a dead letter of a record and waits until Kafka has it.
func (d *Deliverer) letter(ctx context.Context, r *kgo.Record, what, detail string) error {
	stream := topologies.DeadLetters(Word)
	letter := &schemas.DeadLetter{
		Stage: Word, Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Reason: "kairos-" + Word + "-" + what,
		Detail: detail, Key: r.Key, Value: r.Value, Cause: schemas.InstantOf(d.config.Clock.Now()),
	}
	value, err := stream.Codec.Append(nil, letter)
	if err != nil {
		return err
	}
	if err := d.letters.ProduceSync(ctx, &kgo.Record{Topic: stream.Name, Key: []byte(letter.PlaceKey()), Value: value}).FirstErr(); err != nil {
		return fmt.Errorf("write a dead letter: %w", err)
	}
	d.metrics.results.WithLabelValues(d.config.Destination, what).Inc()
	return nil
}
