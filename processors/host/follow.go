package host

import (
	"context"
	"strconv"

	"github.com/lovoo/goka"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"kairos/processors/stage"
	"kairos/processors/tracing"
)

// A record may ask to be followed, by a header traceparent that says sampled.
// Then it makes spans: one from its place in a batch to the commit of that, and
// in it one for each step of a stage, below the step whose words it heard. What
// the steps say carries the header on. Spans hold places and ids of reasons,
// never a key or a value: those are people's.

// place is where a record lies, within a partition of the group.
type place struct {
	topic  string
	offset int64
}

// followed is a record that is followed, while it is in a batch.
type followed struct {
	run   *run
	ctx   context.Context // in the whole
	whole trace.Span
	step  trace.Span                   // at work; nil: none
	steps int64                        // so far
	last  map[string]trace.SpanContext // by stage, of its last step
}

// follow begins to follow a record if it asks for that.
func (r *run) follow(s *share, record *kgo.Record) {
	for _, h := range record.Headers {
		if h.Key != tracing.Header {
			continue
		}
		if parent, asked := tracing.Parent(h.Value); asked {
			if s.followed == nil {
				s.followed = map[place]*followed{}
			}
			s.followed[place{record.Topic, record.Offset}] = r.begin(parent, record)
		}
		return
	}
}

func (r *run) begin(parent context.Context, record *kgo.Record) *followed {
	f := &followed{run: r, last: map[string]trace.SpanContext{}}
	ctx := tracing.Named(parent, record.Offset, r.config.Group.Name, record.Topic, strconv.Itoa(int(record.Partition)))
	f.ctx, f.whole = r.config.Tracer.Start(ctx, "process "+record.Topic, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("messaging.system", "kafka"),
		attribute.String("messaging.operation.type", "process"),
		attribute.String("messaging.destination.name", record.Topic),
		attribute.Int("messaging.destination.partition.id", int(record.Partition)),
		attribute.Int64("messaging.kafka.offset", record.Offset),
		attribute.String("messaging.consumer.group.name", r.config.Group.Name),
	))
	return f
}

// Begin implements stage.Follower.
func (f *followed) Begin(word, topic string) {
	ctx := f.ctx
	if said, ok := f.last[f.run.writers[topic]]; ok && f.run.config.Group.Internal(topic) {
		ctx = trace.ContextWithSpanContext(ctx, said)
	}
	f.steps++
	_, f.step = f.run.config.Tracer.Start(tracing.Named(ctx, f.steps, word, topic), word, trace.WithAttributes(
		attribute.String("kairos.stage", word),
		attribute.String("kairos.topic", topic),
	))
	f.last[word] = f.step.SpanContext()
}

// End implements stage.Follower.
func (f *followed) End() {
	f.step.End()
	f.step = nil
}

// Refused implements stage.Follower.
func (f *followed) Refused(word, reason string) {
	if f.step != nil { // it has panicked
		f.step.SetStatus(codes.Error, reason)
		f.End()
	}
	f.whole.SetStatus(codes.Error, reason)
	f.whole.SetAttributes(attribute.String("kairos.refused.by", word))
}

// dropped says what changed nothing.
func (f *followed) dropped(drops []stage.Drop) {
	if f == nil || len(drops) == 0 {
		return
	}
	reasons := make([]string, len(drops))
	for i, d := range drops {
		reasons[i] = d.Stage + ": " + d.Reason
	}
	f.whole.SetAttributes(attribute.StringSlice("kairos.dropped", reasons))
}

// onward lets what goes to a topic be followed too.
func (f *followed) onward(topic string) []goka.ContextOption {
	if f == nil {
		return nil
	}
	cause, ok := f.last[f.run.writers[topic]]
	if !ok {
		cause = f.whole.SpanContext()
	}
	return []goka.ContextOption{goka.WithCtxEmitHeaders(goka.Headers{tracing.Header: tracing.Value(cause)})}
}

// unfollow ends the spans of a batch that is committed, or undone.
func (b *batch) unfollow(undone bool) {
	for _, s := range b.shares {
		for _, f := range s.followed {
			if undone {
				f.whole.SetStatus(codes.Error, "its transaction failed, it is done again")
			}
			f.whole.End()
		}
	}
}
