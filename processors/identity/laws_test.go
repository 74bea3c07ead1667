package identity_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kairos/processors/definition"
	"kairos/processors/identity"
	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

func TestEveryEventTwiceGivesTheSamePeople(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, events := anyRules(t), history(t, 20)
		twice := rapid.Permutation(slices.Concat(events, events)).Draw(t, "order")
		w := run(t, 4, rules, twice, anyPick(t))
		if want, got := naive(events, rules), w.people(); !maps.Equal(got, want) {
			t.Fatalf("people are\n%s\nwant\n%s", show(got), show(want))
		}
	})
}

// A merge that is taken back never was: whatever the link between two people
// had moved, all of it is back, and profile holds each fragment where it would
// be without it.
func TestAMergeThatIsTakenBackNeverWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, events := anyRules(t), history(t, 25)
		rules.MaxLinks = 1000 // heat is remembered: see DESIGN.md, Non-obvious 5
		before := naive(events, rules)
		if len(before) == 0 {
			t.Skip("nothing happened")
		}
		a := rapid.SampledFrom(slices.Sorted(maps.Keys(before))).Draw(t, "a")
		b := rapid.SampledFrom(slices.Sorted(maps.Keys(before))).Draw(t, "b")
		const end = 9 * minutesOfDay
		merge := event("merge", rapid.IntRange(0, end).Draw(t, "minute"), a, b)
		part := command(identity.Unlink, "part", end, a, b)
		all := strongestFirst(slices.Concat(events, []*schemas.Event{merge, part}))

		// Without the link, the event is one of its primary identifier alone.
		alone := *merge
		alone.Identifiers = merge.Identifiers[:1]
		want := naive(slices.Concat(events, []*schemas.Event{&alone}), rules)
		if want[a] == want[b] || linked(events, a, b) {
			t.Skip("one person already, or refused to be: an unlink would take more back than the merge")
		}
		all = rapid.Permutation(all).Draw(t, "order")
		w := run(t, 4, rules, all, anyPick(t))
		if got := w.people(); !maps.Equal(got, want) {
			t.Fatalf("people are\n%s\nwant\n%s\nevents:\n%s", show(got), show(want), list(all))
		}
		if holders, _ := w.profile.holders(); !maps.Equal(holders, want) {
			t.Fatalf("fragments are with\n%s\nwant\n%s", show(holders), show(want))
		}
	})
}

// linked says whether an event links two identifiers.
func linked(events []*schemas.Event, a, b string) bool {
	return slices.ContainsFunc(events, func(e *schemas.Event) bool {
		return slices.ContainsFunc(e.Identifiers[1:], func(i schemas.Identifier) bool {
			return e.Identifiers[0].String() == a && i.String() == b || e.Identifiers[0].String() == b && i.String() == a
		})
	})
}

func TestAnUndoneUnlinkNeverWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, events := anyRules(t), slices.DeleteFunc(history(t, 25), func(e *schemas.Event) bool { return e.Name != "visit" })
		if len(events) == 0 {
			t.Skip("nothing happened")
		}
		want := naive(events, rules)
		keys := slices.Sorted(maps.Keys(want))
		a, b := rapid.SampledFrom(keys).Draw(t, "a"), rapid.SampledFrom(keys).Draw(t, "b")
		if a == b {
			t.Skip("one identifier")
		}
		minute := rapid.IntRange(0, 9*minutesOfDay).Draw(t, "minute")
		all := strongestFirst(slices.Concat(events, []*schemas.Event{
			command(identity.Unlink, "part", minute, a, b), command(identity.Relink, "undo", minute+1, a, b),
		}))
		w := run(t, 4, rules, rapid.Permutation(all).Draw(t, "order"), anyPick(t))
		if got := w.people(); !maps.Equal(got, want) {
			t.Fatalf("people are\n%s\nwant\n%s", show(got), show(want))
		}
	})
}

