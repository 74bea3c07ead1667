package ingest

import (
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/trace"

	"kairos/processors/tracing"
)

// follow lets what became of a record be followed, if the record asks for it.
func (i *Ingester) follow(became, from *kgo.Record) {
	if became == nil {
		return
	}
	for _, h := range from.Headers {
		if h.Key != tracing.Header {
			continue
		}
		if parent, asked := tracing.Parent(h.Value); asked && i.gate.Admits() {
			became.Headers = append(became.Headers, kgo.RecordHeader{Key: tracing.Header, Value: tracing.Value(trace.SpanContextFromContext(parent))})
		}
		return
	}
}
