package door

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"kairos/processors/tracing"
	"kairos/topologies"
)

// follow lets records be followed from a span that lasts until Kafka holds them.
func (d *Door) follow(ctx context.Context, records []*kgo.Record) trace.Span {
	_, span := d.config.Tracer.Start(ctx, "send "+topologies.Events.Name, trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
		attribute.String("messaging.system", "kafka"),
		attribute.String("messaging.operation.type", "send"),
		attribute.String("messaging.destination.name", topologies.Events.Name),
		attribute.Int("messaging.batch.message_count", len(records)),
	))
	for _, r := range records {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: tracing.Header, Value: tracing.Value(span.SpanContext())})
	}
	return span
}

// Followed lets requests be followed that ask for it, by the header traceparent:
// so many in a second at most, or who may send could make us write spans without
// end. Those beyond are taken in like any other, and counted.
func Followed(next http.Handler, perSecond int, registry prometheus.Registerer) http.Handler {
	beyond := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "kairos_door_traces_beyond_total", Help: "Requests that asked to be followed and were not, for too many did.",
	})
	registry.MustRegister(beyond)
	g, name := NewGate(perSecond), http.CanonicalHeaderKey(tracing.Header)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked := r.Header[name]; len(asked) == 1 {
			if parent, ok := tracing.Parent([]byte(asked[0])); ok && g.Admits() {
				r = r.WithContext(trace.ContextWithRemoteSpanContext(r.Context(), trace.SpanContextFromContext(parent)))
			} else if ok {
				beyond.Inc()
			}
		}
		next.ServeHTTP(w, r)
	})
}

// Gate admits so many in each second. It is safe for concurrent use.
type Gate struct {
	perSecond int
	now       func() time.Time

	mutex  sync.Mutex
	second int64
	count  int
}

// NewGate makes a gate.
func NewGate(perSecond int) *Gate { return &Gate{perSecond: perSecond, now: time.Now} }

// Admits counts one more, and says whether it is let through.
func (g *Gate) Admits() bool {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if second := g.now().Unix(); second != g.second {
		g.second, g.count = second, 0
	}
	g.count++
	return g.count <= g.perSecond
}
