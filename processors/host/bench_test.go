package host_test

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// One hop on a broker in this process: read an event, get and set a row of 200
// bytes or so, emit one record. The broker shares the machine's cores.
func BenchmarkOneHop(b *testing.B) {
	w := newWorld(b, toys(4, true))
	c := w.config("writer")
	c.Producers = 6
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
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
