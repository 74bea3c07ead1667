package flow_test

import (
	"fmt"
	"testing"
	"time"

	"kairos/processors/destination"
	"kairos/processors/flow/flowtest"
	"kairos/processors/profile"
	"kairos/processors/propensity"
	"kairos/processors/segment"
	"kairos/schemas"
	"kairos/topologies"
)

// BenchmarkChain is one purchase through profile to destination in one
// transaction, for one of a hundred people, from bytes to bytes.
func BenchmarkChain(b *testing.B) {
	plan := compiled(b)
	r := flowtest.MustRunner(profile.New(plan), segment.New(plan), propensity.New(plan), destination.New(plan))
	w := flowtest.NewWorld(r)
	b.ReportAllocs()
	records := 0
	for i := 0; b.Loop(); i++ {
		person, now := fmt.Sprintf("%016x", i%100), flowtest.Start.Add(time.Duration(i)*10*time.Minute)
		id := schemas.Identifier{Namespace: "email", Value: person + "@example.org"}
		value, err := topologies.PersonEvents.Codec.Append(nil, &schemas.PersonEvent{Person: person, Identifier: id.String(), Cause: now, Event: &schemas.Event{
			ID: fmt.Sprint(i), Name: "purchase", Time: now, Received: now, Identifiers: []schemas.Identifier{id},
			Properties: schemas.Properties{{Name: "amount", Value: schemas.NumberOf(float64(i % 30))}},
			Attributes: schemas.Properties{{Name: "consent.mail", Value: schemas.BooleanOf(true)}, {Name: "country", Value: schemas.TextOf("FR")}},
		}})
		if err != nil {
			b.Fatal(err)
		}
		flowtest.AppendBytes(w, topologies.PersonEvents.Name, person, value)
		for _, d := range w.Ready() {
			w.Deliver(d)
		}
		records++
	}
	b.ReportMetric(float64(len(w.Topics[topologies.Transitions.Name]))/float64(records), "transitions/op")
}
