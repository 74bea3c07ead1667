package segment_test

import (
	"fmt"
	"strings"
	"testing"

	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/processors/flow/flowtest"
	"kairos/processors/segment"
	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// BenchmarkChange is one change of one feature, with its transition there and
// back, from bytes to bytes. Of all audiences, `touched` look at the feature.
func BenchmarkChange(b *testing.B) {
	for _, audiences := range []int{20, 10_000} {
		for _, touched := range []int{1, 10, 100} {
			if touched <= audiences {
				b.Run(fmt.Sprintf("audiences=%d/touched=%d", audiences, touched), func(b *testing.B) { benchmarkChange(b, audiences, touched) })
			}
		}
	}
}

func benchmarkChange(b *testing.B, audiences, touched int) {
	p := &definition.Plan{}
	for i := range audiences {
		t := &expression.Term{ID: int64(max(i-touched, 0)), Short: "events(x)"}
		bound := 1.0
		if i > 0 && i <= touched {
			bound = 1000 // looked at, but only the first one flips
		}
		p.Audiences = append(p.Audiences, definition.Audience{Name: fmt.Sprintf("audience-%05d", i), Version: 1,
			Expression: expression.New(fmt.Sprint(i), []*expression.Term{t}, nil, nil, nil, func(in expression.Inputs) schemas.Value {
				return schemas.BooleanOf(in.Term(t.ID).Number >= bound)
			})})
	}
	r := flowtest.MustRunner(segment.New(p))
	w := flowtest.NewWorld(r)
	for i := range 3 { // the last one: no feature is set, none is kept
		flowtest.Append(w, topologies.Changes, "sarah", &schemas.Change{Person: "sarah", Cause: start, EventID: "e", Reason: "x",
			Features: []schemas.Feature{{ID: 0, Value: schemas.NumberOf(float64(i % 2))}}})
	}
	w.Settle()
	messages := w.Topics[topologies.Changes.Name]
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		effects, err := r.Message(w, messages[1+i%2])
		if err != nil || len(effects.Rows) != 1 {
			b.Fatalf("%+v, %v", effects, err)
		}
		w.Rows[flowtest.RowKey{Table: effects.Rows[0].Table, Key: "sarah"}] = effects.Rows[0].Value
	}
}

// BenchmarkSharedAttribute is a change of an attribute that ten thousand
// audiences ask for, each together with something that few people do.
func BenchmarkSharedAttribute(b *testing.B) {
	var definitions strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&definitions, "kind: audience\nname: a%d\nwhen: events(\"cart\").where(e, e.product == \"p%d\").any() && p.country == \"FR\"\n---\n", i, i)
	}
	set, err := definition.Parse("many.yaml", []byte(definitions.String()))
	if err != nil {
		b.Fatal(err)
	}
	plan, err := set.Compile()
	if err != nil {
		b.Fatal(err)
	}
	r := flowtest.MustRunner(segment.New(plan))
	w := flowtest.NewWorld(r)
	did := &schemas.Change{Person: "sarah", Cause: start, EventID: "e", Reason: "cart"}
	for i := range 20 {
		did.Features = append(did.Features, schemas.Feature{ID: plan.Audiences[i*7].Expression.Terms[0].ID, Value: schemas.BooleanOf(true)})
	}
	flowtest.Append(w, topologies.Changes, "sarah", did)
	for _, country := range []string{"DE", "IT"} {
		flowtest.Append(w, topologies.Changes, "sarah", &schemas.Change{Person: "sarah", Cause: start, EventID: "e", Reason: "login",
			Attributes: schemas.Properties{{Name: "country", Value: schemas.TextOf(country)}}})
	}
	w.Settle()
	messages := w.Topics[topologies.Changes.Name]
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		effects, err := r.Message(w, messages[1+i%2])
		if err != nil || len(effects.Rows) != 1 {
			b.Fatalf("%+v, %v", effects, err)
		}
		w.Rows[flowtest.RowKey{Table: effects.Rows[0].Table, Key: "sarah"}] = effects.Rows[0].Value
	}
}

// BenchmarkNewPerson is the first change of somebody.
func BenchmarkNewPerson(b *testing.B) {
	for _, audiences := range []int{20, 10_000} {
		b.Run(fmt.Sprintf("audiences=%d", audiences), func(b *testing.B) {
			p := &definition.Plan{}
			for i := range audiences {
				t := &expression.Term{ID: int64(i), Short: "events(x)"}
				p.Audiences = append(p.Audiences, audience(fmt.Sprintf("audience-%05d", i), term(t)))
			}
			r := flowtest.MustRunner(segment.New(p))
			w := flowtest.NewWorld(r)
			flowtest.Append(w, topologies.Changes, "sarah", &schemas.Change{Person: "sarah", Cause: start, Features: truth(&expression.Term{ID: 3}, true)})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Message(w, w.Topics[topologies.Changes.Name][0]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

var _ stage.Rows = (*flowtest.World)(nil)