func TestALinkAfterTheDayOfAnUnlinkCountsAgainUnlessItIsForAlways(t *testing.T) {
	for _, always := range []bool{false, true} {
		w := newWorld(t, 4, loose())
		part := command(identity.Unlink, "2", 2, "email:a", "device:x")
		if always {
			part.Properties = part.Properties.Set(identity.Always, schemas.BooleanOf(true))
		}
		together := func() bool { people := w.people(); return people["email:a"] == people["device:x"] }
		for i, e := range []*schemas.Event{event("1", 1, "email:a", "device:x"), part, event("3", 3, "email:a", "device:x"), event("4", 4+minutesOfDay, "email:a", "device:x")} {
			w.put(e)
			w.rest(loopFirst)
			if want := i == 0 || i == 3 && !always; together() != want {
				t.Errorf("always %v, after event %d: together is %v, want %v", always, i+1, together(), want)
			}
		}
	}
}

func TestAKnownLinkSaysNothingAndWritesNothing(t *testing.T) {
	w := newWorld(t, 4, loose())
	w.put(event("1", 10, "crm:1", "email:a", "device:x"))
	w.rest(loopFirst)
	said, rows := w.said, maps.Clone(w.rows)
	for i := range 20 {
		w.put(event(id(i), 10+i, "crm:1", "email:a", "device:x"))
		w.rest(loopFirst)
	}
	if w.said != said {
		t.Errorf("the rows said %d things about what they knew", w.said-said)
	}
	for key, row := range rows {
		if string(w.rows[key]) != string(row) {
			t.Errorf("the row of %s changed", key)
		}
	}
	w.put(event("next day", 10+minutesOfDay, "crm:1", "email:a", "device:x"))
	w.rest(loopFirst)
	if w.said == said {
		t.Error("a link of another day is news, but nobody heard of it")
	}
}

// Non-obvious 10 and 11.
func TestACommandAboutStrangersInventsNobody(t *testing.T) {
	w := newWorld(t, 4, loose())
	w.put(command(identity.Unlink, "1", 1, "email:a", "email:b"))
	w.rest(loopFirst)
	if people, told := w.people(), len(w.profile.people); len(people) != 0 || told != 0 {
		t.Errorf("people are %v, profile knows %d", people, told)
	}
	w.put(event("2", 2, "email:a", "device:x"))
	w.put(event("3", 3, "email:b", "device:x"))
	w.rest(loopFirst)
	if people := w.people(); people["email:a"] == people["email:b"] {
		t.Error("the unlink is forgotten")
	}
}

// Non-obvious 8.
func TestAStaleWordOfARootIsNotFollowed(t *testing.T) {
	w := newWorld(t, 4, loose())
	w.put(event("1", 1, "email:a", "device:x"))
	w.rest(loopFirst)
	key := "email:a"
	if w.row(key).Version == 0 {
		key = "device:x" // who had moved
	}
	before := *w.row(key)
	if before.Version == 0 {
		t.Fatal("nobody moved")
	}
	w.say(&schemas.IdentityMessage{To: key, Cause: instant(2), Assign: &schemas.Assign{Person: "0123456789abcdef", Root: "crm:0", Version: before.Version}})
	w.rest(loopFirst)
	if after := w.row(key); after.Person != before.Person || after.Root != before.Root || after.Epoch != before.Epoch {
		t.Errorf("the row follows a stale word: %+v", after)
	}
	if w.drops[identity.DropStale] != 1 {
		t.Errorf("drops are %v", w.drops)
	}
}

func (w *world) say(m *schemas.IdentityMessage) {
	value, err := schemas.IdentityMessageCodec.Append(nil, m)
	if err != nil {
		w.t.Fatalf("encode: %v", err)
	}
	w.enqueue(w.partition("a test"), stage.Message{Topic: topologies.IdentityLoop.Name, Key: m.To, Value: value})
}

