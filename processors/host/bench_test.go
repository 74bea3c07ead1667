package host_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/loadtest/kafka"
)

// One hop of a chain of two stages: read an event, get and set two rows, emit
// one record. The broker shares the machine's cores.
func BenchmarkOneHop(b *testing.B) { oneHop(b, newWorld(b, toys(4, true))) }

// The same on a real Kafka, whose own work is not the host's.
func BenchmarkOneHopOnRealKafka(b *testing.B) {
	w := worldAt(b, toys(4, true), kafka.Start(b).Address)
	w.patience = 2 * time.Minute
	oneHop(b, w)
}

func oneHop(b *testing.B, w *world) {
	c := w.config("writer")
	c.Producers = 6
	registry := prometheus.NewRegistry()
	c.Registerer = registry
	h := w.start(c)
	w.awaitOwned(h, 4)
	var records []*kgo.Record
	for n := range b.N {
		value, err := noteCodec.Append(nil, &note{1, "pass=x delete"})
		if err != nil {
			b.Fatal(err)
		}
		records = append(records, &kgo.Record{Topic: notes.Name, Key: fmt.Appendf(nil, "key-%d", n%20_000), Value: value})
	}
	b.ResetTimer()
	w.produce(records...)
	w.drain(h)
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	batches, _ := sum(b, registry, "kairos_host_batch_messages")
	b.ReportMetric(float64(b.N)/max(1, batches), "events/transaction")
	if aborts, _ := sum(b, registry, "kairos_host_aborts_total"); aborts > 0 {
		b.Errorf("%v transactions were aborted", aborts)
	}
}
