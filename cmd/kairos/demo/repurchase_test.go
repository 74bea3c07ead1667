package demo

import (
	"cmp"
	"math"
	"slices"
	"testing"
	"time"

	"kairos/loadtest/cdnow"
	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/schemas"
)

// customer is what the model may ask of one customer of the log, as of an
// instant: aggregates over the bare purchases.
type customer struct {
	terms     map[int64]*expression.Term
	purchases []cdnow.Purchase
	now       schemas.Instant
}

func (c *customer) Term(id int64) schemas.Value {
	t := c.terms[id]
	count, dollars := 0, 0.0
	for _, p := range c.purchases {
		if p.Day <= c.now && (t.Window == 0 || p.Day > c.now.Add(-t.Window)) {
			count++
			dollars += float64(p.Cents) / 100
		}
	}
	switch t.Aggregate {
	case expression.Any:
		return schemas.BooleanOf(count > 0)
	case expression.Count:
		return schemas.NumberOf(float64(count))
	case expression.Sum:
		return schemas.NumberOf(dollars)
	default:
		panic("the model asks for " + t.Canonical + ", which this test does not compute")
	}
}

func (c *customer) Attribute(string) schemas.Value { return schemas.Value{} }
func (c *customer) Score(string) schemas.Value     { return schemas.Value{} }
func (c *customer) Audience(string) bool           { return false }
func (c *customer) Person() string                 { return "" }

// example is one customer on one day: what the model says, and what came.
type example struct {
	probability float64
	bought      bool
}

// The head of repurchase.yaml says how good the model is on customers and days
// that it has not seen.
func TestTheModelIsAsGoodAsItsFileSays(t *testing.T) {
	set, err := Definitions()
	if err != nil {
		t.Fatal(err)
	}
	plan, err := set.Compile()
	if err != nil {
		t.Fatal(err)
	}
	purchases, err := cdnow.Purchases()
	if err != nil {
		t.Fatal(err)
	}
	var days []schemas.Instant
	for _, month := range []time.Month{time.April, time.May} {
		days = append(days, schemas.InstantOf(time.Date(1998, month, 1, 0, 0, 0, 0, time.UTC)))
	}
	examples := judged(plan, leftOut(purchases), days)
	share, mean, loss := 0.0, 0.0, 0.0
	for _, x := range examples {
		mean += x.probability
		if x.bought {
			share++
			loss -= math.Log(x.probability)
		} else {
			loss -= math.Log(1 - x.probability)
		}
	}
	n := float64(len(examples))
	for _, figure := range []struct {
		name      string
		got, said float64
	}{
		{"examples", n, 9428}, {"AUC", areaUnderCurve(examples), 0.829}, {"log loss", loss / n, 0.287},
		{"mean probability", mean / n, 0.140}, {"share that bought", share / n, 0.110},
	} {
		if math.Abs(figure.got-figure.said) > 0.0006 {
			t.Errorf("%s is %.4f, repurchase.yaml says %v", figure.name, figure.got, figure.said)
		}
	}
}

// leftOut gives the customers whose number is divisible by 5: the model was
// fitted without them.
func leftOut(purchases []cdnow.Purchase) map[int][]cdnow.Purchase {
	of := map[int][]cdnow.Purchase{}
	for _, p := range purchases {
		if p.Customer%5 == 0 {
			of[p.Customer] = append(of[p.Customer], p)
		}
	}
	return of
}

// judged asks the model about everybody who has bought by each of days.
func judged(plan *definition.Plan, customers map[int][]cdnow.Purchase, days []schemas.Instant) (examples []example) {
	terms := map[int64]*expression.Term{}
	for _, t := range plan.Terms {
		terms[t.ID] = t
	}
	for _, day := range days {
		for _, purchases := range customers {
			if purchases[0].Day > day {
				continue
			}
			odds := plan.Models[0].Intercept
			for _, in := range plan.Models[0].Inputs {
				v := in.Expression.Eval(&customer{terms, purchases, day})
				odds += in.Weight * (v.Number - in.Mean) / in.Scale
			}
			x := example{probability: 1 / (1 + math.Exp(-odds))}
			for _, p := range purchases {
				x.bought = x.bought || p.Day > day && p.Day <= day.Add(60*24*time.Hour)
			}
			examples = append(examples, x)
		}
	}
	return examples
}

// areaUnderCurve is how often a buyer gets a higher probability than another,
// equal ones counting half.
func areaUnderCurve(examples []example) float64 {
	slices.SortFunc(examples, func(a, b example) int { return cmp.Compare(a.probability, b.probability) })
	wins, buyers, others := 0.0, 0.0, 0.0
	for i := 0; i < len(examples); {
		bought, not := 0.0, 0.0
		for p := examples[i].probability; i < len(examples) && examples[i].probability == p; i++ {
			if examples[i].bought {
				bought++
			} else {
				not++
			}
		}
		wins += bought*others + bought*not/2
		buyers, others = buyers+bought, others+not
	}
	return wins / (buyers * others)
}