// Work is counted in bytes of rows that steps had to read, and in what rows
// said: neither depends on the machine.
func TestTenThousandLinksOfOneIdentifierStayCheap(t *testing.T) {
	const attempts = 10_000
	rules := loose()
	rules.MaxIdentifiers, rules.MaxLinks = 50, 100
	for _, c := range []struct {
		name  string
		event func(i int) *schemas.Event
		hot   string
	}{
		{"a device that everybody uses", func(i int) *schemas.Event { return event(id(i), i, fmt.Sprintf("crm:%d", i), "device:x") }, "device:x"},
		{"an account with ever new devices", func(i int) *schemas.Event { return event(id(i), i, "crm:1", fmt.Sprintf("device:%d", i)) }, "crm:1"},
	} {
		for name, pick := range map[string]func(int) int{"slowly": loopFirst, "at once": doorFirst} {
			t.Run(c.name+", "+name, func(t *testing.T) {
				w := newWorld(t, 4, rules)
				most := 0
				for i := range attempts {
					w.put(c.event(i))
					if name == "slowly" {
						said, bytes := w.said, w.bytes
						w.rest(pick)
						if i > 2*rules.MaxLinks {
							most = max(most, w.bytes-bytes)
							if w.said-said > 2 {
								t.Fatalf("attempt %d makes the rows say %d things", i, w.said-said)
							}
						}
					}
				}
				w.rest(pick)
				if most > 64<<10 {
					t.Errorf("an attempt reads %d bytes of rows", most)
				}
				if w.said > 4*attempts || w.bytes > attempts*(64<<10) {
					t.Errorf("rows said %d things and read %d bytes", w.said, w.bytes)
				}
				if r := w.row(c.hot); !r.Hot || len(r.Links) > 20*(rules.MaxLinks+1) {
					t.Errorf("hot is %v with %d bytes of links", r.Hot, len(r.Links))
				}
				people := w.people()
				if alone := identity.PersonOf(c.hot); people[c.hot] != alone {
					t.Errorf("the hot identifier is of %s, not alone", people[c.hot])
				}
				count := map[string]int{}
				for _, person := range people {
					count[person]++
				}
				if len(count) != attempts+1 {
					t.Errorf("%d people, want %d", len(count), attempts+1)
				}
			})
		}
	}
}

// Once a component is full, its members know: an attempt costs one word to the
// other end, and reads no component but that of a row at work.
func TestLinksOfAFullComponentStayCheap(t *testing.T) {
	const weight, attempts = 8 << 10, 400
	for name, attempt := range map[string]func(i int) *schemas.Event{
		"of its root": func(i int) *schemas.Event { return event(id(i), i, "crm:1", fmt.Sprintf("email:%d", i)) },
		"of a member": func(i int) *schemas.Event { return event(id(i), i, "crm:9", fmt.Sprintf("email:%d", i)) },
		"to a member": func(i int) *schemas.Event { return event(id(i), i, fmt.Sprintf("email:%d", i), "device:hub") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newTightWorld(t, 4, loose(), weight)
			w.put(event("1", 1, "crm:1", "crm:9", "device:hub"))
			w.rest(loopFirst)
			for i := range attempts {
				said, bytes := w.said, w.bytes
				w.put(attempt(i))
				w.rest(loopFirst)
				if i > attempts/2 && (w.said-said > 1 || w.bytes-bytes > 2*weight) {
					t.Fatalf("attempt %d: the rows said %d things and read %d bytes", i, w.said-said, w.bytes-bytes)
				}
			}
			if w.drops[identity.DropIdle]+w.drops[identity.DropFull] < attempts/2 {
				t.Errorf("drops are %v", w.drops)
			}
			w.checkBounds(t, loose(), 2*weight)
		})
	}
}

// Non-obvious 3.
func TestWhatARootHearsTooSoonIsNotForgotten(t *testing.T) {
	w := newWorld(t, 4, loose())
	w.put(event("1", 9, "device:x", "device:y"))
	w.rest(loopFirst)
	root, late := "device:x", "device:z"
	w.put(event("2", 9, late))
	w.rest(loopFirst)
	w.say(&schemas.IdentityMessage{To: root, Cause: instant(10), Seen: &schemas.Member{Identifier: late, FirstSeen: instant(1), Hot: true}})
	w.rest(loopFirst)
	w.say(&schemas.IdentityMessage{To: root, Cause: instant(10), Absorb: &schemas.Component{
		Version: 3, Members: []schemas.Member{{Identifier: late, FirstSeen: instant(9), Person: identity.PersonOf(late)}},
		Links: []schemas.Evidence{{A: "device:y", B: late, Day: 20454, First: instant(9)}},
	}})
	w.rest(loopFirst)
	c := w.component(root)
	if len(c.Members) != 3 || len(c.Heard) != 0 {
		t.Fatalf("members %+v, heard %+v", c.Members, c.Heard)
	}
	if m := c.Members[2]; m.FirstSeen != instant(1) || !m.Hot || m.Person != identity.PersonOf(late) {
		t.Errorf("the late member is %+v", m)
	}
}

