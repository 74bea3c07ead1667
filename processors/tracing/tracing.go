// Package tracing carries a trace from record to record.
//
// In: the header traceparent of a record or request, as W3C Trace Context writes
// it. Out: the same header for what the record causes, and the ids of spans.
// State: none. Laws: only what is sampled is followed, all else costs nothing;
// whatever the header holds, it changes no value of a record and no row; the
// same record at the same place under the same trace makes spans of the same ids,
// so that the same log gives the same bytes, headers included.
//
// Not here: where spans go to (cmd/internal/telemetry).
package tracing

import (
	"context"
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Header is the name of the header, in records and in HTTP.
const Header = "traceparent"

// Parent reads a header's value. False: it is none, or nobody wants to follow it.
func Parent(value []byte) (context.Context, bool) {
	const whole = 55 // what version 00 writes; later ones may append
	if len(value) < whole {
		return nil, false
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), carrier(value))
	return ctx, trace.SpanContextFromContext(ctx).IsSampled()
}

// carrier is a header's value as propagators want it. It knows no tracestate:
// what others keep there is as long as they like, and of no use here.
type carrier string

func (c carrier) Get(key string) string {
	if key != Header {
		return ""
	}
	return string(c)
}
func (carrier) Set(string, string) {}
func (carrier) Keys() []string     { return []string{Header} }

// Value is what the header of something holds that was caused in a span.
func Value(s trace.SpanContext) []byte {
	b := make([]byte, 0, 55)
	b = append(b, "00-"...)
	b = append(b, s.TraceID().String()...)
	b = append(b, '-')
	b = append(b, s.SpanID().String()...)
	b = append(b, '-')
	return append(b, s.TraceFlags().String()...) // sampled, and whether the trace id is random
}

type idKey struct{}

// Named gives the next span that is started in ctx an id that follows from its
// trace, its parent and these words.
func Named(ctx context.Context, number int64, words ...string) context.Context {
	parent := trace.SpanContextFromContext(ctx)
	traceID, spanID := parent.TraceID(), parent.SpanID()
	h := xxhash.New()
	_, _ = h.Write(traceID[:])
	_, _ = h.Write(spanID[:])
	_, _ = h.Write(binary.AppendVarint(nil, number))
	for _, word := range words {
		_, _ = h.WriteString(word)
		_, _ = h.Write([]byte{0})
	}
	var id trace.SpanID
	binary.BigEndian.PutUint64(id[:], h.Sum64()|1) // no id is zero
	return context.WithValue(ctx, idKey{}, id)
}

// ID is the id that Named has given.
func ID(ctx context.Context) (trace.SpanID, bool) {
	id, ok := ctx.Value(idKey{}).(trace.SpanID)
	return id, ok
}
