// Package telemetry sends spans to whoever collects them, by OTLP over HTTP.
//
// In: spans of what is followed (processors/tracing), from an OpenTelemetry
// tracer. Out: OTLP. State: a bounded queue; what does not fit is lost, for
// nothing waits for a collector. Laws: only what asks is sampled, nothing is
// begun here; no collector, or none that answers, changes nothing but the log.
//
// Not here: metrics (Prometheus asks for them).
package telemetry

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"kairos/processors/tracing"
)

// Config says where spans go, and from whom.
type Config struct {
	URL      string // of a collector, as http://127.0.0.1:4318/v1/traces; "": what OTEL_EXPORTER_OTLP_ENDPOINT and its kin say, or nowhere
	Instance string // which process we are; "": not said
	Logger   *slog.Logger
}

// Open makes a tracer, and a function that sends what is left and ends it.
func Open(ctx context.Context, c Config) (trace.Tracer, func(), error) {
	if c.nowhere() {
		return noop.Tracer{}, func() {}, nil
	}
	exporter, from, err := c.exporter(ctx)
	if err != nil {
		return nil, nil, err
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { // the library's only way to say so
		c.Logger.Warn("spans could not be sent and are lost", "error", err)
	}))
	provider := sdk.NewTracerProvider(
		sdk.WithBatcher(exporter), sdk.WithResource(from), sdk.WithIDGenerator(ids{}),
		sdk.WithSampler(sdk.ParentBased(sdk.NeverSample())),
	)
	return provider.Tracer("kairos"), func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := provider.Shutdown(last); err != nil {
			c.Logger.Warn("the last spans could not be sent", "error", err)
		}
	}, nil
}

// Try sends one span, called doctor, so that whoever looks knows whether spans
// arrive. It says whether they go anywhere at all.
func Try(ctx context.Context, c Config) (somewhere bool, err error) {
	if c.nowhere() {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	exporter, from, err := c.exporter(ctx, otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: false}))
	if err != nil {
		return true, err
	}
	_, span := sdk.NewTracerProvider(sdk.WithResource(from)).Tracer("kairos").Start(ctx, "doctor")
	span.End()
	return true, errors.Join(exporter.ExportSpans(ctx, []sdk.ReadOnlySpan{span.(sdk.ReadOnlySpan)}), exporter.Shutdown(ctx))
}

// nowhere reports whether nobody wants spans.
func (c Config) nowhere() bool {
	return c.URL == "" && os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" ||
		os.Getenv("OTEL_SDK_DISABLED") == "true" || os.Getenv("OTEL_TRACES_EXPORTER") == "none"
}

// exporter sends spans, which say that they are from us.
func (c Config) exporter(ctx context.Context, options ...otlptracehttp.Option) (sdk.SpanExporter, *resource.Resource, error) {
	if c.URL != "" {
		if err := check(c.URL); err != nil {
			return nil, nil, err
		}
		options = append(options, otlptracehttp.WithEndpointURL(c.URL))
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, nil, fmt.Errorf("traces: %w", err)
	}
	who := []attribute.KeyValue{attribute.String("service.name", "kairos")}
	if c.Instance != "" {
		who = append(who, attribute.String("service.instance.id", c.Instance))
	}
	from, err := resource.New(ctx, resource.WithAttributes(who...), resource.WithFromEnv())
	if err != nil {
		return nil, nil, fmt.Errorf("traces: OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return exporter, from, nil
}

func check(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("traces go to a URL such as http://127.0.0.1:4318/v1/traces")
	case u.User != nil || u.RawQuery != "":
		return errors.New("the URL for traces holds a secret, which would be printed: give it as OTEL_EXPORTER_OTLP_HEADERS in the environment")
	}
	return nil
}

// ids are those that tracing has named, and random where it has not.
type ids struct{}

// NewIDs implements trace.IDGenerator.
func (ids) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	var id trace.TraceID
	_, _ = rand.Read(id[:]) // never fails
	return id, ids{}.NewSpanID(ctx, id)
}

// NewSpanID implements trace.IDGenerator.
func (ids) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	if id, ok := tracing.ID(ctx); ok {
		return id
	}
	var id trace.SpanID
	_, _ = rand.Read(id[:])
	return id
}
