package identity_test

import (
	"fmt"
	"testing"

	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// BenchmarkKnownEvent is an event whose identifiers are known, bytes in to
// bytes out: at most 6 us are promised.
func BenchmarkKnownEvent(b *testing.B) {
	for _, identifiers := range []int{1, 3, 50} {
		b.Run(fmt.Sprintf("of a person with %d identifiers", identifiers), func(b *testing.B) {
			w := newWorld(b, 4, loose())
			for i := range identifiers {
				w.put(event(id(i), 1, "crm:1234567", fmt.Sprintf("device:%032x", i)))
			}
			w.rest(loopFirst)
			e := event("0b3e64c1-7a3d-4f0e-9d35-0f6b2f1c9a77", 2, "crm:1234567", fmt.Sprintf("device:%032x", 0))
			e.Properties = schemas.Properties{{Name: "amount", Value: schemas.NumberOf(12.5)}, {Name: "channel", Value: schemas.TextOf("web")}, {Name: "currency", Value: schemas.TextOf("EUR")}}
			value, err := schemas.EventCodec.Append(nil, e)
			if err != nil {
				b.Fatal(err)
			}
			m := stage.Message{Topic: topologies.Events.Name, Key: []byte("crm:1234567"), Value: value}
			b.ReportAllocs()
			for b.Loop() {
				effects, err := w.runner.Message(w, m)
				if err != nil || len(effects.Records) != 1 || len(effects.Rows) != 0 {
					b.Fatalf("%v: %+v", err, effects)
				}
			}
		})
	}
}

// BenchmarkMergeOfTwoPeopleOfFifty is the step that makes one person of two
// with fifty identifiers each: at most 5 ms are promised.
func BenchmarkMergeOfTwoPeopleOfFifty(b *testing.B) {
	w := newWorld(b, 4, loose())
	for i := range 49 {
		w.put(event(id(i), 1, "crm:1", fmt.Sprintf("device:a%031x", i)))
		w.put(event(id(i), 2, "crm:2", fmt.Sprintf("device:b%031x", i)))
	}
	w.rest(loopFirst)
	w.put(event("merge", 3, "crm:1", "crm:2"))
	for len(w.routes) > 0 {
		r := w.routes[0]
		m := w.queues[r][0]
		if word, err := schemas.IdentityMessageCodec.Decode(m.Value); m.Topic == topologies.IdentityLoop.Name && err == nil && word.Absorb != nil && len(word.Absorb.Members) == 50 {
			b.ReportAllocs()
			for b.Loop() {
				if effects, err := w.runner.Message(w, m); err != nil || len(effects.Records) < 50 {
					b.Fatalf("%v: %d records", err, len(effects.Records))
				}
			}
			return
		}
		w.step(0)
	}
	b.Fatal("nobody merged")
}
