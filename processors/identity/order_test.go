package identity_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kairos/processors/definition"
	"kairos/processors/identity"
	"kairos/schemas"
)

// tight are rules under which a handful of events breaks every one of them.
func tight() definition.IdentityRules {
	return definition.IdentityRules{
		Namespaces: []definition.Namespace{
			{Name: "crm", Priority: 100, PerPerson: 1, Links: true},
			{Name: "email", Priority: 90, PerPerson: 2, Links: true},
			{Name: "device", Priority: 20, Links: true},
			{Name: "segment", Priority: 10, Links: false},
		},
		MaxIdentifiers: 5,
		MaxLinks:       3,
	}
}

// strict are tight rules with strict devices and a limit of e-mails a day.
func strict() definition.IdentityRules {
	rules := tight()
	rules.Namespaces[1].PerPerson, rules.Namespaces[1].Window = 1, 24*time.Hour
	rules.Namespaces[2].Strict = true
	return rules
}

// loose are rules that refuse nothing.
func loose() definition.IdentityRules {
	return definition.IdentityRules{
		Namespaces: []definition.Namespace{
			{Name: "crm", Priority: 100, Links: true},
			{Name: "email", Priority: 90, Links: true},
			{Name: "device", Priority: 20, Links: true},
		},
		MaxIdentifiers: 1000,
		MaxLinks:       1000,
	}
}

// check says whether the world came to what the naive model says, whether each
// event arrived once, and whether each fragment is where its events go.
func (w *world) check(t fataler, events []*schemas.Event, rules definition.IdentityRules) {
	w.checkAgainst(t, events, naive(events, rules))
}

// ownKey is where an event of these rules goes: its primary identifier, or the
// part of its session.
func (w *world) ownKey(e *schemas.Event) string {
	key := e.Identifiers[0].String()
	for _, n := range w.rules.Namespaces {
		if gap := naiveGap(n); gap > 0 && n.Name == e.Identifiers[0].Namespace {
			return naivePart(key, int64(e.Time)/60_000/gap*gap)
		}
	}
	return key
}

func (w *world) checkAgainst(t fataler, events []*schemas.Event, want map[string]string) {
	got := w.people()
	if !maps.Equal(got, want) {
		t.Fatalf("people are\n%s\nwant\n%s\nevents:\n%s", show(got), show(want), list(events))
	}
	holders, heard := w.profile.holders()
	if !maps.Equal(holders, want) {
		t.Fatalf("fragments are with\n%s\nwant\n%s\nevents:\n%s", show(holders), show(want), list(events))
	}
	sent := map[string]int{}
	for _, e := range events {
		if e.Name == "visit" {
			sent[w.ownKey(e)+" "+e.ID]++
		}
	}
	for key, ids := range heard {
		for _, id := range ids {
			sent[key+" "+id]--
		}
	}
	for what, n := range sent {
		if n != 0 {
			t.Fatalf("%s: %d times too few", what, n)
		}
	}
	for key, n := range w.profile.arrivals {
		if n != 1 {
			t.Fatalf("%s arrived %d times", key, n)
		}
	}
	if len(w.letters) > 0 {
		t.Fatalf("dead letter: %+v", w.letters[0])
	}
}

func list(events []*schemas.Event) string {
	text := ""
	for _, e := range events {
		text += fmt.Sprintf("%s %s %v %v\n", e.ID, e.Name, e.Received, e.Identifiers)
	}
	return text
}

func run(t fataler, partitions uint32, rules definition.IdentityRules, events []*schemas.Event, pick func(int) int) *world {
	w := newWorld(t, partitions, rules)
	for _, e := range events {
		w.put(e)
	}
	w.rest(pick)
	return w
}

// runSlowly lets everything come to rest after each event.
func runSlowly(t fataler, rules definition.IdentityRules, events []*schemas.Event) *world {
	w := newWorld(t, 4, rules)
	for _, e := range events {
		w.put(e)
		w.rest(loopFirst)
	}
	return w
}

func permutations(n int, f func(order []int)) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var next func(k int)
	next = func(k int) {
		if k == n {
			f(order)
			return
		}
		for i := k; i < n; i++ {
			order[k], order[i] = order[i], order[k]
			next(k + 1)
			order[k], order[i] = order[i], order[k]
		}
	}
	next(0)
}

