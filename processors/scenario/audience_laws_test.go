package scenario_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kairos/processors/scenario"
	"kairos/schemas"
	"kairos/topologies"
)

// exclusive are pairs of audiences of which nobody may ever be in both, by
// events, windows, attributes, sequences, dwell, splits and other audiences.
var exclusive = [][2]string{
	{`events("purchase").within("7d").any()`, `events("purchase").within("7d").none()`},
	{`events("view").within("5d").count() >= 2`, `events("view").within("5d").count() < 2`},
	{`p.country == "FR"`, `p.country == "DE" && events().any()`},
	{`events("view").then("purchase", "1d").any()`, `events("view").then("purchase", "1d").none() && events("view").any()`},
	{`events("cancel").any() && bucket("half") < 50`, `events("cancel").any() && bucket("half") >= 50`},
	{`in("a0") && p.tier >= 2`, `in("b0") || p.tier < 2`},
	{`inFor("a1", "12h")`, `!inFor("a1", "12h") && events().any()`},
	{`events().recency() >= 3`, `events().recency() < 3`},
}

// pairs writes the definitions of the pairs, a0 and b0 and so on, each as how
// gives it.
func pairs(how func(name, when string) string) string {
	var b strings.Builder
	b.WriteString("kind: identity\nnamespaces:\n  - {name: crm_id, priority: 100, per_person: 1, links: true}\n  - {name: email, priority: 90, links: true}\n" +
		"  - {name: device_id, priority: 20, links: true}\n  - {name: anonymous_id, priority: 10, links: true}\n  - {name: phone, priority: 5, links: false}\n")
	for i, pair := range exclusive {
		for k, when := range pair {
			name := fmt.Sprint(string("ab"[k]), i)
			fmt.Fprintf(&b, "---\nkind: audience\nname: %s\n%s", name, how(name, when))
		}
	}
	return b.String()
}

func published(_, when string) string { return "when: '" + when + "'\n" }

// members is who is in what, by "person audience", as somebody has it who reads
// the transitions from the start. Each is called with after every record.
func members(t TB, w scenario.World, each func(x *schemas.Transition, in map[string]bool)) map[string]bool {
	t.Helper()
	messages, err := w.Read(topologies.Transitions.Name)
	do(t, err)
	in := map[string]bool{}
	for _, m := range messages {
		x, err := schemas.TransitionCodec.Decode(m.Value)
		do(t, err)
		if key := x.Person + " " + x.Audience; x.Entered {
			in[key] = true
		} else {
			delete(in, key)
		}
		each(x, in)
	}
	return in
}

func anything(*schemas.Transition, map[string]bool) {}

// inRows is the same by segment's table.
func inRows(t TB, w scenario.World) map[string]bool {
	t.Helper()
	rows, err := w.Rows(topologies.SegmentTable.Name)
	do(t, err)
	in := map[string]bool{}
	for person, encoded := range rows {
		row, err := topologies.SegmentTable.Codec.Decode(encoded)
		do(t, err)
		for _, s := range row.Standings {
			if s.Member {
				in[person+" "+s.Audience] = true
			}
		}
	}
	return in
}

func TestNobodyIsEverInTwoAudiencesThatExcludeEachOther(t *testing.T) {
	plan := compiled(t, pairs(published))
	rapid.Check(t, func(t *rapid.T) {
		history := linking.draw(t)
		w := world(rapid.SampledFrom([]int32{1, 4}).Draw(t, "partitions"), rapid.Bool().Draw(t, "chained"), rapid.Uint64().Draw(t, "seed"))
		rush(t, w, plan, history, prompt(history))
		at := 0
		members(t, w, func(x *schemas.Transition, in map[string]bool) {
			at++
			for _, twice := range [][2]string{{"a", "b"}, {"b", "a"}} {
				if other, is := strings.CutPrefix(x.Audience, twice[0]); is && x.Entered && in[x.Person+" "+twice[1]+other] {
					t.Fatalf("record %d: %s enters %s and is in %s still", at, x.Person, x.Audience, twice[1]+other)
				}
			}
		})
	})
}

