package flow_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
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

// manyAudiences writes definitions such as a shop has when it has many: most
// are about one product, three fifths have a window.
func manyAudiences(many int) string {
	var b strings.Builder
	b.WriteString(definitions)
	for i := range many {
		product, days, few := fmt.Sprint("p", i/4), []int{1, 7, 30, 90}[i%4], 1+i%3
		var when string
		switch i % 20 {
		default: // 11
			when = fmt.Sprintf(`events("view").where(e, e.product == "%s").within("%dd").count() >= %d`, product, days, few)
		case 1:
			when = fmt.Sprintf(`events("purchase").where(e, e.product in ["%s", "other"]).within("%dd").sum("amount") > %d`, product, days, 50*few)
		case 2, 3, 4:
			when = fmt.Sprintf(`events("cart").where(e, e.product == "%s").any() && p.country == "FR"`, product)
		case 5, 6:
			when = fmt.Sprintf(`p.store == "s%d" && p.plan == "premium"`, i/20)
		case 7, 8:
			when = fmt.Sprintf(`in("many%d") && bucket("x%d") < 50`, i-7, i)
		case 9:
			when = fmt.Sprintf(`events("view").where(e, e.category == "c%d" && e.amount > %d).within("30d").count() >= 3`, i/20%5, i/100%30)
			if i/20%5 == 0 {
				when = fmt.Sprintf(`events("view").within("%dd").count() >= %d`, 1+i/100%30, 5+5*(i/20%4))
			}
		}
		fmt.Fprintf(&b, "---\nkind: audience\nname: many%d\nwhen: '%s'\n", i, when)
	}
	return b.String()
}

// BenchmarkChainAmidAudiences is one event through profile to destination, for
// one of a thousand people who have done something before. What an event
// touches hardly grows, so neither should what it costs.
func BenchmarkChainAmidAudiences(b *testing.B) {
	for _, many := range []int{10, 100, 1000, 10_000} {
		b.Run(fmt.Sprint(many, " audiences"), func(b *testing.B) { benchmarkAmid(b, many) })
	}
}

func benchmarkAmid(b *testing.B, many int) {
	plan := parsed(b, manyAudiences(many))
	r := flowtest.MustRunner(profile.New(plan), segment.New(plan), propensity.New(plan), destination.New(plan))
	w, c := flowtest.NewWorld(r), rand.New(rand.NewPCG(1, 1))
	const people = 500
	next := func(i int) {
		person, now := fmt.Sprintf("%016x", i%people), flowtest.Start.Add(time.Duration(i)*time.Minute)
		id := schemas.Identifier{Namespace: "email", Value: person + "@example.org"}
		product := int(float64(max(many/4, 1)) * c.Float64() * c.Float64())
		e := &schemas.Event{
			ID: fmt.Sprint(i), Time: now, Received: now, Identifiers: []schemas.Identifier{id},
			Name: []string{"view", "view", "view", "cart", "purchase", "login"}[c.IntN(6)],
			Properties: schemas.Properties{
				{Name: "amount", Value: schemas.NumberOf(float64(c.IntN(30)))}, {Name: "category", Value: schemas.TextOf(fmt.Sprint("c", c.IntN(5)))}, {Name: "product", Value: schemas.TextOf(fmt.Sprint("p", product))},
			},
		}
		if e.Name == "login" {
			e.Attributes = schemas.Properties{
				{Name: "country", Value: schemas.TextOf([]string{"FR", "DE"}[i%2])}, {Name: "plan", Value: schemas.TextOf("premium")},
				{Name: "store", Value: schemas.TextOf(fmt.Sprint("s", i%people%max(many/20, 1)))},
			}
		}
		flowtest.Append(w, topologies.PersonEvents, person, &schemas.PersonEvent{Person: person, Identifier: id.String(), Cause: now, Event: e})
		w.Settle()
	}
	history := 60 * people
	for i := range history {
		next(i)
	}
	before, i := len(w.Topics[topologies.Transitions.Name]), 0
	b.ReportAllocs()
	used := spent(b)
	for ; b.Loop(); i++ {
		next(history + i)
	}
	b.ReportMetric(float64(spent(b)-used)/float64(i), "cpu-ns/op")
	b.ReportMetric(float64(len(w.Topics[topologies.Transitions.Name])-before)/float64(i), "transitions/op")
	size := map[string]int{}
	for key, row := range w.Rows {
		size[key.Table] += len(row)
	}
	b.ReportMetric(float64(size[topologies.ProfileTable.Name])/people, "profile-bytes")
	b.ReportMetric(float64(size[topologies.SegmentTable.Name])/people, "segment-bytes")
}

// spent is the CPU time that the process has used, garbage collection and all:
// a machine that others use too shows in ns/op, hardly in this.
func spent(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
