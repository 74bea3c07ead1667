package profile_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/processors/profile"
	"kairos/processors/stage"
	"kairos/schemas"
)

// everyTerm is a plan with all aggregates over several windows, some compared,
// over all events, those of one name, and those that a filter lets pass; and
// sequences.
func everyTerm(t fatal, exact int) *definition.Plan {
	buys, anything, dear := asking("buy", "amount"), asking("", "amount"), asking("buy", "amount")
	dear.Canonical, dear.ID = "buy where amount > 2 take amount", dear.ID+1
	dear.Match = func(e *schemas.Event) bool { return e.Properties.Get("amount").Number > 2 }
	var terms []*expression.Term
	for a := expression.Any; a <= expression.Unique; a++ {
		terms = append(terms, about(buys, a, 0), about(buys, a, time.Hour), about(buys, a, 24*time.Hour))
		terms = append(terms, about(dear, a, 24*time.Hour), about(anything, a, 3*time.Hour))
	}
	for _, s := range []*expression.Series{buys, dear} {
		terms = append(terms,
			compared(about(s, expression.Count, 24*time.Hour), expression.GreaterOrEqual, 2),
			compared(about(s, expression.Count, time.Hour), expression.Equal, 1),
			compared(about(s, expression.Sum, 24*time.Hour), expression.Greater, 3),
			compared(about(s, expression.Max, 24*time.Hour), expression.NotEqual, 3),
			compared(about(s, expression.Avg, 0), expression.Less, 2))
	}
	terms = append(terms, about(buys, expression.Count, 2048*time.Second)) // 2^k: where rounding has its own bounds
	terms = append(terms, inOrder(t, everySequence...)...)
	terms = append(terms, everyDwell(t)...)
	plan := planOf(terms...)
	plan.Profile.ExactPoints = exact
	plan.Profile.Survivorship = map[string]definition.Survivorship{
		"f": definition.First, "l": definition.Largest, "p": definition.Priority, "u": definition.Union,
	}
	plan.Profile.SourcePriority = map[string]int{"crm": 2, "web": 1}
	plan.Profile.DuplicateWindow = 1000 * time.Hour
	return plan
}

// drawEvents draws events of some identifiers, by rising cause.
func drawEvents(t *rapid.T, most int, identifiers ...string) []schemas.PersonEvent {
	cause := start
	n := rapid.IntRange(1, most).Draw(t, "events")
	all := make([]schemas.PersonEvent, 0, n)
	for i := range n {
		cause += rapid.SampledFrom([]schemas.Instant{0, 1, 500, minute, hour / 2, hour - 1, hour, 3 * hour, day - 1, day, 5 * day}).Draw(t, "pause")
		m := event(sarah, rapid.SampledFrom(identifiers).Draw(t, "identifier"), rapid.SampledFrom([]string{"buy", "look"}).Draw(t, "name"), fmt.Sprint("e", i), cause)
		m.Event.Time -= rapid.SampledFrom([]schemas.Instant{0, 0, 0, 1, minute, hour - 1, hour, day, 2 * day}).Draw(t, "late")
		m.Event.Source = rapid.SampledFrom([]string{"crm", "web", "app", "shop"}).Draw(t, "source")
		if v := drawValue(t, "amount"); v.Kind != schemas.Null {
			m.Event.Properties = schemas.Properties{{Name: "amount", Value: v}}
		}
		for _, name := range []string{"f", "l", "n", "p", "u"} {
			if rapid.IntRange(0, 3).Draw(t, "says "+name) == 0 {
				m.Event.Attributes = m.Event.Attributes.Set(name, drawValue(t, name))
			}
		}
		if rapid.IntRange(0, 3).Draw(t, "says a day") == 0 {
			m.Event.Attributes = m.Event.Attributes.Set("day", rapid.SampledFrom([]schemas.Value{
				{}, schemas.TextOf("2026-03-05"), schemas.TextOf("1996-02-29"), schemas.TextOf("2026-04-30T23:30:00Z"), schemas.TextOf("soon"), schemas.NumberOf(1),
			}).Draw(t, "day"))
		}
		all = append(all, m)
	}
	return all
}

