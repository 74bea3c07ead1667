package flow_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kairos/processors/definition"
	"kairos/processors/destination"
	"kairos/processors/flow/flowtest"
	"kairos/processors/profile"
	"kairos/processors/propensity"
	"kairos/processors/segment"
	"kairos/schemas"
	"kairos/topologies"
)

const definitions = `
kind: audience
name: quiet
when: '!events("purchase").within("3d").any()'
---
kind: audience
name: buyer
when: 'events("purchase").within("3d").count() >= 2'
---
kind: audience
name: winback
when: 'events("cancel").within("2d").any() && !in("buyer")'
---
kind: audience
name: at-risk
when: 'scores.churn > 0.5 && !in("buyer") && p.country == "FR"'
---
kind: audience
name: safe
when: '!in("at-risk")'
---
kind: audience
name: spring
when: 'events("visit").any()'
schedule: {from: 2023-11-18, until: 2023-11-27T12:00Z}
---
kind: audience
name: spring-risk
when: 'scores.churn > 0.5 || in("spring")'
schedule: {from: 2023-11-18, until: 2023-11-27T12:00Z}
---
kind: audience
name: no-risk
when: '!in("spring-risk")'
---
kind: model
name: churn
inputs:
  - {name: spent, value: 'events("purchase").within("2d").sum("amount")', weight: -0.1, mean: 10, scale: 1}
  - {name: cancelled, value: 'events("cancel").within("1d").count()', weight: 2, mean: 0, scale: 1}
  - {name: buyer, value: 'in("buyer")', weight: -1, mean: 0, scale: 1}
---
kind: destination
name: mail
audiences: [at-risk, no-risk, quiet, safe, spring, spring-risk, winback]
identifiers: [email]
hash: [email]
attributes: [country]
consent: [mail]
`

func compiled(t testing.TB) *definition.Plan {
	t.Helper()
	return parsed(t, definitions)
}

func parsed(t testing.TB, text string) *definition.Plan {
	t.Helper()
	set, err := definition.Parse("definitions.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := set.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// drawEvents makes events of two people as identity tells them.
func drawEvents(t *rapid.T) []*schemas.PersonEvent {
	var events []*schemas.PersonEvent
	now := flowtest.Start
	for i := range rapid.IntRange(1, 15).Draw(t, "events") {
		now = now.Add(time.Duration(rapid.IntRange(0, 48).Draw(t, "pause")) * time.Hour)
		e := &schemas.Event{
			ID: fmt.Sprint("e", i), Name: rapid.SampledFrom([]string{"purchase", "cancel", "visit"}).Draw(t, "name"), Received: now, Source: "web",
			Time:       now.Add(-time.Duration(rapid.SampledFrom([]int{0, 0, 24, 30}).Draw(t, "late")) * time.Hour),
			Properties: schemas.Properties{{Name: "amount", Value: schemas.NumberOf(float64(rapid.IntRange(0, 30).Draw(t, "amount")))}},
		}
		if rapid.Bool().Draw(t, "about consent") {
			e.Attributes = e.Attributes.Set("consent.mail", rapid.SampledFrom([]schemas.Value{schemas.BooleanOf(true), schemas.BooleanOf(false), {}}).Draw(t, "consent"))
		}
		if rapid.Bool().Draw(t, "about country") {
			e.Attributes = e.Attributes.Set("country", rapid.SampledFrom([]schemas.Value{schemas.TextOf("FR"), schemas.TextOf("DE")}).Draw(t, "country"))
		}
		person := rapid.SampledFrom(flowtest.People).Draw(t, "person")
		e.Identifiers = []schemas.Identifier{{Namespace: "email", Value: person + "@example.org"}}
		events = append(events, &schemas.PersonEvent{Person: person, Identifier: "email:" + person + "@example.org", Cause: now, Event: e})
	}
	return events
}

// TestTheWholeChainIsSeparateWithCompiledDefinitions has profile in front, and
// so time: windows close between events and after the last one.
func TestTheWholeChainIsSeparateWithCompiledDefinitions(t *testing.T) {
	plan := compiled(t)
	said := 0
	rapid.Check(t, func(t *rapid.T) {
		stages := flowtest.MustRunner(profile.New(plan), segment.New(plan), propensity.New(plan), destination.New(plan))
		together := flowtest.NewWorld(stages)
		apart := flowtest.NewWorld(append(separate(plan), flowtest.MustRunner(profile.New(plan)))...)
		end := flowtest.Start
		for _, e := range drawEvents(t) {
			flowtest.Append(together, topologies.PersonEvents, e.Person, e)
			flowtest.Append(apart, topologies.PersonEvents, e.Person, e)
			end = e.Cause.Add(100 * time.Hour)
		}
		together.Settle()
		together.Wake(end)
		for ready := apart.Ready(); len(ready) > 0; ready = apart.Ready() {
			apart.Deliver(rapid.SampledFrom(ready).Draw(t, "next"))
			if len(apart.Ready()) == 0 {
				apart.Wake(end, "profile")
			}
			if len(apart.Ready()) == 0 {
				apart.Wake(end)
			}
		}
		compareSaid(t, perKey(t, together), perKey(t, apart))
		if !maps.EqualFunc(together.Rows, apart.Rows, slices.Equal) {
			t.Fatalf("rows differ:\nchained  %q\nseparate %q", together.Rows, apart.Rows)
		}
		for _, person := range flowtest.People { // everybody who ever came is quiet at the end
			if row := flowtest.RowOf(together, topologies.SegmentTable, person); row != nil && !slices.Contains(members(together)[person], "quiet") {
				t.Fatalf("%s is not quiet after %v: %+v", person, end, row)
			}
		}
		said += len(flowtest.RecordsOf(together, "mail"))
	})
	if said == 0 {
		t.Fatal("no destination was ever told anything: the lives are too dull to prove anything")
	}
}
