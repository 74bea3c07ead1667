// Package delivery tells third parties over HTTP what destinations are told on
// Kafka: who entered and who left. It is the last hop, and runs without Goka.
//
// In: a destination's stream, read committed. Out: signed POSTs to one URL, in
// order for each person; dead letters for what the receiver refuses or breaks on,
// or nobody took in time. State: the group's committed offsets, each with a note
// of what has been told beyond it. Laws: nothing is lost, and what may arrive
// twice carries the same id; a message that its receiver breaks on holds up
// nobody but its person; a destination that is slow or dead costs the others
// nothing, each has a reader of its own; no body of an answer, and no secret, gets
// into a log, a letter or an error.
//
// Not here: who is told what (processors/destination).
package delivery

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
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
	Method       string // usually POST
	URL          string
	Body         string // a template, see [Call]; empty: kairos' own form
	Exit         Call   // how exits are told; what is empty is as for entries
	Headers      []Header
	Audiences    map[string]string // what the receiver calls ours; one that is not listed has its own name
	Needs        []string          // namespaces: who has no identifier of any of them is not told of
	Refused      []int             // statuses that say that this message will never be taken; empty: 400, 413, 422
	Secrets      []string          // each signs; two while one is replaced by the other; none: only with a Body
	PerSecond    float64           // requests; 0: no limit
	Batch        int               // messages in one request; 1: a request for each
	Lanes        int               // requests at the same time, each for other people
	Timeout      time.Duration     // of one request
	GiveUpAfter  time.Duration     // then it is a dead letter
	PoisonAfter  time.Duration     // for so long it fails alone, while others are taken; then it is a dead letter
	AllowPrivate bool              // addresses of the own network
}

// Header is one that requests have. Its value is asked anew for each: it may be
// a token that somebody renews.
type Header struct {
	Name  string
	Value func() (string, error)
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
	entry   call
	exit    call
	http    *http.Client
	metrics *metrics
	letters letters
	member  member
}

// Ready says what it waits for before it can tell anybody; empty: nothing.
func (d *Deliverer) Ready() string { return d.member.waits(Group(d.config.Destination)) }

// New checks c and makes a deliverer. Nothing is connected before Run.
func New(c Config) (*Deliverer, error) {
	c.Webhook = c.Webhook.withDefaults()
	if err := c.Webhook.validate(); err != nil {
		return nil, fmt.Errorf("webhook of destination %s: %w", c.Destination, err)
	}
	entry, exit, err := c.Webhook.calls()
	if err != nil {
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
		config: c, entry: entry, exit: exit, http: newHTTP(c.Webhook), metrics: m,
		letters: letters{clock: c.Clock, metrics: m, label: c.Destination},
	}, nil
}

// Run delivers until ctx ends, and returns nil then.
func (d *Deliverer) Run(ctx context.Context) (err error) {
	if d.letters.client, err = kgo.NewClient(append(slices.Clone(d.config.Kafka), kgo.ClientID("kairos-delivery"))...); err != nil {
		return err
	}
	defer d.letters.client.Close()
	k := d.newDesk()
	if err := k.open(); err != nil {
		return err
	}
	defer k.reader.CloseAllowingRebalance()
	go k.readOn(ctx)
	return k.run(ctx)
}

// item is a message in hand.
type item struct {
	record *kgo.Record
	*schemas.Activation
	group string     // only messages of one group go together
	came  int64      // its place among all that were taken in hand
	since time.Time  // it is in hand
	span  trace.Span // of one that asks to be followed; nil: of none
}

// letters writes dead letters.
type letters struct {
	client  *kgo.Client
	clock   Clock
	metrics *metrics
	label   string // of metrics
}

// write makes dead letters and waits until Kafka has them.
func (l letters) write(ctx context.Context, ended []verdict, detail func(verdict) string) error {
	stream := topologies.DeadLetters(Word)
	var records []*kgo.Record
	for _, v := range ended {
		r := v.record
		letter := &schemas.DeadLetter{
			Stage: Word, Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Reason: v.result.reason(),
			Detail: detail(v), Key: r.Key, Value: r.Value, Cause: schemas.InstantOf(l.clock.Now()),
		}
		value, err := stream.Codec.Append(nil, letter)
		if err != nil {
			return err
		}
		records = append(records, &kgo.Record{Topic: stream.Name, Key: []byte(letter.PlaceKey()), Value: value})
	}
	if err := l.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("write a dead letter: %w", err)
	}
	for _, v := range ended {
		l.metrics.results.WithLabelValues(l.label, v.result.word()).Inc()
	}
	return nil
}
