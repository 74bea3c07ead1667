package destination_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"kairos/processors/definition"
	"kairos/processors/destination"
	"kairos/processors/flow/flowtest"
	"kairos/schemas"
	"kairos/topologies"
)

// naive is the second implementation: it remembers everything that it hears,
// line by line, and computes the lists anew.
type naive struct {
	plan    *definition.Plan
	lines   map[bool]*flowtest.Profile
	members map[string]bool
	turns   map[string]int64
}

func newNaive(plan *definition.Plan, person string) *naive {
	return &naive{
		plan:    plan,
		lines:   map[bool]*flowtest.Profile{false: flowtest.NewProfile(person), true: flowtest.NewProfile(person)},
		members: map[string]bool{}, turns: map[string]int64{},
	}
}

// draw makes a membership that fits what happened so far, and takes it over.
func (n *naive) draw(t *rapid.T, c *schemas.Change) *schemas.Membership {
	m := &schemas.Membership{Change: *c, Scored: rapid.Bool().Draw(t, "scored line")}
	for _, a := range n.plan.Audiences {
		if a.UsesScores != m.Scored || c.Gone && !n.members[a.Name] || !c.Gone && rapid.Bool().Draw(t, "stays") {
			continue
		}
		n.members[a.Name] = !n.members[a.Name]
		n.turns[a.Name]++
		m.Transitions = append(m.Transitions, schemas.Transition{
			Person: c.Person, Audience: a.Name, Entered: n.members[a.Name], Revision: n.turns[a.Name], Cause: c.Cause, Reason: "because",
		})
	}
	n.lines[m.Scored].Apply(c)
	return m
}

// lists are what each destination is to know of whom, and by which addresses.
type lists struct {
	people    map[string]string
	addresses map[string]bool
}

func newLists() lists { return lists{map[string]string{}, map[string]bool{}} }

func (n *naive) addTo(all lists) {
	for i := range n.plan.Destinations {
		d := &n.plan.Destinations[i]
		for _, a := range n.plan.Audiences {
			p := n.lines[a.UsesScores]
			content, allowed := flowtest.Entry(d, p)
			if !n.members[a.Name] || !allowed || !slices.Contains(d.Audiences, a.Name) {
				continue
			}
			place := d.Name + " " + p.ID + "/" + a.Name
			all.people[place] = content
			for _, address := range flowtest.Sees(d, p) {
				all.addresses[place+" "+address] = true
			}
		}
	}
}

func (all lists) check(t *rapid.T, w *flowtest.World, plan *definition.Plan) {
	t.Helper()
	if got := flowtest.List(w, plan); !maps.Equal(got, all.people) {
		t.Fatalf("destinations know %v, want %v", got, all.people)
	}
	if got := flowtest.Addresses(w, plan); !maps.Equal(got, all.addresses) {
		t.Fatalf("who lists addresses has %v, want %v", got, all.addresses)
	}
}

// TestEachDestinationKnowsWhatARecomputationSays compares after every message,
// and looks at each record: none repeats the one before, no exit without an
// entry, revisions never fall, whoever was told an address is told that it is gone.
func TestEachDestinationKnowsWhatARecomputationSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := flowtest.DrawPlan(t, "plan")
		w, people := flowtest.NewWorld(flowtest.MustRunner(destination.New(plan))), map[string]*naive{}
		for _, person := range flowtest.People {
			people[person] = newNaive(plan, person)
		}
		for _, c := range flowtest.DrawLives(t, "life", 15) {
			flowtest.Append(w, topologies.Memberships, c.Person, people[c.Person].draw(t, c))
			w.Settle()
			want := newLists()
			for _, n := range people {
				n.addTo(want)
			}
			want.check(t, w, plan)
		}
		for _, d := range plan.Destinations {
			checkNews(t, flowtest.RecordsOf(w, d.Name))
		}
	})
}

func checkNews(t *rapid.T, records []*schemas.Activation) {
	t.Helper()
	last, told := map[string]*schemas.Activation{}, map[string][]string{}
	for _, a := range records {
		key := a.Person + "/" + a.Audience
		before := last[key]
		checkAddresses(t, a, before, told[key])
		told[key] = nil
		if a.Entered {
			told[key] = flowtest.Shown(a.Identifiers)
		}
		switch {
		case before != nil && len(before.Former) > 0:
			if !a.Entered || len(a.Former) > 0 || a.Revision != before.Revision || flowtest.Content(before) != flowtest.Content(a) {
				t.Fatalf("%+v does not say what stays of %+v", a, before)
			}
		case before == nil && !a.Entered, before != nil && !before.Entered && !a.Entered:
			t.Fatalf("%+v exits what was never told", a)
		case before != nil && before.Revision > a.Revision:
			t.Fatalf("%+v comes after %+v", a, before)
		case before != nil && before.Entered == a.Entered && before.Revision == a.Revision && flowtest.Content(before) == flowtest.Content(a):
			t.Fatalf("%+v is no news after %+v", a, before)
		}
		last[key] = a
	}
}

