package telemetry_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"kairos/cmd/internal/telemetry"
	"kairos/processors/tracing"
)

const asked = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// sent opens a tracer, makes a span of what is followed and one of what is not,
// and gives what a collector was sent.
func sent(t *testing.T, configure func(*testing.T, string) telemetry.Config) (paths []string, body string) {
	t.Helper()
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.Path)
		read, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		body += string(read)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer collector.Close()
	c := configure(t, collector.URL)
	c.Logger = slog.New(slog.DiscardHandler)
	tracer, end, err := telemetry.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, _ := tracing.Parent([]byte(asked))
	for name, in := range map[string]context.Context{"wanted": ctx, "unasked": t.Context()} {
		_, span := tracer.Start(in, name)
		span.End()
	}
	end()
	return paths, body
}

func TestSpansGoWhereTheFlagOrTheStandardVariablesSay(t *testing.T) {
	for name, configure := range map[string]func(*testing.T, string) telemetry.Config{
		"flag": func(_ *testing.T, url string) telemetry.Config {
			return telemetry.Config{URL: url + "/v1/traces", Instance: "kairos-7"}
		},
		"endpoint": func(t *testing.T, url string) telemetry.Config {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
			return telemetry.Config{Instance: "kairos-7"}
		},
		"flag before endpoint": func(t *testing.T, url string) telemetry.Config {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
			return telemetry.Config{URL: url + "/v1/traces", Instance: "kairos-7"}
		},
		"traces' endpoint": func(t *testing.T, url string) telemetry.Config {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
			t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url+"/v1/traces")
			return telemetry.Config{Instance: "kairos-7"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			paths, body := sent(t, configure)
			if len(paths) != 1 || paths[0] != "/v1/traces" || !strings.Contains(body, "wanted") || !strings.Contains(body, "kairos-7") || strings.Contains(body, "unasked") {
				t.Errorf("%v: %q", paths, body)
			}
		})
	}
}

func TestNoSpanLeavesWithoutACollectorOrWhenTheyAreOff(t *testing.T) {
	nothing := func(*testing.T, string) telemetry.Config { return telemetry.Config{} }
	if paths, _ := sent(t, nothing); len(paths) != 0 {
		t.Errorf("sent to %v", paths)
	}
	for name, value := range map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "none"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			if paths, _ := sent(t, func(_ *testing.T, url string) telemetry.Config { return telemetry.Config{URL: url} }); len(paths) != 0 {
				t.Errorf("sent to %v", paths)
			}
		})
	}
}

func TestAWrongURLIsRefusedAndItsSecretNotPrinted(t *testing.T) {
	for url, part := range map[string]string{
		"collector:4318": "http://127.0.0.1:4318/v1/traces", "ftp://127.0.0.1/v1/traces": "http://127.0.0.1:4318/v1/traces",
		"http://u:secret@127.0.0.1:4318/v1/traces": "OTEL_EXPORTER_OTLP_HEADERS", "http://127.0.0.1/v1/traces?key=secret": "OTEL_EXPORTER_OTLP_HEADERS",
	} {
		_, _, err := telemetry.Open(t.Context(), telemetry.Config{URL: url})
		if err == nil || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "key=") || strings.Contains(err.Error(), "u:secret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