// histories are small sets of evidence, each about one rule or several.
func histories() map[string][]*schemas.Event {
	later := minutesOfDay
	return map[string][]*schemas.Event{
		"a chain": {
			event("1", 1, "crm:1", "email:a"), event("2", 2, "email:a", "device:x"), event("3", 3, "device:x", "device:y"), event("4", 4, "device:y", "device:z"), event("5", 5, "device:z"),
		},
		"a ring": {
			event("1", 1, "email:a", "device:x"), event("2", 2, "email:b", "device:x"), event("3", 3, "email:b", "device:y"), event("4", 4, "email:a", "device:y"), event("5", 1, "email:a", "email:b"),
		},
		"a shared device": {
			event("1", 1, "device:x"), event("2", 2, "crm:1", "device:x"), event("3", 3+later, "crm:2", "device:x"), event("4", 4+2*later, "crm:1", "device:x"), event("5", 5, "crm:2", "email:a"),
		},
		"too many of a namespace": {
			event("1", 1, "crm:1", "email:a"), event("2", 2+later, "crm:1", "email:b"), event("3", 3+2*later, "crm:1", "email:c"), event("4", 4, "email:c", "device:x"), event("5", 5, "email:a", "device:x"),
		},
		"too many identifiers": {
			event("1", 1, "crm:1", "device:a", "device:b"), event("2", 2+later, "crm:1", "device:c"), event("3", 3, "email:a", "device:d", "device:e"), event("4", 4+later, "email:a", "device:a"), event("5", 5, "crm:1", "email:a"),
		},
		"a hot device": {
			event("1", 1, "crm:1", "device:x"), event("2", 2, "email:a", "device:x"), event("3", 3, "email:b", "device:x"), event("4", 4, "email:c", "device:x"), event("5", 5, "crm:1", "email:a"),
		},
		"a hot account": {
			event("1", 1, "crm:1", "device:a", "device:b"), event("2", 2, "crm:1", "device:c", "device:d"), event("3", 3, "email:a", "device:a"), event("4", 4, "email:a", "device:b"), event("5", 5+later, "crm:1", "device:a"),
		},
		"an unlink": {
			event("1", 1, "email:a", "device:x"), event("2", 2, "email:a", "device:y"), event("3", 3, "email:b", "device:y"), command(identity.Unlink, "4", 4, "email:a", "device:y"), event("5", 5, "device:y"),
		},
		"an unlink of those whom others join": {
			event("1", 1, "crm:1", "email:a"), event("2", 2, "email:a", "device:x"), event("3", 3, "email:b", "device:x"), command(identity.Unlink, "4", 4, "crm:1", "email:b"), event("5", 5+later, "email:b", "device:x"),
		},
		"an unlink, undone and done again": {
			event("1", 1, "email:a", "device:x"), command(identity.Unlink, "2", 2, "email:a", "device:x"), command(identity.Relink, "3", 3, "email:a", "device:x"), command(identity.Unlink, "4", 4, "email:a", "device:x"), event("5", 5+later, "email:a", "device:x"),
		},
		"an unlink and its undoing at one moment": {
			event("1", 1, "email:a", "device:x"), command(identity.Unlink, "2", 5, "email:a", "device:x"), command(identity.Relink, "3", 5, "email:a", "device:x"), event("4", 2, "email:b", "device:x"), command(identity.Unlink, "5", 4, "email:a", "device:x"),
		},
		"an unlink before anything is known": {
			command(identity.Unlink, "1", 1, "email:a", "device:x"), event("2", 2, "email:b", "device:x"), event("3", 3, "email:a", "device:x"), event("4", 4, "email:a", "email:b"), command(identity.Unlink, "5", 5, "email:c", "email:b"),
		},
		"a namespace that never links": {
			event("1", 1, "email:a", "segment:s"), event("2", 2, "email:b", "segment:s"), event("3", 3, "segment:s"), event("4", 4, "email:b", "device:x"), event("5", 5, "email:a", "device:x"),
		},
		"who was seen first": {
			event("1", 9, "email:a", "device:x"), event("2", 5, "email:b", "device:x"), event("3", 1, "device:y", "device:z"), event("4", 7, "email:a", "device:y"), event("5", 3, "email:b"),
		},
		"an unlink takes back who was seen": {
			event("1", 9, "email:a"), event("2", 5, "email:b", "email:a"), event("3", 3, "email:a", "device:x"), command(identity.Unlink, "4", 10, "email:a", "device:x"), event("5", 20, "device:x"),
		},
	}
}

