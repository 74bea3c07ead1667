package crowd

import (
	"context"
	"fmt"
	"testing"

	"kairos/processors/definition"
	"kairos/processors/flow/flowtest"
	"kairos/processors/profile"
	"kairos/schemas"
	"kairos/topologies"
)

// fixed are tables of one partition.
type fixed map[string]map[string][]byte

func (f fixed) Partitions(context.Context) (int32, error) { return 1, nil }

func (f fixed) Rows(_ context.Context, table topologies.Topic, _ int32) (map[string][]byte, error) {
	return f[table.Name], nil
}

func parsed(t *testing.T, text string) (*definition.Set, *definition.Plan) {
	t.Helper()
	set, err := definition.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := set.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return set, plan
}

const draft = `
kind: profile
timeline: 3
---
kind: audience
name: buyer
when: events("purchase").within("10d").any()
---
kind: audience
name: reader
state: draft
when: events("view").within("30d").count() >= 2
`

// TestAPreviewSaysOfWhomItCannotKnow lets Ann's views lie further back than her
// timeline, and Bob's within it.
func TestAPreviewSaysOfWhomItCannotKnow(t *testing.T) {
	set, running := parsed(t, draft)
	w := flowtest.NewWorld(flowtest.MustRunner(profile.New(running)))
	tell := func(person, event string, day int) {
		at := flowtest.Start + schemas.Instant(day*24*3600*1000)
		id := schemas.Identifier{Namespace: "email", Value: person + "@example.org"}
		flowtest.Append(w, topologies.PersonEvents, person, &schemas.PersonEvent{Person: person, Identifier: id.String(), Cause: at, Event: &schemas.Event{
			ID: fmt.Sprint(person, event, day), Name: event, Time: at, Received: at, Identifiers: []schemas.Identifier{id},
		}})
	}
	for day := range 2 {
		tell("ann", "view", day)
		tell("bob", "view", day)
	}
	for day := range 4 {
		tell("ann", "purchase", 2+day)
	}
	w.Settle()
	rows := map[string][]byte{}
	for key, row := range w.Rows {
		rows[key.Key] = row
	}
	plan, err := set.Preview("reader")
	if err != nil {
		t.Fatal(err)
	}
	view, err := PreviewOf(t.Context(), fixed{topologies.ProfileTable.Name: rows}, plan, running, "reader", 10)
	if err != nil {
		t.Fatal(err)
	}
	if view.Size != 1 || view.People != 2 || view.Members[0].Person != "bob" || view.Doubtful != 1 || len(view.Unknown) != 1 {
		t.Errorf("%+v", view)
	}
}

func TestAPreviewSaysWhatNoGroupHasBeenAskedYet(t *testing.T) {
	set, running := parsed(t, `
kind: group
name: household
by: p.home
---
kind: audience
name: buyers
when: member("purchase").any()
---
kind: audience
name: readers
state: draft
when: member("purchase").any() && member("view").any()
`)
	plan, err := set.Preview("readers")
	if err != nil {
		t.Fatal(err)
	}
	view, err := PreviewOf(t.Context(), fixed{}, plan, running, "readers", 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(view.Unknown) != 1 || view.Unknown[0].Asks != "member household view any" {
		t.Errorf("%+v", view)
	}
}

func TestHoursBeforeTheLastOnesAreForgotten(t *testing.T) {
	c := &churn{hours: 2, counts: map[hourOf]*Hour{}}
	for _, at := range []schemas.Instant{5 * hour, 6*hour + 1, 6*hour + 2, 3 * hour, 7 * hour, 6 * hour} {
		c.add(&schemas.Transition{Audience: "a", Cause: at, Entered: at != 6*hour+2})
	}
	got := c.list()
	if len(got) != 2 || got[0].Entered != 2 || got[0].Exited != 1 || got[1].Entered != 1 {
		t.Errorf("%+v", got)
	}
}
