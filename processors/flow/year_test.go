package flow_test

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"kairos/processors/flow/flowtest"
	"kairos/processors/profile"
	"kairos/processors/segment"
	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

var yearSeed = flag.Uint64("year.seed", 0, "of the year in TestEveryTransitionOfAYearIsThatOfSomebodyWhoLooksThroughEverything; 0: another one each time")

// newYear is when the year begins, and nextYear when the last windows have closed.
var (
	newYear  = schemas.InstantOf(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	nextYear = newYear + 366*aDay
	allOver  = nextYear + 400*aDay
)

// TestEveryTransitionOfAYearIsThatOfSomebodyWhoLooksThroughEverything lets
// people live a year under generated audiences, on the steps of profile and
// segment, and compares every entry and exit and its time with the answers of
// questions that go through a person's whole history at each instant at which
// it can be another one. KAIROS_LONG=1 is the size that the project promises.
func TestEveryTransitionOfAYearIsThatOfSomebodyWhoLooksThroughEverything(t *testing.T) {
	audiences, people := 200, 60
	if os.Getenv("KAIROS_LONG") != "" {
		people = 20_000
	}
	seed := *yearSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d: %d audiences, %d people", seed, audiences, people)
	c := choices{rand.New(rand.NewPCG(seed, 0))}
	names, questions := c.questions(audiences)
	y := &year{names: names, questions: questions}
	y.runner = runnerOf(t, names, questions)
	events, transitions, lively := 0, 0, map[string]int{}
	for i := range people {
		c := choices{rand.New(rand.NewPCG(seed, uint64(i)+1))}
		person, life := fmt.Sprintf("%016x", c.Uint64()), c.life()
		lengthOfSleep := c.Uint64()
		want, got := y.expected(person, life), y.told(person, life, lengthOfSleep)
		if !slices.Equal(got, want) {
			life = shrink(life, func(less []*schemas.Event) bool {
				return !slices.Equal(y.told(person, less, lengthOfSleep), y.expected(person, less))
			})
			t.Fatalf("-year.seed=%d, person %d: %s", seed, i, y.difference(person, life, lengthOfSleep))
		}
		events += len(life)
		transitions += len(got)
		for _, f := range got {
			lively[f.audience]++
		}
	}
	t.Logf("%d events, %d transitions, %d of %d audiences with members", events, transitions, len(lively), audiences)
	if len(lively) < audiences*3/4 || transitions < 20*people {
		t.Fatal("too dull a year to prove anything")
	}
}

// flip is an entry or exit.
type flip struct {
	audience string
	revision int64
	entered  bool
	at       schemas.Instant
}

func (f flip) String() string {
	word := "exited"
	if f.entered {
		word = "entered"
	}
	return fmt.Sprintf("%s %s rev=%d at %d", word, f.audience, f.revision, f.at)
}

// year is what everybody lives under.
type year struct {
	names     []string
	questions map[string]*question
	runner    *stage.Runner
}

func runnerOf(t testing.TB, names []string, questions map[string]*question) *stage.Runner {
	t.Helper()
	var text strings.Builder
	for _, name := range names {
		fmt.Fprintf(&text, "kind: audience\nname: %s\nwhen: '%s'\n---\n", name, questions[name].text)
	}
	text.WriteString("kind: profile\nexact_points: 1000\n") // what is bucketed has a stated error
	plan := parsed(t, text.String())
	return flowtest.MustRunner(profile.New(plan), segment.New(plan))
}

// life is what somebody does in a year, in the order in which it is heard.
// Some comes late or twice, and some at the very millisecond, or next to it, at
// which something else leaves a window.
func (c choices) life() []*schemas.Event {
	var life []*schemas.Event
	taken := map[schemas.Instant]bool{}
	for i := range 1 + min(int(c.ExpFloat64()*25), 200) {
		at := newYear + schemas.Instant(c.Int64N(int64(365*aDay)))
		if len(life) > 0 && c.IntN(8) == 0 {
			at = oneOf(c, life...).Time + oneOf(c, windows...).length + oneOf[schemas.Instant](c, -1, 0, 1)
		}
		if at >= nextYear || taken[at] {
			continue
		}
		taken[at] = true
		e := &schemas.Event{ID: fmt.Sprint("e", i), Time: at, Received: at, Source: oneOf(c, "app", "web", "shop")}
		e.Name = oneOf(c, "view", "view", "view", "view", "cart", "cart", "purchase", "purchase", "refund", "cancel", "login")
		e.Identifiers = []schemas.Identifier{oneOf(c, schemas.Identifier{Namespace: "email", Value: "a"}, schemas.Identifier{Namespace: "device_id", Value: "b"})}
		c.furnish(e)
		if c.IntN(10) == 0 {
			e.Time -= schemas.Instant(c.Int64N(int64(40 * aDay)))
		}
		life = append(life, e)
	}
	slices.SortFunc(life, func(a, b *schemas.Event) int { return cmp.Compare(a.Received, b.Received) })
	return c.stutter(life)
}

func (c choices) furnish(e *schemas.Event) {
	if e.Name == "login" {
		if c.IntN(2) == 0 {
			e.Attributes = e.Attributes.Set("country", schemas.TextOf(oneOf(c, "FR", "DE", "ES", "IT")))
		}
		if c.IntN(2) == 0 {
			e.Attributes = e.Attributes.Set("age", oneOf(c, schemas.Value{}, schemas.NumberOf(float64(18+c.IntN(60)))))
		}
		return
	}
	if c.IntN(5) > 0 {
		e.Properties = e.Properties.Set("amount", schemas.NumberOf(float64(5*c.IntN(60))))
	}
	if c.IntN(3) == 0 {
		e.Properties = e.Properties.Set("campaign", oneOf(c, schemas.TextOf("app"), schemas.TextOf("web"), schemas.NumberOf(3), schemas.BooleanOf(true)))
	}
	if c.IntN(5) > 0 {
		e.Properties = e.Properties.Set("channel", schemas.TextOf(oneOf(c, "app", "web", "shop")))
	}
}

// stutter says some events twice, up to a week later.
func (c choices) stutter(life []*schemas.Event) []*schemas.Event {
	var all []*schemas.Event
	for _, e := range life {
		all = append(all, e)
		if c.IntN(20) == 0 {
			again := *e
			again.Received += schemas.Instant(c.Int64N(int64(7 * aDay)))
			all = append(all, &again)
		}
	}
	slices.SortStableFunc(all, func(a, b *schemas.Event) int { return cmp.Compare(a.Received, b.Received) })
	return all
}

// expected asks each question at every instant at which its answer may be
// another one: at everything that is heard, and when something leaves one of
// its windows.
func (y *year) expected(person string, life []*schemas.Event) []flip {
	var heard []*schemas.Event
	for _, e := range life {
		if !slices.ContainsFunc(heard, func(h *schemas.Event) bool { return h.ID == e.ID }) {
			heard = append(heard, e)
		}
	}
	knownAt := func(at schemas.Instant) int {
		return len(heard) - len(slices.Collect(after(heard, at)))
	}
	var all []flip
	for _, name := range y.names {
		type look struct {
			at    schemas.Instant
			known int
		}
		var looks []look
		for i, e := range heard {
			looks = append(looks, look{e.Received, i + 1})
			for _, window := range y.questions[name].windows {
				if at := e.Time + window; at > e.Received && at <= allOver {
					looks = append(looks, look{at, knownAt(at)})
				}
			}
		}
		slices.SortFunc(looks, func(a, b look) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.known, b.known)) })
		f := flip{audience: name}
		for _, l := range looks {
			m := &moment{person, l.at, heard[:l.known], y.questions}
			if is := y.questions[name].answer(m) == yes; is != f.entered {
				f.entered, f.at, f.revision = is, l.at, f.revision+1
				all = append(all, f)
			}
		}
	}
	return sorted(all)
}

