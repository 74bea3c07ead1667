package ingest_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/foreign"
	"kairos/cmd/internal/ingest"
	"kairos/processors/tracing"
	"kairos/topologies"
)

func TestAForeignRecordThatAsksIsFollowedAndNotMoreOfThemThanMay(t *testing.T) {
	const asked, not = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
	w := open(t, "visits")
	known := folder(t, map[string]string{"visits.avsc": visit}, "", nil)
	headers := []string{"", not, "nonsense", asked, asked, asked, asked, asked, asked, asked, asked}
	for n, header := range headers {
		r := &kgo.Record{Topic: "visits", Key: []byte{byte(n)}, Value: encoded(t, visit, "sarah@example.org", n), Headers: []kgo.RecordHeader{{Key: "origin", Value: []byte("crm")}}}
		if header != "" {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: tracing.Header, Value: []byte(header)})
		}
		if err := w.client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	w.ingest(known, nil, ingest.Topic{Name: "visits", Framing: foreign.Plain})
	followed := 0
	for came := 0; came < len(headers); {
		for _, r := range w.more() {
			if r.Topic != topologies.Events.Name {
				t.Fatalf("a record came on %s", r.Topic)
			}
			came++
			for _, h := range r.Headers {
				if h.Key != tracing.Header || string(h.Value) != asked {
					t.Errorf("an event has the header %s: %s", h.Key, h.Value)
				}
				followed++
			}
		}
	}
	if followed < tracesASecond || followed >= len(headers)-3 { // at most two seconds' worth, were the second to change just then
		t.Errorf("%d of %d that ask are followed, %d in a second may be", followed, len(headers)-3, tracesASecond)
	}
}