func drawValue(t *rapid.T, label string) schemas.Value {
	return rapid.SampledFrom([]schemas.Value{
		{}, schemas.NumberOf(0.1), schemas.NumberOf(0.2), schemas.NumberOf(3), schemas.NumberOf(-3), schemas.NumberOf(0),
		schemas.TextOf("a"), schemas.TextOf("b"), schemas.BooleanOf(true),
	}).Draw(t, label)
}

// change is one value that became different.
type change struct {
	At      schemas.Instant
	Feature string
	Value   schemas.Value
	Reason  string
}

func changesOf(plan *definition.Plan, all []schemas.Change) []change {
	name := map[int64]string{}
	for _, t := range plan.Terms {
		name[t.ID] = t.Canonical
	}
	var list []change
	for _, c := range all {
		for _, f := range c.Features {
			list = append(list, change{c.Cause, name[f.ID], f.Value, c.Reason})
		}
	}
	return list
}

// recount tells what must change when, by counting again at every instant at
// which anything happens or leaves a window.
func recount(plan *definition.Plan, events []schemas.PersonEvent, until schemas.Instant) []change {
	h := newHistory(plan)
	b := biographyOf(h)
	for i := range events {
		m := &events[i]
		b.pass(m.Cause)
		reason := m.Event.Name
		if !h.add(m) {
			reason = ""
		}
		if !slices.Contains(b.identifiers, m.Identifier) {
			b.identifiers = append(b.identifiers, m.Identifier)
		}
		b.look(m.Cause, reason)
	}
	b.pass(until + 1)
	return b.changes
}

// mustBeSame compares lists of changes.
func mustBeSame(t fatal, whose string, got, want []change) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("%s: change %d of %d, %d:\ngot  %v\nwant %v", whose, i, len(got), len(want),
				got[min(i, len(got)):min(i+3, len(got))], want[min(i, len(want)):min(i+3, len(want))])
		}
	}
}

func TestTermsChangeWhenANaiveRecountSaysSo(t *testing.T) {
	for name, draw := range plans(t) {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				plan := draw(t)
				events := drawEvents(t, 14, mail, phone)
				for i := range events { // now and then again
					if i > 0 && rapid.IntRange(0, 9).Draw(t, "again") == 0 {
						cause := events[i].Cause
						events[i] = events[rapid.IntRange(0, i-1).Draw(t, "which")]
						events[i].Cause = cause
					}
				}
				until := events[len(events)-1].Cause + 3*day
				w := newWorld(t, plan)
				for _, m := range events {
					if rapid.Bool().Draw(t, "timers in time") {
						w.pass(m.Cause - 1)
					}
					w.hear(m)
				}
				w.pass(until)
				w.calm()
				mustBeSame(t, sarah, changesOf(plan, w.changes), recount(plan, events, until))
			})
		})
	}
}

// settled is everything about a person that must not depend on how it came about.
func settled(w *world, plan *definition.Plan, person string) (told, []schemas.Fragment) {
	row := w.row(person)
	if row == nil {
		return told{}, nil
	}
	fragments := slices.Clone(row.Fragments)
	for i := range fragments {
		fragments[i].Epoch = 0
	}
	return w.told(plan, person), fragments
}

func mustEqual(t fatal, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Fatalf("%s:\ngot  %s\nwant %s", what, g, w)
	}
}