// checkAddresses holds a record to what was told before it: an exit takes all of
// it back and nothing else, an entry what no longer holds.
func checkAddresses(t *rapid.T, a, before *schemas.Activation, told []string) {
	t.Helper()
	if !a.Entered {
		if got := flowtest.Shown(a.Identifiers); !slices.Equal(got, told) || len(a.Former) > 0 {
			t.Fatalf("%+v takes back %q, told was %q", a, got, told)
		}
		return
	}
	if before != nil && len(before.Former) > 0 {
		return
	}
	present := flowtest.Shown(a.Identifiers)
	gone := slices.DeleteFunc(slices.Clone(told), func(address string) bool { return slices.Contains(present, address) })
	if got := flowtest.Shown(a.Former); !slices.Equal(got, gone) {
		t.Fatalf("%+v takes back %q, and %q holds no longer", a, got, gone)
	}
}

// TestNobodyWithoutConsentIsEverToldOf looks at each record with the consent
// that stood when it was made.
func TestNobodyWithoutConsentIsEverToldOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := flowtest.DrawPlan(t, "plan")
		w, people := flowtest.NewWorld(flowtest.MustRunner(destination.New(plan))), map[string]*naive{}
		for _, person := range flowtest.People {
			people[person] = newNaive(plan, person)
		}
		told := map[string]int{}
		for _, c := range flowtest.DrawLives(t, "life", 15) {
			n := people[c.Person]
			m := n.draw(t, c)
			flowtest.Append(w, topologies.Memberships, c.Person, m)
			w.Settle()
			for i := range plan.Destinations {
				d := &plan.Destinations[i]
				records := flowtest.RecordsOf(w, d.Name)
				for _, a := range records[told[d.Name]:] {
					if _, allowed := flowtest.Entry(d, n.lines[m.Scored]); a.Entered && !allowed {
						t.Fatalf("%+v without consent", a)
					}
				}
				told[d.Name] = len(records)
			}
		}
	})
}

// TestASweepLeavesTheListsOfTheNewDefinitions lets destinations change, and
// tells memberships again as segment does.
func TestASweepLeavesTheListsOfTheNewDefinitions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := flowtest.DrawPlan(t, "plan")
		next := *plan
		next.Destinations = flowtest.DrawPlan(t, "destinations of").Destinations
		for i := range next.Destinations {
			next.Destinations[i].Audiences = slices.DeleteFunc(next.Destinations[i].Audiences, func(name string) bool {
				return !slices.ContainsFunc(plan.Audiences, func(a definition.Audience) bool { return a.Name == name })
			})
		}
		w, people := flowtest.NewWorld(flowtest.MustRunner(destination.New(plan))), map[string]*naive{}
		for _, person := range flowtest.People {
			people[person] = newNaive(plan, person)
		}
		for _, c := range flowtest.DrawLives(t, "life", 12) {
			flowtest.Append(w, topologies.Memberships, c.Person, people[c.Person].draw(t, c))
		}
		w.Settle()
		w.Become(flowtest.MustRunner(destination.New(&next)))
		want := newLists()
		for _, n := range people {
			n.plan = &next
			n.addTo(want)
			n.retell(w)
		}
		w.Settle()
		w.Sweep("destination", flowtest.Start+1_000_000)
		want.check(t, w, &next)
		for _, d := range next.Destinations {
			checkNews(t, flowtest.RecordsOf(w, d.Name))
		}
		before := fmt.Sprint(w.Topics)
		w.Sweep("destination", flowtest.Start+2_000_000)
		if after := fmt.Sprint(w.Topics); after != before {
			t.Fatalf("a second sweep told more")
		}
	})
}

func (n *naive) retell(w *flowtest.World) {
	for scored, p := range n.lines {
		m := &schemas.Membership{Change: *p.Retold(flowtest.Start + 999_999), Scored: scored}
		for _, a := range n.plan.Audiences {
			if a.UsesScores == scored && n.members[a.Name] {
				m.Members = append(m.Members, schemas.Transition{Person: p.ID, Audience: a.Name, Entered: true, Revision: n.turns[a.Name]})
			}
		}
		flowtest.Append(w, topologies.Memberships, p.ID, m)
	}
}