// A chain of identifiers of which each links two others joins no person
// beyond the limit, but would join one component of everybody.
func TestAComponentStopsGrowingAtItsWeight(t *testing.T) {
	const links, weight = 3000, 16 << 10
	rules := loose()
	rules.MaxIdentifiers = 20
	for name, pick := range map[string]func(int) int{"loop first": loopFirst, "door first": doorFirst, "mixed": pseudo(7)} {
		t.Run(name, func(t *testing.T) {
			w := newTightWorld(t, 12, rules, weight)
			for i := range links {
				w.put(event(id(i), i, fmt.Sprintf("email:%05d", i), fmt.Sprintf("device:%05d", i)))
				w.put(event(id(i), i, fmt.Sprintf("email:%05d", i), fmt.Sprintf("device:%05d", i+1)))
			}
			w.rest(pick)
			w.checkBounds(t, rules, 2*weight)
			if w.drops[identity.DropFull] == 0 {
				t.Error("nothing was ever full")
			}
			if limit := 2 * links * 64 * (weight << 1); w.bytes > limit {
				t.Errorf("rows read %d bytes, more than %d", w.bytes, limit)
			}
		})
	}
}

// Past the bound the order may show in who is linked, but nobody is linked
// wrongly, nothing is lost, and everything comes to rest.
func TestAFullComponentLosesNothingButLinks(t *testing.T) {
	full, returned := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		rules, events := anyRules(t), history(t, 40)
		weight := int64(rapid.IntRange(60, 900).Draw(t, "weight"))
		w := newTightWorld(t, 0, rules, weight)
		for _, e := range events {
			w.put(e)
		}
		w.rest(anyPick(t))
		w.checkBounds(t, rules, int(weight)+2000)
		holders, heard := w.profile.holders()
		if got := w.people(); !maps.Equal(got, holders) {
			t.Fatalf("fragments are with\n%s\nevents go to\n%s", show(holders), show(got))
		}
		n := 0
		for _, ids := range heard {
			n += len(ids)
		}
		if want := len(events) - w.drops[identity.DropCommand]; n != want {
			t.Fatalf("%d events arrived of %d", n, want)
		}
		full += w.drops[identity.DropFull]
		returned += w.returned
	})
	if full == 0 || returned == 0 && !testing.Short() { // few are returned, and a short run is short
		t.Errorf("%d refusals and %d returns: the test tests nothing", full, returned)
	}
}

func newTightWorld(t fataler, partitions uint32, rules definition.IdentityRules, weight int64) *world {
	w := newWorld(t, partitions, rules)
	group := topologies.Group{Name: "kairos.identity", Stages: []topologies.Stage{topologies.Identity}}
	runner, err := stage.NewRunner(group, identity.NewTight(&definition.Plan{Identity: rules}, weight))
	if err != nil {
		t.Fatalf("runner: %v", err)
	}
	w.runner = runner
	return w
}