// Non-obvious 1, 4, 6 and 10: each has a history here that goes wrong without it.
func TestAllArrivalOrdersOfTheSameEvidenceGiveTheSamePeople(t *testing.T) {
	for name, events := range histories() {
		t.Run(name, func(t *testing.T) {
			events = strongestFirst(events)
			wanted, wantedStrict := naive(events, tight()), naive(events, strict())
			permutations(len(events), func(order []int) {
				shuffled := arranged(events, order)
				runSlowly(t, tight(), shuffled).checkAgainst(t, events, wanted)
				run(t, 0, strict(), shuffled, doorFirst).checkAgainst(t, events, wantedStrict)
				for _, pick := range []func(int) int{loopFirst, doorFirst, pseudo(uint64(1 + order[0]))} {
					run(t, 0, tight(), shuffled, pick).checkAgainst(t, events, wanted)
				}
			})
		})
	}
}

func arranged(events []*schemas.Event, order []int) []*schemas.Event {
	all := make([]*schemas.Event, len(events))
	for i, j := range order {
		all[i] = events[j]
	}
	return all
}

// kinds are sets of seven pieces of evidence with rules that they break: each
// kind of rule at least once.
func kinds() map[string]struct {
	rules  definition.IdentityRules
	events []*schemas.Event
} {
	one := strongestFirst([]*schemas.Event{
		event("1", 1, "crm:1", "email:a", "device:x"),
		event("2", 2+minutesOfDay, "crm:2", "email:a", "device:x"),
		event("3", 3, "email:b", "device:x", "device:y"),
		event("4", 4, "email:c", "device:y", "device:z"),
		command(identity.Unlink, "5", 5, "crm:2", "email:b"),
		command(identity.Unlink, "6", 6, "email:c", "device:y"),
		event("7", 7+minutesOfDay, "email:b", "email:c", "device:z"),
	})
	evening := strongestFirst([]*schemas.Event{
		event("1", 10, "device:x"),
		event("2", 35, "crm:1", "email:a", "device:x"),
		event("3", 55, "device:x", "device:y"),
		event("4", 70, "crm:2", "device:x"),
		event("5", 85, "device:x"),
		command(identity.Unlink, "6", 600, "crm:1", "device:x"),
		event("7", 75, "email:guest", "crm:2", "email:a"),
	})
	hot, parted, crowded := tight(), tight(), strict()
	parted.MaxIdentifiers, parted.MaxLinks = 9, 9
	crowded.MaxIdentifiers, crowded.MaxLinks, crowded.Namespaces[1].PerPerson = 3, 9, 2
	sessions, crowdedSessions, weakAccounts := bound(), tight(), bound()
	sessions.Namespaces[1].Blocked = func(value string) bool { return value == "guest" }
	crowdedSessions.Namespaces[2].Session, crowdedSessions.Namespaces[2].PerPerson = 30*time.Minute, 2
	weakAccounts.Namespaces[0].Priority = 1 // so that events are e-mails' and devices' first
	return map[string]struct {
		rules  definition.IdentityRules
		events []*schemas.Event
	}{
		"a hot device":              {hot, one},
		"an operator's word":        {parted, one},
		"a crowd at strict devices": {crowded, one},
		"an evening of sessions":    {sessions, evening},
		"too many sessions":         {crowdedSessions, evening},
		"weak accounts":             {weakAccounts, evening},
	}
}

func TestAllOrdersOfSevenPiecesThatBreakEveryRuleGiveTheSamePeople(t *testing.T) {
	broken := map[string]bool{}
	for name, kind := range kinds() {
		t.Run(name, func(t *testing.T) {
			events, seed := admitted(kind.events, kind.rules), uint64(0)
			want := naive(events, kind.rules)
			permutations(len(events), func(order []int) {
				if seed++; testing.Short() && seed%10 != 1 {
					return
				}
				w := run(t, 0, kind.rules, arranged(kind.events, order), pseudo(seed))
				w.checkAgainst(t, events, want)
				if seed > 1 {
					return
				}
				for _, key := range w.keys() {
					for _, d := range identity.Explain(w.component(key), kind.rules).Decisions {
						broken[d.Rule] = true
					}
				}
			})
		})
	}
	for _, rule := range []string{identity.RulePerPerson, identity.RuleHot, identity.RuleUnlinked, identity.RuleParted, identity.RuleIdentifiers, identity.RuleContested} {
		if !broken[rule] {
			t.Errorf("no link is refused by %s", rule)
		}
	}
}

func TestAllOrdersOfAnyFewPiecesGiveTheSamePeople(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, events := anyRules(t), history(t, 5)
		if rapid.Bool().Draw(t, "sessions") {
			rules, events = boundRules(t), visits(t, 5)
		}
		events = admitted(events, rules)
		want, seed := naive(events, rules), uint64(0)
		permutations(len(events), func(order []int) {
			seed++
			run(t, 0, rules, arranged(events, order), pseudo(seed)).checkAgainst(t, events, want)
		})
	})
}

