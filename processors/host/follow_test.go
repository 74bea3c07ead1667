package host_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"kairos/processors/host"
	"kairos/processors/tracing"
)

const (
	asked    = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	notAsked = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
)

// named takes the ids that tracing names, as production does.
type named struct{ testing.TB }

func (n named) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	id, ok := tracing.ID(ctx)
	if !ok {
		n.Error("a span without an id that follows from the log")
	}
	return id
}

func (n named) NewIDs(context.Context) (trace.TraceID, trace.SpanID) {
	n.Error("a trace was begun that nobody has asked for")
	return trace.TraceID{1}, trace.SpanID{1}
}

// spans are those of hosts, once they are ended.
type spans struct{ *tracetest.InMemoryExporter }

func traced(t testing.TB, configs ...*host.Config) spans {
	kept := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(kept), sdk.WithIDGenerator(named{t}), sdk.WithSampler(sdk.ParentBased(sdk.NeverSample())))
	for _, c := range configs {
		c.Tracer = provider.Tracer("test")
	}
	return spans{kept}
}

// paths shows each span with those above it.
func (s spans) paths(t testing.TB) []string {
	byID := map[trace.SpanID]tracetest.SpanStub{}
	for _, span := range s.GetSpans() {
		if _, twice := byID[span.SpanContext.SpanID()]; twice {
			t.Errorf("two spans have the id of %s", span.Name)
		}
		byID[span.SpanContext.SpanID()] = span
	}
	var all []string
	for _, span := range byID {
		path := span.Name
		for above, ok := byID[span.Parent.SpanID()]; ok; above, ok = byID[above.Parent.SpanID()] {
			path = above.Name + " > " + path
		}
		if !strings.HasPrefix(path, "process toys.notes") {
			t.Errorf("%s does not hang below what was sent", path)
		}
		all = append(all, path)
	}
	slices.Sort(all)
	return all
}

func follow(header string, records []*kgo.Record) []*kgo.Record {
	for _, r := range records {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: "origin", Value: []byte("a test")}, kgo.RecordHeader{Key: tracing.Header, Value: []byte(header)})
	}
	return records
}

func headerOf(r *kgo.Record) string {
	for _, h := range r.Headers {
		if h.Key == tracing.Header {
			return string(h.Value)
		}
	}
	return ""
}

func TestARecordIsFollowedThroughAllStagesChainedOrNot(t *testing.T) {
	for chained, want := range map[bool][]string{
		true: {
			"process toys.notes",
			"process toys.notes > writer",
			"process toys.notes > writer > process toys.writer-loop",
			"process toys.notes > writer > process toys.writer-loop > writer",
			"process toys.notes > writer > reader",
		},
		false: {
			"process toys.notes",
			"process toys.notes > writer",
			"process toys.notes > writer > process toys.passed",
			"process toys.notes > writer > process toys.passed > reader",
			"process toys.notes > writer > process toys.writer-loop",
			"process toys.notes > writer > process toys.writer-loop > writer",
		},
	} {
		t.Run(fmt.Sprintf("chained %v", chained), func(t *testing.T) {
			w := newWorld(t, toys(1, chained))
			front, behind := w.config("writer"), w.config("reader")
			kept := traced(t, &front, &behind)
			hosts := []*running{w.start(front)}
			if !chained {
				hosts = append(hosts, w.start(behind))
			}
			w.write("quiet 1 pass=x say=x tell=quiet:x")
			w.produce(follow(notAsked, w.records("quiet 2 pass=x say=x"))...)
			w.produce(follow(asked, w.records("loud 3 pass=x say=x tell=loud:x"))...)
			w.drain(hosts...)
			equal(t, "spans", kept.paths(t), want)
			for _, r := range slices.Concat(w.read(said.Name), w.read(echoes.Name)) {
				header := headerOf(r)
				if loud := strings.HasPrefix(string(r.Key), "loud"); loud != strings.HasPrefix(header, asked[:36]) {
					t.Errorf("%s on %s has the header %q", r.Key, r.Topic, header)
				}
			}
			for _, span := range kept.GetSpans() {
				if text := fmt.Sprint(span.Name, span.Attributes, span.Status, span.Events); strings.Contains(text, "loud") {
					t.Errorf("a span tells whose it is: %s", text)
				}
			}
		})
	}
}

// What is followed, by whomever, changes no row and no value; and the same
// records at the same places give the same headers.
func TestFollowingChangesNoRowAndNoValue(t *testing.T) {
	loopless := []string{"a 1 pass=x say=x wake=20", "a 3 panic", "c 4 drop", "b 5 say=z"}
	lines := append([]string{"b 2 tell=a:pass=y"}, loopless...)
	run := func(lines []string, header string, withTracer bool) (values, headers []string) {
		w := newWorld(t, toys(2, true))
		c := w.config("writer")
		if withTracer {
			traced(t, &c)
		}
		h := w.start(c)
		records := w.records(lines...)
		if header != "" {
			follow(header, records)
		}
		w.produce(records...)
		w.tick(30)
		w.drain(h)
		for _, topic := range []string{writerTable.Name, readerTable.Name, said.Name, echoes.Name, "kairos.writer.deadletters"} {
			for _, r := range w.read(topic) {
				if bytes.HasPrefix(r.Key, []byte("\x00")) {
					continue // the host's own
				}
				values = append(values, fmt.Sprintf("%s/%d %s: %x", topic, r.Partition, r.Key, r.Value))
				headers = append(headers, headerOf(r))
			}
		}
		slices.Sort(values)
		return values, headers
	}
	plain, none := run(lines, "", false)
	followed, _ := run(lines, asked, true)
	equal(t, "values", followed, plain)
	passedOn, same := run(lines, asked, false)
	equal(t, "values without a tracer", passedOn, plain)
	_, first := run(loopless, asked, true)
	_, again := run(loopless, asked, true)
	slices.Sort(first)
	slices.Sort(again)
	equal(t, "headers of a second run", again, first)
	if slices.ContainsFunc(none, func(h string) bool { return h != "" }) || !slices.ContainsFunc(first, func(h string) bool { return h != "" }) {
		t.Errorf("headers %q and %q", none, first)
	}
	if !slices.Contains(same, asked) {
		t.Errorf("without a tracer the header is not passed on as it came: %q", same)
	}
}

func TestASpanSaysWhyNothingCameOfIt(t *testing.T) {
	w := newWorld(t, toys(1, true))
	c := w.config("writer")
	kept := traced(t, &c)
	h := w.start(c)
	w.produce(follow(asked, w.records("a 1 panic", "a 2 refuse", "a 3 drop"))...)
	w.drain(h)
	said := map[string]bool{}
	for _, span := range kept.GetSpans() {
		if span.Status.Code == codes.Error {
			said[span.Name+" "+span.Status.Description] = true
		}
		for _, a := range span.Attributes {
			if a.Key == "kairos.dropped" {
				said[span.Name+" "+strings.Join(a.Value.AsStringSlice(), ",")] = true
			}
		}
	}
	for _, want := range []string{
		"process toys.notes kairos-writer-panic", "writer kairos-writer-panic", "process toys.notes kairos-writer-unwanted",
		"process toys.notes writer: dull",
	} {
		if !said[want] {
			t.Errorf("no span says %q, only %v", want, said)
		}
	}
}