// checkBounds says whether rows, people and roots are within what is promised.
func (w *world) checkBounds(t fataler, rules definition.IdentityRules, weight int) {
	count := map[string]int{}
	special := map[string]int{}
	for key, person := range w.people() {
		count[person]++
		special[person+" "+schemas.IdentifierOf(key).Namespace]++
	}
	for person, n := range count {
		if n > rules.MaxIdentifiers {
			t.Fatalf("%s has %d identifiers", person, n)
		}
		for _, ns := range rules.Namespaces {
			if ns.PerPerson > 0 && ns.Window == 0 && special[person+" "+ns.Name] > ns.PerPerson {
				t.Fatalf("%s has %d of %s", person, special[person+" "+ns.Name], ns.Name)
			}
		}
	}
	member := map[string]string{}
	for _, key := range w.keys() {
		r := w.row(key)
		if r.Root != "" && r.Root >= key || r.Root != "" && len(r.Component) > 0 {
			t.Fatalf("the root of %s is %s", key, r.Root)
		}
		if len(w.rows[key]) > weight+64*rules.MaxLinks {
			t.Fatalf("the row of %s has %d bytes", key, len(w.rows[key]))
		}
		if r.Root == "" {
			for _, m := range w.component(key).Members {
				if member[m.Identifier] != "" {
					t.Fatalf("%s is a member at %s and at %s", m.Identifier, member[m.Identifier], key)
				}
				member[m.Identifier] = key
				if own := w.row(m.Identifier); own.Person != m.Person {
					t.Fatalf("%s says %s is %s, its row %s", key, m.Identifier, m.Person, own.Person)
				}
			}
		}
	}
	for _, key := range w.keys() {
		if member[key] == "" {
			t.Fatalf("no component holds %s", key)
		}
	}
}

// Non-obvious 2, 9 and, of arrivals, 11.
func TestMembersAndRootsAgreeAtRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, events := anyRules(t), history(t, 40)
		w := run(t, 0, rules, events, anyPick(t))
		w.checkBounds(t, rules, math.MaxInt32)
		for _, key := range w.keys() {
			if r := w.row(key); r.Root == "" && len(w.component(key).Heard) > 0 {
				t.Fatalf("%s still waits for %v", key, w.component(key).Heard)
			}
		}
	})
}

// People change with the rules, and are then what they would always have been:
// heat aside, which is remembered.
func TestChangedRulesGiveThePeopleThatTheyWouldAlwaysHaveGiven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after, events := anyRules(t), anyRules(t), history(t, 25)
		before.MaxLinks, after.MaxLinks = 1000, 1000
		w := run(t, 4, before, events, anyPick(t))
		w.follow(after)
		w.sweep(instant(10 * minutesOfDay))
		w.rest(anyPick(t))
		w.check(t, events, after)
	})
}

// Non-obvious 12.
func TestAnEventUnderAForeignKeyGoesToItsPrimaryIdentifier(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, events := anyRules(t), history(t, 20)
		w := newWorld(t, 4, rules)
		for _, e := range events {
			mixed := *e
			mixed.Identifiers = rapid.Permutation(e.Identifiers).Draw(t, "identifiers")
			w.putUnder(rapid.SampledFrom([]string{mixed.Identifiers[0].String(), "anything"}).Draw(t, "key"), &mixed)
		}
		w.rest(anyPick(t))
		w.check(t, events, rules)
	})
}

// Events of one identifier that come through one partition arrive in order,
// however often the identifier moves meanwhile.
func TestEventsOfAnIdentifierStayInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, events := anyRules(t), history(t, 40)
		w := run(t, 12, rules, events, anyPick(t))
		_, heard := w.profile.holders()
		for key, ids := range heard {
			if !slices.IsSorted(ids) {
				t.Fatalf("%s: %s", key, strings.Join(ids, " "))
			}
		}
	})
}

// At the cap the newest days stay, and each link that gives way is counted:
// kairos_host_drops_total{stage="identity",reason="refused-max-identifiers"}.
func TestAtTheCapTheNewestStayAndEachLinkThatGivesWayIsCounted(t *testing.T) {
	rules := loose()
	rules.MaxIdentifiers = 10
	for name, latest := range map[string]int{"new ones are newer": 1, "new ones are as new, and the hash decides": 0} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 4, rules)
			for i := range 30 {
				w.put(event(id(i), 1+i*latest*minutesOfDay, "crm:1", fmt.Sprintf("device:%02d", i)))
				w.rest(loopFirst)
			}
			if n := w.drops["refused-"+identity.RuleIdentifiers]; n != 30-9 {
				t.Errorf("%d links counted, want 21: %v", n, w.drops)
			}
			people := w.people()
			for i := range 30 {
				device := fmt.Sprintf("device:%02d", i)
				if with := people[device] == people["crm:1"]; latest == 1 && with != (i >= 21) {
					t.Errorf("%s is the account's: %v", device, with)
				}
			}
		})
	}
}
