package expression

import (
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kairos/schemas"
)

func compiled(t *testing.T, source string, environment Environment) *Expression {
	t.Helper()
	e, err := Compile(source, environment)
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	return e
}

func TestTextsThatMeanTheSameByTheirFormAreOneTerm(t *testing.T) {
	for _, same := range [][]string{
		{
			`events("purchase").where(e, e.amount > 50 && e.channel == "web").within("30d").count() >= 3`,
			`3 <= events("purchase").where(buy, buy.channel == "web").within("720h").where(x, 50.0 < x["amount"]).count()`,
			`events("purchase").where(e, (e.channel == "web" && e.amount > 50) && e.channel == "web").within("2592000s").count()>=3.0`,
		},
		{`events("purchase").sum("amount") > 1`, `events("purchase").sum(e, e.amount) > 1`},
		{`events("purchase").since("2026-01-01").any()`, `events("purchase").since("2025-01-01").since("2026-01-01T00:00:00Z").any()`},
		{`events("purchase").within("1w").any()`, `events("purchase").within("7d").any()`},
		{
			`events("view").where(e, e.price > 5 && e.a).then("purchase", "1h", e, e.amount > 50).without("refund").without("cancel").within("30d").any()`,
			`events("view").within("720h").where(x, x.a).where(y, 5 < y.price).then("purchase", "60m").where(z, z.amount > 50.0).without("cancel").without("refund").without("cancel").any()`,
		},
	} {
		terms := NewTerms()
		for _, source := range same {
			env := shop()
			env.Terms = terms
			compiled(t, source, env)
		}
		if n := len(terms.All()); n != 1 {
			for _, term := range terms.All() {
				t.Log(term.Canonical)
			}
			t.Errorf("%d terms for %q", n, same)
		}
	}
}

func TestTextsThatMeanDifferentThingsAreDifferentTerms(t *testing.T) {
	terms := NewTerms()
	sources := []string{
		`events("view").where(e, (e.a == e.b) == e.c).any()`,
		`events("view").where(e, e.a == (e.b == e.c)).any()`,
		`events("view").where(e, e.a - (e.b - e.c) > 1).any()`,
		`events("view").where(e, (e.a - e.b) - e.c > 1).any()`,
		`events("view").where(e, e.a && (e.b || e.c)).any()`,
		`events("view").where(e, e.a && e.b || e.c).any()`,
		`events("view").where(e, e.a == "b").any()`,
		`events("view").where(e, e.a == e.b).any()`,
		`events("view").where(e, e.a == "e.b").any()`,
		`events("view").where(e, e.a == 1).any()`,
		`events("view").where(e, e.a == "1").any()`,
		`events("view").where(e, e["a == 1"]).any()`,
		`events("view").from("x").any()`,
		`events().any()`,
		`events("view").any()`,
		`events("view").none()`,
		`events("view").within("1d").any()`,
		`events("view").count() > 1`,
		`events("view").count() >= 1`,
		`events("view").sum("a") > 1`,
		`events("view").count() == 1.5`,
		`events("view").then("refund").any()`,
		`events("refund").then("view").any()`,
		`events("view").then("refund", "1h").any()`,
		`events("view").then("refund", "1h").within("1h").any()`,
		`events("view").then("refund", "1h").none()`,
		`events("view").then("refund").then("refund").any()`,
		`events("view").without("refund").any()`,
		`events("view").without("refund", "1h").any()`,
		`events("view").then("view").without("refund").any()`,
		`events("view").without("refund").then("view").any()`,
		`events("view").then("refund", e, e.amount > 1).any()`,
		`events("view").where(e, e.amount > 1).then("refund").any()`,
	}
	for _, source := range sources {
		env := shop()
		env.Terms = terms
		compiled(t, source, env)
	}
	if n := len(terms.All()); n != len(sources) {
		t.Errorf("%d terms for %d sources", n, len(sources))
	}
}

