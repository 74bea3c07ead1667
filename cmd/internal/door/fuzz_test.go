package door_test

import (
	"slices"
	"strings"
	"testing"

	"kairos/cmd/internal/door"
	"kairos/loadtest/bounded"
	"kairos/schemas"
	"kairos/topologies"
)

// FuzzEvents: no body may do more than be refused, and what is taken has the
// form that the stages rely on.
func FuzzEvents(f *testing.F) {
	for _, text := range []string{
		`{"name": "purchase", "identifiers": {"email": ["Ann@X.example", "b@x"], "phone": "0033 6"}, "time": "2026-03-01T09:00:00Z", "properties": {"a": {"b": 1}, "c": null}, "attributes": {"d": true}}`,
		`[{"name": "a", "identifiers": {"x": "y"}}, {"name": "$a"}]`, `{"name": "a", "identifiers": {"email": null}, "id": "", "time": -1}`,
		`[`, `{"name": 1}`, `{"properties": {"a": [1]}}`, `{"name": "a", "identifiers": {"a_1": "\u0000"}, "time": 1e99}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		bounded.Memory(t, 64<<20+uint64(len(body))*4096, func() {
			events, err := door.Parse(body)
			if err != nil {
				return
			}
			for i := range events {
				record, problem := door.Record(&events[i], noon, rules(), nil)
				if problem != nil {
					continue
				}
				e, err := topologies.Events.Codec.Decode(record.Value)
				if err != nil || len(e.Identifiers) == 0 || string(record.Key) != e.Identifiers[0].String() || e.Time > noon || strings.HasPrefix(e.Name, "$") {
					t.Fatalf("%+v, %v", e, err)
				}
				if !slices.IsSortedFunc(e.Properties, func(a, b schemas.Property) int { return strings.Compare(a.Name, b.Name) }) {
					t.Fatalf("properties are not sorted: %v", e.Properties)
				}
			}
		})
	})
}