// Whoever is merged into somebody leaves everything, at the instant of the
// merge, and what the topic says is what the table says.
func TestWhoeverMergesLeavesAllAudiencesAtOnce(t *testing.T) {
	plan := compiled(t, pairs(published))
	rapid.Check(t, func(t *rapid.T) {
		history := linking.draw(t)
		w := world(4, rapid.Bool().Draw(t, "chained"), rapid.Uint64().Draw(t, "seed"))
		rush(t, w, plan, history, prompt(history))
		left := map[string]schemas.Instant{} // by person: when it was merged
		got := members(t, w, func(x *schemas.Transition, in map[string]bool) {
			switch at, merged := left[x.Person]; {
			case x.Entered:
				delete(left, x.Person) // parted again
			case x.Reason != "merged":
			case merged && at != x.Cause:
				t.Fatalf("%s left at %v and %v", x.Person, at, x.Cause)
			default:
				left[x.Person] = x.Cause
			}
		})
		if want := inRows(t, w); !maps.Equal(got, want) {
			t.Fatalf("the topic says %v, the table %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
		for key := range got {
			if person, _, _ := strings.Cut(key, " "); left[person] != 0 {
				t.Fatalf("%s, though merged into somebody", key)
			}
		}
	})
}

func TestRetiringLetsEverybodyExitAndNobodyElse(t *testing.T) {
	plan := compiled(t, pairs(published))
	retiring := compiled(t, pairs(func(name, when string) string {
		if name == "b0" || name == "b5" || name == "a2" {
			return "state: retired\n" + published(name, when)
		}
		return published(name, when)
	}))
	rapid.Check(t, func(t *rapid.T) {
		history := linking.draw(t)
		w := world(1, rapid.Bool().Draw(t, "chained"), 0)
		end := live(t, w, plan, history, prompt(history))
		want := members(t, w, anything)
		maps.DeleteFunc(want, func(key string, _ bool) bool {
			return strings.HasSuffix(key, " b0") || strings.HasSuffix(key, " b5") || strings.HasSuffix(key, " a2")
		})
		before := said(t, w)
		do(t, w.Follow(retiring))
		if got := members(t, w, anything); !maps.Equal(got, want) {
			t.Fatalf("in %v, want %v", got, want)
		}
		for _, x := range said(t, w)[len(before):] {
			if x.Entered {
				t.Fatalf("%+v", x)
			}
		}
		do(t, w.Tick(end.Add(time.Hour)))
	})
}

// said lists the transitions of a world of one partition, in their order.
func said(t TB, w scenario.World) (all []schemas.Transition) {
	t.Helper()
	members(t, w, func(x *schemas.Transition, _ map[string]bool) { all = append(all, *x) })
	return all
}

// An edit moves those for whom it makes a difference, once, and nobody else:
// also an edit of another audience's words only.
func TestAnEditMovesThoseForWhomItMakesADifference(t *testing.T) {
	plan := compiled(t, pairs(published))
	edited := compiled(t, pairs(func(name, when string) string {
		switch name {
		case "a0":
			return published(name, when+` && events("view").within("5d").any()`)
		case "a2":
			return "description: the same in other words\n" + published(name, `"FR" == p.country`)
		}
		return published(name, when)
	}))
	rapid.Check(t, func(t *rapid.T) {
		history := linking.draw(t)
		w, always := world(1, rapid.Bool().Draw(t, "chained"), 0), world(1, true, 0)
		live(t, w, plan, history, prompt(history))
		live(t, always, edited, history, prompt(history))
		was, before := members(t, w, anything), len(said(t, w))
		do(t, w.Follow(edited))
		is := members(t, w, anything)
		if want := members(t, always, anything); !maps.Equal(is, want) {
			t.Fatalf("in %v, as if it had always been so %v", is, want)
		}
		moved := map[string]bool{}
		for _, x := range said(t, w)[before:] {
			key := x.Person + " " + x.Audience
			if moved[key] || was[key] == x.Entered {
				t.Fatalf("%s is told to have %s, which is no change", key, x.Word())
			}
			moved[key] = true
		}
		for key := range moved {
			if was[key] == is[key] {
				t.Fatalf("%s moved there and back", key)
			}
		}
	})
}
