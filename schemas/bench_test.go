package schemas_test

import (
	"testing"

	"kairos/schemas"
)

func anEvent() *schemas.Event {
	return &schemas.Event{
		ID: "cdnow-12345", Name: "purchase", Time: 1_772_355_600_000, Received: 1_772_355_600_000, Source: "shop",
		Identifiers: []schemas.Identifier{{Namespace: "crm_id", Value: "00012345"}, {Namespace: "email", Value: "sarah@example.org"}},
		Properties:  schemas.Properties{{Name: "amount", Value: schemas.NumberOf(29.5)}, {Name: "cds", Value: schemas.NumberOf(2)}, {Name: "channel", Value: schemas.TextOf("web")}},
	}
}

func BenchmarkEncodeEvent(b *testing.B) {
	e := anEvent()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := schemas.EventCodec.Append(nil, e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeEvent(b *testing.B) {
	encoded, err := schemas.EventCodec.Append(nil, anEvent())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := schemas.EventCodec.Decode(encoded); err != nil {
			b.Fatal(err)
		}
	}
}
