package delivery

import (
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"kairos/processors/tracing"
)

// follow makes a span of an activation that asks to be followed, from now until
// it is told, or nobody took it; nil for others.
func (d *Deliverer) follow(one item) trace.Span {
	for _, h := range one.record.Headers {
		if h.Key != tracing.Header {
			continue
		}
		parent, asked := tracing.Parent(h.Value)
		if !asked {
			return nil
		}
		r := one.record
		ctx := tracing.Named(parent, r.Offset, Word, r.Topic, strconv.Itoa(int(r.Partition)))
		_, span := d.config.Tracer.Start(ctx, Word, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
			attribute.String("kairos.stage", Word),
			attribute.String("kairos.topic", r.Topic),
			attribute.String("kairos.destination", d.config.Destination),
			attribute.String("messaging.system", "kafka"),
			attribute.String("messaging.operation.type", "process"),
			attribute.String("messaging.destination.name", r.Topic),
			attribute.Int("messaging.destination.partition.id", int(r.Partition)),
			attribute.Int64("messaging.kafka.offset", r.Offset),
		))
		return span
	}
	return nil
}

// unfollow ends the spans of what is in hand and is left to whoever goes on.
func (k *desk) unfollow(left func(item) bool) {
	for _, l := range k.queue.lines {
		for _, i := range l.items {
			if i.span != nil && left(i) {
				i.span.SetStatus(codes.Error, "not told: it is tried again by whoever runs next")
				i.span.End()
			}
		}
	}
}
