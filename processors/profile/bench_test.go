package profile_test

import (
	"fmt"
	"testing"
	"time"

	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// twentyTerms is a plan of usual size: twenty terms over eight series.
func twentyTerms() *definition.Plan {
	var terms []*expression.Term
	for _, s := range []*expression.Series{asking("purchase", ""), asking("purchase", "amount"), asking("purchase", "cds"), asking("refund", "amount")} {
		terms = append(terms, about(s, expression.Count, 0), about(s, expression.Any, 30*24*time.Hour), about(s, expression.Sum, 90*24*time.Hour))
	}
	for _, s := range []*expression.Series{asking("look", ""), asking("cancel", ""), asking("open", ""), asking("open", "campaign")} {
		terms = append(terms, about(s, expression.Count, 7*24*time.Hour), compared(about(s, expression.Count, 30*24*time.Hour), expression.GreaterOrEqual, 3))
	}
	return planOf(terms...)
}

// BenchmarkEvent measures the step on one event: decode message and row, fold,
// encode row and change. The person has a full timeline and all terms. A wake
// is the same without the event.
func BenchmarkEvent(b *testing.B) {
	for _, name := range []string{"purchase", "look", "other"} {
		for _, past := range []int{10, 100} {
			b.Run(fmt.Sprint(name, " after ", past), func(b *testing.B) { benchmarkEvent(b, name, past) })
		}
	}
}

func benchmarkEvent(b *testing.B, name string, past int) {
	w := newWorld(b, twentyTerms())
	names := []string{"purchase", "look", "open", "other", "look"}
	for i := range past {
		at := start + schemas.Instant(i)*6*hour
		w.hear(event(sarah, mail, names[i%len(names)], fmt.Sprint("shop-", i), at, number("amount", 12.77), number("cds", 1), text("campaign", "spring")))
	}
	now := start + schemas.Instant(past-1)*6*hour + second // before any wake
	m := event(sarah, mail, name, "now", now, number("amount", 12.77), number("cds", 1))
	value, err := schemas.PersonEventCodec.Append(nil, &m)
	if err != nil {
		b.Fatal(err)
	}
	message := stage.Message{Topic: topologies.PersonEvents.Name, Key: sarah, Value: value}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.runner.Message(w, message); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(w.rows[sarah])), "row-bytes")
}

// BenchmarkEventAmidManyTerms: an event costs by the terms that it touches,
// not by those that there are.
func BenchmarkEventAmidManyTerms(b *testing.B) {
	for _, many := range []int{10, 100, 1000, 10_000} {
		b.Run(fmt.Sprint(many, " terms"), func(b *testing.B) {
			terms := []*expression.Term{about(asking("purchase", ""), expression.Count, 0)}
			for i := range many {
				s := asking(fmt.Sprint("look", i/100), "")
				terms = append(terms, compared(about(s, expression.Count, time.Duration(1+i%90)*24*time.Hour), expression.GreaterOrEqual, 1))
			}
			w := newWorld(b, planOf(terms...))
			for i := range 20 { // of ten kinds of events, so about a tenth of the terms are true
				w.hear(event(sarah, mail, fmt.Sprint("look", i%10), fmt.Sprint("shop-", i), start+schemas.Instant(i)*minute))
			}
			m := event(sarah, mail, "purchase", "now", start+hour)
			value, err := schemas.PersonEventCodec.Append(nil, &m)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				message := stage.Message{Topic: topologies.PersonEvents.Name, Key: sarah, Value: value}
				if _, err := w.runner.Message(w, message); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(w.rows[sarah])), "row-bytes")
		})
	}
}

// BenchmarkEventAmidSequences: an event that plays no role costs nothing more,
// however many sequences there are; one that does costs them what they look at.
func BenchmarkEventAmidSequences(b *testing.B) {
	for _, many := range []int{0, 1000} {
		for _, name := range []string{"purchase", "cart0"} {
			b.Run(fmt.Sprint(many, " sequences, ", name), func(b *testing.B) {
				terms := []*expression.Term{about(asking("purchase", ""), expression.Count, 0)}
				var sources []string
				for i := range many {
					sources = append(sources, fmt.Sprintf(`events("cart%d").then("checkout%d", "%dh").without("pay%d", "1h").within("30d").any()`, i%100, i%100, 1+i/100, i%100))
				}
				terms = append(terms, inOrder(b, sources...)...)
				w := newWorld(b, planOf(terms...))
				for i := range 20 {
					w.hear(event(sarah, mail, fmt.Sprint([]string{"cart", "checkout"}[i%2], i/2%5), fmt.Sprint("shop-", i), start+schemas.Instant(i)*minute))
				}
				m := event(sarah, mail, name, "now", start+hour)
				value, err := schemas.PersonEventCodec.Append(nil, &m)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				for b.Loop() {
					message := stage.Message{Topic: topologies.PersonEvents.Name, Key: sarah, Value: value}
					if _, err := w.runner.Message(w, message); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(len(w.rows[sarah])), "row-bytes")
			})
		}
	}
}

// BenchmarkEventAmidMovingTerms measures the same step for terms that must be
// looked at again at the instants at which they may change: one of a kind at a
// time, over a full window of events.
func BenchmarkEventAmidMovingTerms(b *testing.B) {
	for _, source := range []string{
		`events("buy").within("90d").count() >= 3`, // for comparison: one that is added up
		`events("buy").within("90d").most_frequent("item") == "a"`, `size(events("buy").within("90d").list("item")) > 3`,
		`events("buy").recency() >= 30`, `events("buy").streak("1d", "Europe/Paris") >= 7`, `events("buy").within("90d").last(3).sum("amount") > 9`,
		`events("buy").within("90d").first(3).sum("amount") > 9`, `events("buy").within("this year", "Europe/Paris").sum("amount") > 9`,
		`daysUntil(p.renewal, "Europe/Paris") <= 7`, `daysUntilAnniversary(p.renewal, "Europe/Paris") <= 7`,
	} {
		b.Run(source, func(b *testing.B) {
			w := newWorld(b, askedOf(b, source))
			for i := range 60 {
				w.hear(event(sarah, mail, "buy", fmt.Sprint(i), start+schemas.Instant(i)*day, number("amount", float64(i%7)), text("item", fmt.Sprint(i%9))))
			}
			m := event(sarah, mail, "buy", "now", start+60*day, number("amount", 1), text("item", "1"))
			m.Event.Attributes = schemas.Properties{text("renewal", "2030-02-28")}
			value, err := schemas.PersonEventCodec.Append(nil, &m)
			if err != nil {
				b.Fatal(err)
			}
			message := stage.Message{Topic: topologies.PersonEvents.Name, Key: sarah, Value: value}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.runner.Message(w, message); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
