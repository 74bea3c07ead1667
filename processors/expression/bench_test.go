package expression

import (
	"fmt"
	"testing"

	"kairos/schemas"
)

const typical = `events("purchase").where(e, e.amount > 50.0).within("30d").count() >= 3 && !events("refund").within("90d").any() && p.country == "FR"`

func BenchmarkCompile(b *testing.B) {
	c, err := NewCompiler(shop())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := c.Compile(fmt.Sprintf("%s && p.age > %d", typical, i)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEval(b *testing.B) {
	e, err := Compile(typical, shop())
	if err != nil {
		b.Fatal(err)
	}
	person := testInputs{terms: map[int64]value{}, attributes: schemas.Properties{{Name: "country", Value: schemas.TextOf("FR")}}}
	for _, t := range e.Terms {
		person.terms[t.ID] = schemas.BooleanOf(t.Aggregate == Count)
	}
	var in Inputs = &person
	b.ReportAllocs()
	for b.Loop() {
		if !e.Eval(in).True() {
			b.Fatal("not true")
		}
	}
}

// BenchmarkEvalByCEL is the same through CEL's interpreter.
func BenchmarkEvalByCEL(b *testing.B) {
	c, err := NewCompiler(shop())
	if err != nil {
		b.Fatal(err)
	}
	w, checked, _, err := c.analyse(typical)
	if err != nil {
		b.Fatal(err)
	}
	person := testInputs{terms: map[int64]value{}, attributes: schemas.Properties{{Name: "country", Value: schemas.TextOf("FR")}}}
	for _, t := range w.terms {
		person.terms[t.ID] = schemas.BooleanOf(t.Aggregate == Count)
	}
	o := newOracle(b, checked, nil)
	o.read = func(key string) value { return w.slots[key](&person) }
	b.ReportAllocs()
	for b.Loop() {
		if !o.eval().True() {
			b.Fatal("not true")
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	e, err := Compile(`events("purchase").where(e, e.amount > 50.0 && e.channel == "web").any()`, shop())
	if err != nil {
		b.Fatal(err)
	}
	match := e.Terms[0].Series.Match
	event := &event{Properties: schemas.Properties{{Name: "amount", Value: schemas.NumberOf(60)}, {Name: "cds", Value: schemas.NumberOf(1)}, {Name: "channel", Value: schemas.TextOf("web")}}}
	b.ReportAllocs()
	for b.Loop() {
		if !match(event) {
			b.Fatal("no match")
		}
	}
}
