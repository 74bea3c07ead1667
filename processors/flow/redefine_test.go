package flow_test

import (
	"slices"
	"testing"
	"time"

	"kairos/processors/definition"
	"kairos/processors/destination"
	"kairos/processors/flow/flowtest"
	"kairos/processors/profile"
	"kairos/processors/propensity"
	"kairos/processors/segment"
	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

const moreDefinitions = definitions + `
---
kind: audience
name: french
when: p.country == "FR"
---
kind: audience
name: customer
when: events("purchase").within("2d").sum("amount") > 5
---
kind: destination
name: ads
audiences: [french]
identifiers: [email]
`

func chainOf(plan *definition.Plan) *stage.Runner {
	return flowtest.MustRunner(profile.New(plan), segment.New(plan), propensity.New(plan), destination.New(plan))
}

// TestNewDefinitionsMayAskForWhatNobodyBehindProfileKept has an attribute, a
// term and identifiers that came in before anybody wanted them.
func TestNewDefinitionsMayAskForWhatNobodyBehindProfileKept(t *testing.T) {
	w := flowtest.NewWorld(chainOf(parsed(t, definitions)))
	id := schemas.Identifier{Namespace: "email", Value: "ann@example.org"}
	flowtest.Append(w, topologies.PersonEvents, "ann", &schemas.PersonEvent{Person: "ann", Identifier: id.String(), Cause: flowtest.Start, Event: &schemas.Event{
		ID: "1", Name: "purchase", Time: flowtest.Start, Received: flowtest.Start, Identifiers: []schemas.Identifier{id},
		Properties: schemas.Properties{{Name: "amount", Value: schemas.NumberOf(9)}},
		Attributes: schemas.Properties{{Name: "country", Value: schemas.TextOf("FR")}},
	}})
	w.Settle()
	w.Become(chainOf(parsed(t, moreDefinitions)))
	before := len(w.Topics[topologies.Transitions.Name])
	for _, word := range []string{"profile", "segment", "propensity", "destination"} {
		w.Sweep(word, flowtest.Start.Add(time.Hour))
	}
	var entered []string
	for _, tr := range flowtest.Records(w, topologies.Transitions, before) {
		entered = append(entered, tr.Audience+" "+tr.Word())
	}
	if slices.Sort(entered); !slices.Equal(entered, []string{"customer entered", "french entered"}) {
		t.Fatalf("transitions: %v", entered)
	}
	if told := flowtest.RecordsOf(w, "ads"); len(told) != 1 || !slices.Equal(told[0].Identifiers, []schemas.Identifier{id}) {
		t.Fatalf("told %+v", told)
	}
}