func TestTheOrderOfArrivalDoesNotShow(t *testing.T) {
	for name, draw := range plans(t) {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				plan := draw(t)
				events := drawEvents(t, 20, mail, phone)
				until := events[len(events)-1].Cause + rapid.SampledFrom([]schemas.Instant{0, 1, hour, 2 * day}).Draw(t, "rest")
				inOrder, otherwise := newWorld(t, plan), newWorld(t, plan)
				again := slices.Clone(events) // some accepted again later, some written twice
				for i := range again {
					again[i].Cause += rapid.SampledFrom([]schemas.Instant{0, 0, 1, day}).Draw(t, "again after")
				}
				again = slices.Concat(events, again)
				until += day
				slices.SortStableFunc(again, func(a, b schemas.PersonEvent) int { return int(a.Cause - b.Cause) })
				for _, m := range again {
					inOrder.hear(m)
				}
				for _, m := range rapid.Permutation(again).Draw(t, "shuffled") {
					otherwise.hear(m)
				}
				inOrder.pass(until)
				otherwise.pass(until)
				wantTold, wantFragments := settled(inOrder, plan, sarah)
				gotTold, gotFragments := settled(otherwise, plan, sarah)
				mustEqual(t, "told", gotTold, wantTold)
				mustEqual(t, "fragments", gotFragments, wantFragments)
				mustEqual(t, "duplicates", otherwise.drops[profile.DropDuplicate], len(events))
			})
		})
	}
}

func TestAttributesAreWhatANaiveRecountSays(t *testing.T) {
	plan := everyTerm(t, 64)
	rapid.Check(t, func(t *rapid.T) {
		events := drawEvents(t, 12, mail, phone)
		w, h := newWorld(t, plan), newHistory(plan)
		for _, m := range rapid.Permutation(events).Draw(t, "order") {
			w.hear(m)
			h.add(&m)
			x := w.told(plan, sarah)
			for _, name := range []string{"f", "l", "n", "p", "u"} {
				if want := h.attribute(name, []string{mail, phone}); x.attributes[name] != want {
					t.Fatalf("%s is %v, want %v", name, x.attributes[name], want)
				}
			}
		}
	})
}

// identity is what tells people about identifiers, in order per identifier
// and person and otherwise in any.
type identity struct {
	owner  map[string]string
	epoch  map[string]int64
	queues map[string][]schemas.PersonEvent // by person
}

func (i *identity) say(m schemas.PersonEvent) {
	m.Person, m.Epoch = i.owner[m.Identifier], i.epoch[m.Identifier]
	i.queues[m.Person] = append(i.queues[m.Person], m)
}

func (i *identity) move(identifier, to string, at schemas.Instant) {
	from := i.owner[identifier]
	if from == to {
		return
	}
	i.epoch[identifier]++
	i.owner[identifier] = to
	i.queues[from] = append(i.queues[from], moves(from, to, identifier, i.epoch[identifier], at))
	i.queues[to] = append(i.queues[to], arrives(to, identifier, i.epoch[identifier], at))
}

// step delivers one of the messages that are on their way, chosen by draw.
// False: there is none.
func (i *identity) step(w *world, draw func(n int) int) bool {
	var ways []func()
	for _, person := range []string{"A", "B", "C"} {
		if len(i.queues[person]) > 0 {
			ways = append(ways, func() {
				m := i.queues[person][0]
				i.queues[person] = i.queues[person][1:]
				w.hear(m)
			})
		}
		if len(w.loop[person]) > 0 {
			ways = append(ways, func() { w.deliver(person) })
		}
	}
	if len(ways) == 0 {
		return false
	}
	ways[draw(len(ways))]()
	return true
}

