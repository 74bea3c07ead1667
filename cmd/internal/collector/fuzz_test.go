package collector

import (
	"bytes"
	"compress/gzip"
	"net/http/httptest"
	"testing"
	"time"

	"kairos/cmd/internal/door"
	"kairos/loadtest/bounded"
	"kairos/processors/definition"
	"kairos/schemas"
	"kairos/topologies"
)

// FuzzCalls: no body may do more than be refused, and what is taken is what the
// stages read.
func FuzzCalls(f *testing.F) {
	for _, text := range []string{
		`{"userId": "u1", "event": "Order", "properties": {"total": 12.5, "items": [{"sku": 1}], "a": {"b": {"c": null}}}, "timestamp": "2026-03-01T09:00:00Z", "sentAt": 1772355600000}`,
		`{"batch": [{"type": "identify", "anonymousId": 12, "traits": {"email": " A@X.example", "phone": "+33 6"}}, {"type": "alias", "previousId": "a", "userId": "b"}], "writeKey": "k", "sentAt": "x"}`,
		`{"type": "track", "event": "$unlink", "userId": null, "context": {"traits": {}, "device": {"id": "d"}, "page": {"url": "/"}}}`,
		`[]`, `{"batch": [1]}`, `{"properties": {"a": 1e999}}`, "{\"userId\": \"\xff\"}",
	} {
		f.Add([]byte(text), byte(len(text)), false)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write([]byte(`{"userId": "u"}`))
	_ = w.Close()
	f.Add(packed.Bytes(), byte(1), true)
	all := []string{"", "track", "identify", "page", "screen", "group", "alias"}
	way := door.New(nil, door.Config{})
	rules, now := definition.DefaultIdentity(), schemas.InstantOf(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	f.Fuzz(func(t *testing.T, body []byte, word byte, says bool) {
		bounded.Memory(t, 64<<20+uint64(len(body))*4096, func() {
			request := httptest.NewRequest("POST", "/v1/t", bytes.NewReader(body))
			if says {
				request.Header.Set("Content-Encoding", "gzip")
			}
			unpacked, err := read(way, httptest.NewRecorder(), request)
			if err != nil {
				return
			}
			if len(unpacked) > MaxBatch {
				t.Fatalf("%d bytes are taken", len(unpacked))
			}
			calls, _, err := parse(unpacked, all[int(word)%len(all)])
			if err != nil {
				return
			}
			for i := range calls {
				var e schemas.Event
				if calls[i].event(&e, now, "sdk") != nil {
					continue
				}
				record, problem := door.Record(&e, now, rules, nil)
				if problem != nil {
					continue
				}
				if _, err := topologies.Events.Codec.Decode(record.Value); err != nil || len(e.Identifiers) == 0 || e.Time > now {
					t.Fatalf("%+v, %v", e, err)
				}
			}
		})
	})
}