// Ids rest in rows and travel in topics: a change of this test is a change of
// the wire.
func TestIdsOfTermsNeverChange(t *testing.T) {
	for source, want := range map[string][2]int64{
		`events("purchase").where(e, e.amount > 50).within("30d").count() >= 3`:                {-8836520825686246471, -4771020498799883941},
		`events("purchase").within("180d").sum("amount") >= 200`:                               {-8592723314416679595, 5180963375728531425},
		`events().from("app").any()`:                                                           {1852394980642169493, -659726370161207662},
		`events("view").then("purchase", "1h", e, e.amount > 5).without("refund", "1d").any()`: {-900310013569571133, 8904083380060872961},
	} {
		term := compiled(t, source, shop()).Terms[0]
		if term.ID != want[0] || term.Series.ID != want[1] {
			t.Errorf("%s: term %d, series %d (%s)", source, term.ID, term.Series.ID, term.Canonical)
		}
	}
}

// Sequences over the same events, in whatever order, share one series.
func TestSequencesOfTheSameEventsShareASeries(t *testing.T) {
	env := shop()
	env.Terms = NewTerms()
	compiled(t, `events("view").then("purchase", "1h").any() && events("purchase").without("view", "1d").within("30d").any() &&
		events("view").then("view").without("purchase").count() > 2`, env)
	if terms, series := len(env.Terms.All()), len(env.Terms.AllSeries()); terms != 3 || series != 1 {
		t.Errorf("%d terms over %d series", terms, series)
	}
}

func TestASeriesKeepsWhatItsLongestTermLooksAt(t *testing.T) {
	env := shop()
	env.Terms = NewTerms()
	for _, step := range []struct {
		source string
		keep   time.Duration
	}{
		{`events("refund").within("30d").any()`, 30 * day},
		{`events("refund").within("90d").any()`, 90 * day},
		{`events("refund").within("7d").count() > 2`, 90 * day},
		{`events("refund").any()`, 0},
		{`events("refund").within("2y").any()`, 0},
	} {
		compiled(t, step.source, env)
		if all := env.Terms.AllSeries(); len(all) != 1 || all[0].Keep != step.keep {
			t.Errorf("after %s: %d series, keeps %v, want %v", step.source, len(all), all[0].Keep, step.keep)
		}
	}
}

// What was never told of a term and the term of somebody without events must
// lead to the same answer.
func TestATermThatIsNotKnownCountsAsOneWithoutEvents(t *testing.T) {
	for source, want := range map[string]value{
		`events("purchase").any()`:                                    schemas.BooleanOf(false),
		`events("purchase").none()`:                                   schemas.BooleanOf(true),
		`!events("purchase").none()`:                                  schemas.BooleanOf(false),
		`events("purchase").count()`:                                  schemas.NumberOf(0),
		`events("purchase").count() == 0`:                             schemas.BooleanOf(true),
		`events("purchase").count() < 3`:                              schemas.BooleanOf(true),
		`events("purchase").count() >= 3`:                             schemas.BooleanOf(false),
		`events("purchase").then("view").any()`:                       schemas.BooleanOf(false),
		`events("purchase").without("view", "1h").none()`:             schemas.BooleanOf(true),
		`events("purchase").then("view").count() < 1`:                 schemas.BooleanOf(true),
		`events("purchase").sum("amount") <= 0`:                       schemas.BooleanOf(true),
		`events("purchase").unique("channel")`:                        schemas.NumberOf(0),
		`events("purchase").avg("amount")`:                            {},
		`events("purchase").avg("amount") > 3`:                        {},
		`!(events("purchase").avg("amount") > 3)`:                     {},
		`events("purchase").max("amount") != 3`:                       schemas.BooleanOf(true),
		`events("purchase").last("channel")`:                          {},
		`events("purchase").last("channel") == null`:                  schemas.BooleanOf(true),
		`has(p.age) || events("purchase").last("channel") == "web"`:   schemas.BooleanOf(false),
		`p.age > 18 && events("purchase").any()`:                      schemas.BooleanOf(false),
		`p.age > 18 || events("purchase").none()`:                     schemas.BooleanOf(true),
		`scores.churn > 0.5`:                                          {},
		`in("vip")`:                                                   schemas.BooleanOf(false),
		`events("purchase").sum("amount")/events("purchase").count()`: {}, // 0/0
	} {
		e := compiled(t, source, shop())
		unknown := e.Eval(testInputs{})
		told := testInputs{terms: map[int64]value{}}
		for _, term := range e.Terms {
			told.terms[term.ID] = term.Empty()
		}
		if got := e.Eval(told); got != want || unknown != want {
			t.Errorf("%s: %v when told, %v when not, want %v", source, got, unknown, want)
		}
	}
}