func TestMovingAroundIsAsIfNobodyHadMoved(t *testing.T) {
	people, identifiers := []string{"A", "B", "C"}, []string{"a:1", "b:1", "c:1"}
	rapid.Check(t, func(t *rapid.T) {
		plan := drawPlan(t, 3)
		draw := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "way") }
		id := &identity{map[string]string{}, map[string]int64{}, map[string][]schemas.PersonEvent{}}
		for k, identifier := range identifiers {
			id.owner[identifier] = people[k]
			id.say(arrives("", identifier, 0, start-1))
		}
		w := newWorld(t, plan)
		events := drawEvents(t, 16, identifiers...)
		for _, m := range events {
			id.say(m)
			if rapid.IntRange(0, 2).Draw(t, "move") == 0 {
				id.move(rapid.SampledFrom(identifiers).Draw(t, "who"), rapid.SampledFrom(people).Draw(t, "to"), m.Cause)
			}
			for range rapid.IntRange(0, 4).Draw(t, "steps") {
				id.step(w, draw)
			}
		}
		for id.step(w, draw) {
		}
		until := events[len(events)-1].Cause + rapid.SampledFrom([]schemas.Instant{0, 1, hour, day}).Draw(t, "rest")
		w.pass(until)
		w.calm()

		never := newWorld(t, plan)
		for _, identifier := range identifiers {
			never.hear(arrives(id.owner[identifier], identifier, 0, start-1))
		}
		for _, m := range events {
			m.Person = id.owner[m.Identifier]
			never.hear(m)
		}
		never.pass(until)
		for _, person := range people {
			gotTold, got := settled(w, plan, person)
			wantTold, want := settled(never, plan, person)
			if len(want) == 0 {
				if row := w.row(person); len(row.Fragments)+len(row.Parked) > 0 || row.ForwardTo == "" {
					t.Fatalf("%s holds nothing, but its row says %+v", person, row)
				}
				continue
			}
			mustEqual(t, person+": fragments", got, want)
			mustEqual(t, person+": told", gotTold, wantTold)
		}
	})
}

func TestAMoveChangesTheTermsOfBothPeopleAtOnce(t *testing.T) {
	people, identifiers := []string{"A", "B", "C"}, []string{"a:1", "b:1", "c:1"}
	rapid.Check(t, func(t *rapid.T) {
		plan := drawPlan(t, 3)
		h := newHistory(plan)
		w, want := newWorld(t, plan), map[string]*biography{}
		id := &identity{map[string]string{}, map[string]int64{}, map[string][]schemas.PersonEvent{}}
		for k, identifier := range identifiers {
			id.owner[identifier] = people[k]
			want[people[k]] = biographyOf(h)
			want[people[k]].identifiers = []string{identifier}
			id.say(arrives("", identifier, 0, start-1))
		}
		settle := func(at schemas.Instant) {
			if rapid.Bool().Draw(t, "timers in time") {
				w.pass(at - 1)
			}
			for id.step(w, func(int) int { return 0 }) {
			}
		}
		move := func(identifier, to string, at schemas.Instant) {
			from := id.owner[identifier]
			if from == to {
				return
			}
			id.move(identifier, to, at)
			settle(at)
			for _, person := range []string{from, to} {
				want[person].pass(at)
			}
			want[to].look(at, "") // its arrival is heard before its fragment comes
			want[from].identifiers = slices.DeleteFunc(want[from].identifiers, func(s string) bool { return s == identifier })
			want[to].identifiers = append(want[to].identifiers, identifier)
			want[from].look(at, profile.ReasonLeft)
			want[to].look(at, profile.ReasonArrived)
		}
		events := drawEvents(t, 12, identifiers...)
		for i := range events {
			m := &events[i]
			b := want[id.owner[m.Identifier]]
			id.say(*m)
			settle(m.Cause)
			b.pass(m.Cause)
			h.add(m)
			b.look(m.Cause, m.Event.Name)
			if rapid.IntRange(0, 2).Draw(t, "move") == 0 {
				move(rapid.SampledFrom(identifiers).Draw(t, "who"), rapid.SampledFrom(people).Draw(t, "to"), m.Cause)
			}
		}
		until := events[len(events)-1].Cause + 2*day
		w.pass(until)
		w.calm()
		for _, person := range people {
			want[person].pass(until + 1)
			var own []schemas.Change
			for _, c := range w.changes {
				if c.Person == person {
					own = append(own, c)
				}
			}
			mustBeSame(t, person, changesOf(plan, own), want[person].changes)
		}
	})
}

