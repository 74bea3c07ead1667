package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// receiver takes spans in, as a collector of OpenTelemetry's does.
type receiver struct {
	*httptest.Server
	mutex sync.Mutex
	raw   bytes.Buffer
	spans []*otlp.Span
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		from := io.Reader(request.Body)
		if request.Header.Get("Content-Encoding") == "gzip" {
			unpacked, err := gzip.NewReader(from)
			if err != nil {
				t.Error(err)
				return
			}
			from = unpacked
		}
		body, err := io.ReadAll(from)
		var sent collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &sent)
		}
		if err != nil || request.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", request.URL.Path, err)
			return
		}
		r.mutex.Lock()
		defer r.mutex.Unlock()
		r.raw.Write(body)
		for _, resource := range sent.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				r.spans = append(r.spans, scope.Spans...)
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(r.Close)
	return r
}

// names are those of the spans of a trace.
func (r *receiver) names(id string) []string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	var names []string
	for _, s := range r.spans {
		if hex.EncodeToString(s.TraceId) == id {
			names = append(names, s.Name)
		}
	}
	return names
}

// orphans are spans whose parent was never sent, besides those right below what
// the sender did.
func (r *receiver) orphans(sender string) []string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	known := map[string]bool{sender: true}
	for _, s := range r.spans {
		known[hex.EncodeToString(s.SpanId)] = true
	}
	var orphans []string
	for _, s := range r.spans {
		if !known[hex.EncodeToString(s.ParentSpanId)] {
			orphans = append(orphans, s.Name)
		}
	}
	return orphans
}

// From an SDK's call to a third party's server: one trace.
func TestOneEventIsFollowedThroughEveryStageToTheThirdParty(t *testing.T) {
	brokers, spans := embedded(t), newReceiver(t)
	to := "--traces=" + spans.URL + "/v1/traces"
	r := start(t, brokers, "--partitions=2", to)
	r.await(t, "/readyz", http.StatusServiceUnavailable)
	expect(t, 0, "apply", "-f", "demo/definitions", brokers)
	r.await(t, "/readyz", http.StatusOK)
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(app.Close)
	t.Setenv("APP_SECRET", "0123456789abcdef")
	file := filepath.Join(t.TempDir(), "webhooks.yaml")
	write(t, file, fmt.Sprintf("webhooks:\n- destination: app\n  url: %s\n  secrets: [env:APP_SECRET]\n  allow_private: true\n", app.URL))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		code, _, _ := kairos(ctx, "", "deliver", "-f", file, "--metrics=", to, brokers)
		ended <- code
	}()
	expect(t, 0, "send", "--door=http://"+r.door, "email=nobody.asks@example.org", "cancel")

	const id, sender = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	request, err := http.NewRequest(http.MethodPost, "http://"+r.door+"/v1/track",
		strings.NewReader(`{"userId":"sarah-77","event":"cancel","context":{"traits":{"email":"sarah@example.org"}},"writeKey":"k"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Traceparent", "00-"+id+"-"+sender+"-01")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("the door says %s", response.Status)
	}
	missing := func() []string {
		names := spans.names(id)
		return slices.DeleteFunc([]string{"send kairos.door.events", "identity", "profile", "segment", "propensity", "destination", "delivery"},
			func(name string) bool { return slices.Contains(names, name) })
	}
	await(t, "each stage has sent a span", func() bool { return len(missing()) == 0 && len(spans.orphans(sender)) == 0 })
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("deliver ended with %d", code)
	}
	spans.mutex.Lock() // the stages' process may still send some
	defer spans.mutex.Unlock()
	for _, s := range spans.spans {
		if hex.EncodeToString(s.TraceId) != id {
			t.Errorf("%s is of a trace that nobody asked for", s.Name)
		}
	}
	for _, personal := range []string{"sarah", "example.org", "win_back"} {
		if bytes.Contains(spans.raw.Bytes(), []byte(personal)) {
			t.Errorf("spans tell %s", personal)
		}
	}
}

func TestSendSaysWhichTraceItBegins(t *testing.T) {
	var header string
	door := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { header = r.Header.Get("Traceparent") }))
	t.Cleanup(door.Close)
	_, _, said := kairos(t.Context(), "", "send", "--trace", "--door="+door.URL, "device_id=d1", "cancel")
	id, ok := strings.CutPrefix(strings.TrimSpace(said), "trace ")
	if !ok || len(id) != 32 || !strings.HasPrefix(header, "00-"+id+"-") || !strings.HasSuffix(header, "-01") {
		t.Errorf("it says %q and sends %q", said, header)
	}
}