// admitted is what identity lets in, in the form in which the naive model wants
// it: no blocked identifiers, no word about two devices that sessions bind, the
// strongest identifier first.
func admitted(events []*schemas.Event, rules definition.IdentityRules) []*schemas.Event {
	of := map[string]definition.Namespace{}
	for _, n := range rules.Namespaces {
		of[n.Name] = n
	}
	var all []*schemas.Event
	for _, e := range events {
		let := *e
		let.Identifiers = slices.DeleteFunc(slices.Clone(e.Identifiers), func(id schemas.Identifier) bool {
			blocked := of[id.Namespace].Blocked
			return blocked != nil && blocked(id.Value)
		})
		slices.SortStableFunc(let.Identifiers, func(a, b schemas.Identifier) int {
			x, listed := of[a.Namespace]
			y, listedToo := of[b.Namespace]
			if !listed || !listedToo || x.Links != y.Links {
				return 0
			}
			return y.Priority - x.Priority
		})
		if e.Name != "visit" && of[let.Identifiers[0].Namespace].Session > 0 && of[let.Identifiers[1].Namespace].Session > 0 {
			continue
		}
		all = append(all, &let)
	}
	return all
}

// strongestFirst puts identifiers in the order in which the door has them.
func strongestFirst(events []*schemas.Event) []*schemas.Event {
	strength := map[string]int{"crm": 3, "email": 2, "device": 1}
	for _, e := range events {
		slices.SortFunc(e.Identifiers, func(a, b schemas.Identifier) int {
			if x, y := strength[a.Namespace], strength[b.Namespace]; x != y {
				return y - x
			}
			return compareText(a.String(), b.String())
		})
		e.Identifiers = slices.Compact(e.Identifiers)
	}
	return events
}

// history draws events that often meet.
func history(t *rapid.T, most int) []*schemas.Event {
	keys := []string{"crm:1", "crm:2", "crm:3", "email:a", "email:b", "email:c", "email:d", "device:u", "device:v", "device:w", "device:x", "device:y", "device:z", "segment:s", "loyalty:l", "loyalty:m"}
	keys = keys[:rapid.IntRange(3, len(keys)).Draw(t, "keys")]
	n := rapid.IntRange(1, most).Draw(t, "events")
	events := make([]*schemas.Event, 0, n)
	for i := range n {
		minute := rapid.IntRange(0, 4*minutesOfDay).Draw(t, "minute")
		ids := rapid.SliceOfNDistinct(rapid.SampledFrom(keys), 1, min(4, len(keys)), rapid.ID[string]).Draw(t, "identifiers")
		name := "visit"
		if len(ids) == 2 {
			name = rapid.SampledFrom([]string{"visit", "visit", "visit", identity.Unlink, identity.Relink}).Draw(t, "name")
		}
		if name == "visit" {
			events = append(events, event(id(i), minute, ids...))
		} else {
			events = append(events, command(name, id(i), minute, ids[0], ids[1]))
		}
	}
	return strongestFirst(events)
}

func anyRules(t *rapid.T) definition.IdentityRules {
	rules := tight()
	rules.MaxIdentifiers = rapid.IntRange(2, 9).Draw(t, "most identifiers")
	rules.MaxLinks = rapid.IntRange(1, 9).Draw(t, "most links")
	rules.Namespaces[0].PerPerson = rapid.IntRange(0, 2).Draw(t, "most crm")
	rules.Namespaces[1].PerPerson = rapid.IntRange(0, 3).Draw(t, "most email")
	rules.Namespaces[1].Window = time.Duration(rapid.SampledFrom([]int{0, 1, 24, 48}).Draw(t, "hours")) * time.Hour
	rules.Namespaces[2].Strict = rapid.Bool().Draw(t, "strict devices")
	return rules
}

func anyPick(t *rapid.T) func(int) int {
	return pseudo(rapid.Uint64Range(1, 1<<62).Draw(t, "interleaving"))
}

func TestPeopleAreWhatANaiveModelOfTheWholeHistorySays(t *testing.T) {
	for _, partitions := range []uint32{1, 4, 12, 0} {
		t.Run(fmt.Sprintf("%d partitions", partitions), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				rules, events := anyRules(t), history(t, 40)
				for range 5 { // the naive model is what takes time
					run(t, partitions, rules, events, anyPick(t)).check(t, events, rules)
				}
			})
		})
	}
}
