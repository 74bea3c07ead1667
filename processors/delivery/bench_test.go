package delivery_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"kairos/processors/delivery"
)

// What one destination's bad day costs the messages of another, from Kafka's
// acknowledgement to the receiver: the same whether the other is well, hangs,
// answers 500 or 429.
func BenchmarkAnotherDestination(b *testing.B) {
	for name, bad := range map[string]http.HandlerFunc{
		"well":  func(http.ResponseWriter, *http.Request) {},
		"hangs": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"500":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"429": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		},
	} {
		b.Run(name, func(b *testing.B) {
			w := open(b, "bad", "good")
			worse := httptest.NewServer(bad)
			b.Cleanup(worse.CloseClientConnections)
			good := receive(b, always)
			w.deliver(delivery.Webhook{Destination: "bad", URL: worse.URL, Timeout: time.Second}, nil)
			w.deliver(delivery.Webhook{Destination: "good", URL: good.URL}, nil)
			w.say("good", "warm 1")
			good.await(b, 1)
			var took []time.Duration
			for n := range max(b.N, 200) {
				w.say("bad", fmt.Sprintf("p%d 1", n))
				w.say("good", fmt.Sprintf("p%d 1", n))
				began := time.Now()
				good.await(b, 1)
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}