func TestEveryInputReachesTheExpression(t *testing.T) {
	in := testInputs{
		attributes: schemas.Properties{{Name: "country", Value: schemas.TextOf("FR")}},
		scores:     map[string]float64{"churn": 0.8},
		audiences:  map[string]bool{"vip": true},
		terms:      map[int64]value{},
		person:     "ann",
	}
	e := compiled(t, `events("purchase").count() >= 3 && p.country == "FR" && scores.churn > 0.7 && in("vip") && bucket("exp") < 100`, shop())
	in.terms[e.Terms[0].ID] = schemas.BooleanOf(true)
	if !e.Eval(in).True() {
		t.Fatalf("%v with %+v", e.Eval(in), in)
	}
	for name, without := range map[string]testInputs{
		"term":      {attributes: in.attributes, scores: in.scores, audiences: in.audiences},
		"attribute": {terms: in.terms, scores: in.scores, audiences: in.audiences},
		"score":     {terms: in.terms, attributes: in.attributes, audiences: in.audiences},
		"audience":  {terms: in.terms, attributes: in.attributes, scores: in.scores},
	} {
		if e.Eval(without).True() {
			t.Errorf("true without its %s", name)
		}
	}
}

func TestFeaturesAreUsedByName(t *testing.T) {
	env := shop()
	env.Terms = NewTerms()
	env.Features["basket"] = compiled(t, `events("purchase").sum("amount") / events("purchase").count()`, env)
	e := compiled(t, `features.basket > 20 && p.country == "FR"`, env)
	if len(e.Terms) != 2 {
		t.Fatalf("%d terms, want those of the feature", len(e.Terms))
	}
	in := testInputs{terms: map[int64]value{}, attributes: schemas.Properties{{Name: "country", Value: schemas.TextOf("FR")}}}
	for _, term := range e.Terms {
		in.terms[term.ID] = schemas.NumberOf(map[Aggregate]float64{Sum: 63, Count: 3}[term.Aggregate])
	}
	if !e.Eval(in).True() {
		t.Error("21 is not above 20")
	}
}

func TestCalendarRestrictionsLookAtWhenAnEventHappened(t *testing.T) {
	at := func(text string) *event {
		instant, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return &event{Time: schemas.InstantOf(instant), Source: "app"}
	}
	for _, test := range []struct {
		steps   string
		in, out []string
	}{
		{`since("2026-11-27")`, []string{"2026-11-27T00:00:00Z", "2030-01-01T00:00:00Z"}, []string{"2026-11-26T23:59:59Z"}},
		{`between("2026-11-27", "2026-11-29")`, []string{"2026-11-27T00:00:00Z", "2026-11-28T23:59:59Z"}, []string{"2026-11-26T23:59:59Z", "2026-11-29T00:00:00Z"}},
		{`on("2026-11-27")`, []string{"2026-11-27T00:00:00Z", "2026-11-27T23:59:59Z"}, []string{"2026-11-28T00:00:00Z"}},
		{`on("friday", "Sunday")`, []string{"2026-11-27T12:00:00Z", "2026-11-29T00:00:00Z"}, []string{"2026-11-28T12:00:00Z"}},
		{`since("2026-11-28").on("friday")`, []string{"2026-12-04T00:00:00Z"}, []string{"2026-11-27T12:00:00Z", "2026-11-28T12:00:00Z"}},
		{`from("app")`, []string{"2026-11-27T12:00:00Z"}, nil},
		{`from("web")`, nil, []string{"2026-11-27T12:00:00Z"}},
	} {
		match := compiled(t, `events("view").`+test.steps+`.any()`, shop()).Terms[0].Series.Match
		for _, text := range test.in {
			if !match(at(text)) {
				t.Errorf("%s leaves %s out", test.steps, text)
			}
		}
		for _, text := range test.out {
			if match(at(text)) {
				t.Errorf("%s lets %s pass", test.steps, text)
			}
		}
	}
}