func after(heard []*schemas.Event, at schemas.Instant) func(yield func(*schemas.Event) bool) {
	return func(yield func(*schemas.Event) bool) {
		for _, e := range heard {
			if e.Received > at && !yield(e) {
				return
			}
		}
	}
}

func sorted(flips []flip) []flip {
	slices.SortFunc(flips, func(a, b flip) int {
		return cmp.Or(cmp.Compare(a.audience, b.audience), cmp.Compare(a.revision, b.revision))
	})
	return flips
}

// told lets the stages live the life. Timers go off late, if at all: what they
// would have done must show at the next event.
func (y *year) told(person string, life []*schemas.Event, seed uint64) []flip {
	c := choices{rand.New(rand.NewPCG(seed, seed))}
	w := flowtest.NewWorld(y.runner)
	for _, e := range life {
		if c.IntN(3) == 0 {
			w.Wake(e.Received - schemas.Instant(c.Int64N(int64(30*aDay))))
		}
		flowtest.Append(w, topologies.PersonEvents, person, &schemas.PersonEvent{Person: person, Identifier: e.Identifiers[0].String(), Cause: e.Received, Event: e})
		w.Settle()
	}
	w.Wake(allOver)
	var all []flip
	for _, r := range flowtest.Records(w, topologies.Transitions, 0) {
		all = append(all, flip{r.Audience, r.Revision, r.Entered, r.Cause})
	}
	return sorted(all)
}

// shrink leaves events out as long as it still fails.
func shrink(life []*schemas.Event, fails func([]*schemas.Event) bool) []*schemas.Event {
	for i := 0; i < len(life); {
		if less := slices.Delete(slices.Clone(life), i, i+1); len(less) > 0 && fails(less) {
			life = less
		} else {
			i++
		}
	}
	return life
}

// difference shows a life and what is wrong about it.
func (y *year) difference(person string, life []*schemas.Event, seed uint64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s did this:\n", person)
	for _, e := range life {
		fmt.Fprintf(&b, "  %d (heard at %d) %s from %s by %s, %v, %v\n", e.Time, e.Received, e.Name, e.Source, e.Identifiers[0], e.Properties, e.Attributes)
	}
	got, want := y.told(person, life, seed), y.expected(person, life)
	about := map[string]bool{}
	show := func(what string, all, others []flip) {
		for _, f := range all {
			if !slices.Contains(others, f) {
				fmt.Fprintf(&b, "%s %v\n", what, f)
				about[f.audience] = true
			}
		}
	}
	show("missing", want, got)
	show("not expected", got, want)
	for name := range about {
		fmt.Fprintf(&b, "%s: %s\n", name, y.questions[name].text)
	}
	return b.String()
}
