package main

import (
	"crypto/rand"
	"log/slog"

	"go.opentelemetry.io/otel/trace"

	"kairos/cmd/internal/telemetry"
	"kairos/processors/tracing"
)

// traces says where the spans of a process go.
type traces struct {
	Traces string `placeholder:"URL" help:"Where spans of events that are followed go, by OTLP over HTTP: http://127.0.0.1:4318/v1/traces. Without: where OTEL_EXPORTER_OTLP_ENDPOINT says, or nowhere."`
}

func (t traces) open(p *process, instance string, logger *slog.Logger) (trace.Tracer, func(), error) {
	tracer, end, err := telemetry.Open(p, telemetry.Config{URL: t.Traces, Instance: instance, Logger: logger})
	if err != nil {
		return nil, nil, askedError{err}
	}
	return tracer, end, nil
}

// newTrace begins a trace that is followed: its id, and the header that says so.
func newTrace() (id, header string) {
	config := trace.SpanContextConfig{TraceFlags: trace.FlagsSampled}
	_, _ = rand.Read(config.TraceID[:]) // never fails
	_, _ = rand.Read(config.SpanID[:])
	s := trace.NewSpanContext(config)
	return s.TraceID().String(), string(tracing.Value(s))
}