func TestWhatASeriesTakesIsTotal(t *testing.T) {
	series := compiled(t, `events("view").sum(e, e.price * e.quantity) > 1`, shop()).Terms[0].Series
	number := func(x float64) value { return schemas.NumberOf(x) }
	for _, test := range []struct {
		price, quantity, want value
	}{
		{number(2), number(3), number(6)},
		{number(2), value{}, value{}},
		{schemas.TextOf("2"), number(3), value{}},
		{number(1e300), number(1e300), value{}},
		{number(math.NaN()), number(1), value{}},
	} {
		e := &event{Properties: schemas.Properties{{Name: "price", Value: test.price}, {Name: "quantity", Value: test.quantity}}}
		if got := series.Value(e); got != test.want {
			t.Errorf("%v * %v = %v, want %v", test.price, test.quantity, got, test.want)
		}
	}
}

func TestASplitIsEvenStableAndUnrelatedToOthers(t *testing.T) {
	const people = 20_000
	below, both := 0, 0
	for i := range people {
		person := fmt.Sprintf("%016x", i)
		a, b := Bucket("a", person), Bucket("b", person)
		if a < 0 || a >= 100 {
			t.Fatalf("%v is no percentage", a)
		}
		if a < 10 {
			below++
			if b < 50 {
				both++
			}
		}
	}
	if below < people/10-150 || below > people/10+150 {
		t.Errorf("%d of %d lie in a tenth", below, people)
	}
	if both < below/2-100 || both > below/2+100 {
		t.Errorf("%d of %d lie in half of another split", both, below)
	}
	if Bucket("exp-7", "ann") != 74.24 {
		t.Errorf("the split moved: ann lies at %v", Bucket("exp-7", "ann"))
	}
}

func TestDurationsAreWrittenInOneWay(t *testing.T) {
	for text, want := range map[string]string{
		"30d": "30d", "720h": "30d", "2w": "14d", "1y": "365d", "90m": "1h30m", "36h": "1d12h", "1d12h": "1d12h", "61s": "1m1s", "100y": "36500d",
	} {
		d, err := ParseDuration(text)
		if err != nil || FormatDuration(d) != want {
			t.Errorf("%s is %s (%v), want %s", text, FormatDuration(d), err, want)
		}
	}
	for _, text := range []string{"", "d", "3", "-3d", "3 d", "3mo", "1.5d", "0s", "101y", "99999999999999999999d", "100y1s", "3D"} {
		if d, err := ParseDuration(text); err == nil {
			t.Errorf("%q passes as %v", text, d)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(1, int64(longestWindow/time.Second)).Draw(t, "seconds")) * time.Second
		if back, err := ParseDuration(FormatDuration(d)); err != nil || back != d {
			t.Fatalf("%v is written %s and read as %v (%v)", d, FormatDuration(d), back, err)
		}
	})
}

func TestExpressionsMayBeEvaluatedConcurrently(t *testing.T) {
	e := compiled(t, `events("purchase").count() >= 3 || p.country.matches("^F") || bucket("x") < 50`, shop())
	in := testInputs{attributes: schemas.Properties{{Name: "country", Value: schemas.TextOf("FR")}}}
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			for range 100 {
				if !e.Eval(in).True() {
					t.Error("not true")
				}
			}
		})
	}
	running.Wait()
}