func TestNewDefinitionsSeeThePastThatTheTimelineHolds(t *testing.T) {
	after := everyTerm(t, 64)
	before := planOf(slices.DeleteFunc(slices.Clone(after.Terms), func(t *expression.Term) bool { return t.Window != 0 || t.Dwell != nil })...)
	for _, s := range after.Series { // planOf has set it to what the shorter plan needs
		s.Keep = 0
	}
	before.Profile = after.Profile
	before.Profile.Survivorship = nil
	rapid.Check(t, func(t *rapid.T) {
		events := drawEvents(t, 14, mail, phone)
		w, h := newWorld(t, before), newHistory(after)
		turn := rapid.IntRange(0, len(events)).Draw(t, "new definitions after")
		swept := rapid.Bool().Draw(t, "swept before the next event")
		for i := range events {
			if i == turn {
				w.follow(after)
				if swept && i > 0 {
					w.take(w.runner.Sweep(w, "profile", sarah, events[i].Cause))
				}
			}
			w.hear(events[i])
			h.add(&events[i])
		}
		until := events[len(events)-1].Cause + rapid.SampledFrom([]schemas.Instant{0, hour, 2 * day}).Draw(t, "rest")
		if turn == len(events) {
			w.pass(until)
			w.follow(after)
			w.take(w.runner.Sweep(w, "profile", sarah, until))
		}
		w.pass(until)
		w.calm()
		x := w.told(after, sarah)
		for _, term := range after.Terms {
			if term.Dwell != nil && len(term.Dwell.Attributes) > 0 {
				continue // of claims that did not count nothing is known
			}
			if want := h.value(term, []string{mail, phone}, until); x.features[term.ID] != want {
				t.Fatalf("%s is %v, want %v", term.Canonical, x.features[term.ID], want)
			}
		}
	})
}

func TestNoTimeHoweverOddBreaksAStep(t *testing.T) {
	odd := []schemas.Instant{0, 1, -1, start, start - day, math.MinInt64, math.MinInt64 + 1, math.MaxInt64, math.MaxInt64 - 1, -1 << 62, 1 << 62, 1 << 52}
	rapid.Check(t, func(t *rapid.T) {
		plan := drawPlan(t, 2)
		w := newWorld(t, plan)
		for i := range rapid.IntRange(1, 8).Draw(t, "events") {
			m := event(sarah, mail, "buy", fmt.Sprint("e", i), 0, number("amount", 1))
			m.Cause = rapid.SampledFrom(odd).Draw(t, "cause")
			m.Event.Time = rapid.SampledFrom(odd).Draw(t, "time")
			m.Event.Received = rapid.SampledFrom(odd).Draw(t, "received")
			w.hear(m)
		}
		w.pass(start)
		for _, letter := range w.letters {
			if letter.Reason != "kairos-profile-"+stage.ReasonTime {
				t.Fatalf("dead letter %s: %s", letter.Reason, letter.Detail)
			}
		}
	})
}

func TestOneStageServesManyPeopleAtOnce(t *testing.T) {
	plan := everyTerm(t, 3)
	live := func(w *world) string {
		for i := range 60 {
			at := start + schemas.Instant(i)*hour
			w.hear(event(sarah, []string{mail, phone}[i%2], "buy", fmt.Sprint(i), at, number("amount", float64(i%5))))
		}
		w.pass(start + 5*day)
		return fmt.Sprint(w.changes)
	}
	first := newWorld(t, plan)
	want := live(first)
	got := make(chan string)
	for range 4 {
		w := newWorld(t, plan)
		w.runner = first.runner
		go func() { got <- live(w) }()
	}
	for range 4 {
		if <-got != want {
			t.Error("people at the same time see each other")
		}
	}
}
