package scenario_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kairos/processors/definition"
	"kairos/processors/flow"
	"kairos/processors/scenario"
	"kairos/processors/scenario/naive"
	"kairos/schemas"
	"kairos/topologies"
)

// The laws of design section 7, over generated histories, with all stages. A
// failure prints rapid's seed; run it again with -rapid.seed.

// tempo says when ticks come.
type tempo func(i int, now schemas.Instant) (tick schemas.Instant, ok bool)

// prompt ticks after the events of each instant, as the door does.
func prompt(history []schemas.Event) tempo {
	return func(i int, now schemas.Instant) (schemas.Instant, bool) {
		return now, i+1 == len(history) || history[i+1].Received > now
	}
}

// never leaves all timers to the last tick.
func never(int, schemas.Instant) (schemas.Instant, bool) { return 0, false }

// live plays a history to its end, settling after each event, and lets a month
// pass.
func live(t TB, w *scenario.Pure, plan *definition.Plan, history []schemas.Event, ticks tempo) schemas.Instant {
	t.Helper()
	do(t, w.Follow(plan))
	end := beginning
	for i, e := range history {
		end = max(end, e.Received)
		do(t, w.Send(input(t, e)))
		if at, ok := ticks(i, end); ok {
			do(t, w.Tick(at))
		}
	}
	end = end.Add(5 * 24 * time.Hour)
	do(t, w.Tick(end))
	return end
}

// rush puts a whole history into the topics and only then lets it be worked
// on: everything overtakes everything that may.
func rush(t TB, w *scenario.Pure, plan *definition.Plan, history []schemas.Event, ticks tempo) schemas.Instant {
	t.Helper()
	do(t, w.Follow(plan))
	end := beginning
	for i, e := range history {
		end = max(end, e.Received)
		do(t, w.Put(input(t, e)))
		if at, ok := ticks(i, end); ok {
			do(t, w.PutTick(at))
		}
	}
	do(t, w.Settle())
	end = end.Add(5 * 24 * time.Hour)
	do(t, w.Tick(end))
	return end
}

func do(t TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func world(n int32, chained bool, seed uint64) *scenario.Pure {
	return scenario.NewPure(scenario.Shape{Partitions: n, Chained: chained}, flow.Runner, seed)
}

func sameState(t *rapid.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s: states differ%s", what, differences(got, want))
	}
}

var linking = lives{linking: true, events: 40}

func TestStateIsTheNaiveFoldOfTheHistory(t *testing.T) {
	plan := lawPlan(t)
	rapid.Check(t, func(t *rapid.T) {
		history := lives{linking: true, events: 40, tablets: true, typos: true}.draw(t)
		w := world(4, true, 0)
		end := live(t, w, plan, history, prompt(history))
		sameState(t, "pipeline here, naive there", stateOf(t, w, plan, end), naiveState(history, plan, end))
	})
}

func TestTheOrderOfArrivalDoesNotShow(t *testing.T) {
	plan := lawPlan(t)
	rapid.Check(t, func(t *rapid.T) {
		// Without repetitions that were accepted at another time: which of the two
		// is the repetition is what the order says.
		history := lives{linking: true, events: 40, exact: true, brief: true, tablets: true, typos: true}.draw(t)
		seed := rapid.Uint64Min(1).Draw(t, "seed")
		shuffled := rapid.Permutation(slices.Clone(history)).Draw(t, "order")
		w := world(4, rapid.Bool().Draw(t, "chained"), seed)
		end := rush(t, w, plan, shuffled, never)
		sameState(t, "shuffled here, naive there", stateOf(t, w, plan, end), naiveState(history, plan, end))
	})
}

func TestWhoIsAheadAndWhoIsBehindDoesNotShow(t *testing.T) {
	plan := lawPlan(t)
	rapid.Check(t, func(t *rapid.T) {
		history := lives{linking: true, events: 40, brief: true}.draw(t)
		w := world(rapid.SampledFrom([]int32{1, 4, 12}).Draw(t, "partitions"), rapid.Bool().Draw(t, "chained"), rapid.Uint64Min(1).Draw(t, "seed"))
		end := rush(t, w, plan, history, prompt(history))
		sameState(t, "interleaved here, naive there", stateOf(t, w, plan, end), naiveState(history, plan, end))
	})
}

func TestSayingEverythingTwiceChangesNothing(t *testing.T) {
	plan := lawPlan(t)
	rapid.Check(t, func(t *rapid.T) {
		history := linking.draw(t)
		var twice []schemas.Event
		for _, e := range history {
			twice = append(twice, e, e)
		}
		once, doubled := world(4, true, 0), world(4, true, 0)
		end := live(t, once, plan, history, prompt(history))
		live(t, doubled, plan, twice, prompt(twice))
		sameState(t, "doubled here, once there", stateOf(t, doubled, plan, end), stateOf(t, once, plan, end))
		sameState(t, "said doubled here, once there", publicly(t, doubled, plan), publicly(t, once, plan))
	})
}

func TestEveryTransitionHappensAtItsExactTime(t *testing.T) {
	plan := lawPlan(t)
	rapid.Check(t, func(t *rapid.T) {
		history := lives{events: 40}.draw(t)
		w := world(4, true, 0)
		end := live(t, w, plan, history, prompt(history))
		var want []string
		for _, x := range naive.Transitions(history, plan, end) {
			want = append(want, fmt.Sprintf("%s %s %v rev=%d at %s", x.Person, x.Audience, x.Entered, x.Revision, x.At))
		}
		sameState(t, "pipeline here, naive there", transitions(t, w), want)
	})
}

// transitions lists what the transitions' topic holds, by person, audience and
// revision.
func transitions(t TB, w scenario.World) []string {
	t.Helper()
	messages, err := w.Read(topologies.Transitions.Name)
	do(t, err)
	var all []string
	var sorted []*schemas.Transition
	for _, m := range messages {
		x, err := schemas.TransitionCodec.Decode(m.Value)
		do(t, err)
		sorted = append(sorted, x)
	}
	slices.SortFunc(sorted, func(a, b *schemas.Transition) int {
		return slices.Compare([]string{a.Person, a.Audience, fmt.Sprintf("%9d", a.Revision)}, []string{b.Person, b.Audience, fmt.Sprintf("%9d", b.Revision)})
	})
	for _, x := range sorted {
		all = append(all, fmt.Sprintf("%s %s %v rev=%d at %s", x.Person, x.Audience, x.Entered, x.Revision, x.Cause))
	}
	return all
}

func TestTimersMayBeLateAndNobodyNotices(t *testing.T) {
	plan := lawPlan(t)
	rapid.Check(t, func(t *rapid.T) {
		history := linking.draw(t)
		onTime, late, sometimes := world(4, true, 0), world(4, true, 0), world(4, true, 0)
		live(t, onTime, plan, history, prompt(history))
		live(t, late, plan, history, never)
		live(t, sometimes, plan, history, func(i int, now schemas.Instant) (schemas.Instant, bool) {
			_, over := prompt(history)(i, now)
			return now, over && rapid.Bool().Draw(t, "tick")
		})
		sameState(t, "late here, prompt there", publicly(t, late, plan), publicly(t, onTime, plan))
		sameState(t, "sometimes here, prompt there", publicly(t, sometimes, plan), publicly(t, onTime, plan))
		sameTables(t, "late here, prompt there", late, onTime)
	})
}

// publicly lists the records of all public topics of the stages, by topic and
// key in their order; transitions by person and audience, since audiences that
// look at scores and those that do not may overtake each other.
func publicly(t TB, w scenario.World, plan *definition.Plan) []string {
	t.Helper()
	topics := []string{topologies.Transitions.Name, topologies.Scores.Name}
	for _, d := range plan.Destinations {
		topics = append(topics, topologies.Activations(d.Name).Name)
	}
	for _, word := range []string{"identity", "profile", "segment", "propensity", "destination"} {
		topics = append(topics, topologies.DeadLetters(word).Name)
	}
	var all []string
	for _, topic := range topics {
		messages, err := w.Read(topic)
		do(t, err)
		nth := map[string]int{}
		for _, m := range messages {
			key := m.Key
			if topic == topologies.Transitions.Name {
				x, err := schemas.TransitionCodec.Decode(m.Value)
				do(t, err)
				key += "/" + x.Audience
			}
			nth[key]++
			all = append(all, fmt.Sprintf("%s %s %4d %q", topic, key, nth[key], m.Value))
		}
	}
	slices.Sort(all)
	return all
}

func TestTheSameLogGivesTheSameBytes(t *testing.T) {
	plan, again := lawPlan(t), lawPlan(t)
	rapid.Check(t, func(t *rapid.T) {
		history := linking.draw(t)
		first, second := world(4, true, 0), world(4, true, 0)
		live(t, first, plan, history, prompt(history))
		live(t, second, again, history, prompt(history))
		sameState(t, "second here, first there", everything(t, second), everything(t, first))
		sameTables(t, "second here, first there", second, first)
	})
}

// everything lists all records of all topics, in order.
func everything(t TB, w *scenario.Pure) []string {
	t.Helper()
	var all []string
	for _, topic := range w.Topics() {
		messages, err := w.Read(topic)
		do(t, err)
		for _, m := range messages {
			all = append(all, fmt.Sprintf("%s/%d %8d %q %q", topic, m.Partition, m.Offset, m.Key, m.Value))
		}
	}
	return all
}

func TestChainedAndSeparateStagesSayTheSame(t *testing.T) {
	plan := lawPlan(t)
	rapid.Check(t, func(t *rapid.T) {
		history := linking.draw(t)
		chained, separate := world(4, true, 0), world(4, false, 0)
		live(t, chained, plan, history, prompt(history))
		live(t, separate, plan, history, prompt(history))
		sameState(t, "separate here, chained there", publicly(t, separate, plan), publicly(t, chained, plan))
		sameTables(t, "separate here, chained there", separate, chained)
	})
}

func TestPartitionsDoNotShow(t *testing.T) {
	plan := lawPlan(t)
	rapid.Check(t, func(t *rapid.T) {
		history := linking.draw(t)
		one := world(1, true, 0)
		end := live(t, one, plan, history, prompt(history))
		for _, n := range []int32{4, 12} {
			more := world(n, true, 0)
			live(t, more, plan, history, prompt(history))
			sameState(t, fmt.Sprint(n, " partitions here, one there"), stateOf(t, more, plan, end), stateOf(t, one, plan, end))
		}
	})
}

func TestPartitionsDoNotShowInAnyByteWhileNobodyMerges(t *testing.T) {
	plan := lawPlan(t)
	rapid.Check(t, func(t *rapid.T) {
		history := lives{events: 40}.draw(t)
		one := world(1, true, 0)
		live(t, one, plan, history, prompt(history))
		for _, n := range []int32{4, 12} {
			more := world(n, true, rapid.Uint64().Draw(t, "seed"))
			rush(t, more, plan, history, prompt(history))
			sameTables(t, fmt.Sprint(n, " partitions here, one there"), more, one)
			sameState(t, fmt.Sprint(n, " partitions here, one there"), publicly(t, more, plan), publicly(t, one, plan))
		}
	})
}

var tables = []string{
	topologies.IdentityTable.Name, topologies.ProfileTable.Name, topologies.SegmentTable.Name,
	topologies.PropensityTable.Name, topologies.DestinationTable.Name,
}

func sameTables(t *rapid.T, what string, got, want scenario.World) {
	t.Helper()
	for _, table := range tables {
		a, err := got.Rows(table)
		do(t, err)
		b, err := want.Rows(table)
		do(t, err)
		var x, y []string
		for key, row := range a {
			x = append(x, fmt.Sprintf("%q %q", key, row))
		}
		for key, row := range b {
			y = append(y, fmt.Sprintf("%q %q", key, row))
		}
		slices.Sort(x)
		slices.Sort(y)
		sameState(t, what+", "+table, x, y)
	}
}

func TestMergingAndPartingLeavesNoTrace(t *testing.T) {
	plan := lawPlan(t)
	rapid.Check(t, func(t *rapid.T) {
		apart := lives{events: 30}.draw(t)
		i := rapid.IntRange(0, len(apart)-1).Draw(t, "where")
		j := rapid.IntRange(i, len(apart)-1).Draw(t, "until")
		other := identifier(t)
		// One event of the history names a second identifier as well, and later an
		// operator says that this was wrong.
		merged := slices.Clone(apart)
		merged[i].Identifiers = append(slices.Clone(merged[i].Identifiers), other)
		merged = slices.Insert(merged, j+1, schemas.Event{
			ID: "parting", Name: "$unlink", Time: merged[j].Received, Received: merged[j].Received, Source: "operator",
			Identifiers: merged[i].Identifiers, Properties: schemas.Properties{{Name: "always", Value: schemas.BooleanOf(true)}, {Name: "why", Value: schemas.TextOf("test")}},
		})
		if stronger(plan, other, apart[i].Identifiers[0]) || !joins(plan, other, apart[i].Identifiers[0]) {
			return // the event would be the other's
		}
		without, with := world(4, true, 0), world(4, true, 0)
		// Somebody only heard of is a person too: heard of in both.
		heardOf := schemas.Event{ID: "first", Name: "hello", Time: beginning, Received: beginning, Source: "web", Identifiers: []schemas.Identifier{other}}
		end := live(t, without, plan, append([]schemas.Event{heardOf}, apart...), never)
		live(t, with, plan, append([]schemas.Event{heardOf}, merged...), never)
		sameState(t, "merged and parted here, never merged there", stateOf(t, with, plan, end), stateOf(t, without, plan, end))
	})
}

// stronger and joins ask the rules about two identifiers.
func stronger(plan *definition.Plan, a, b schemas.Identifier) bool {
	x, y := ruleOf(plan, a), ruleOf(plan, b)
	return x.Priority > y.Priority || x.Priority == y.Priority && a.Value < b.Value
}

func joins(plan *definition.Plan, a, b schemas.Identifier) bool {
	return a != b && ruleOf(plan, a).Links && ruleOf(plan, b).Links
}

func ruleOf(plan *definition.Plan, id schemas.Identifier) definition.Namespace {
	i := slices.IndexFunc(plan.Identity.Namespaces, func(n definition.Namespace) bool { return n.Name == id.Namespace })
	return plan.Identity.Namespaces[i]
}

func TestGarbageAmongTheEventsCostsOneDeadLetterEach(t *testing.T) {
	plan := lawPlan(t)
	rapid.Check(t, func(t *rapid.T) {
		history := lives{linking: true, events: 20}.draw(t)
		w := world(4, rapid.Bool().Draw(t, "chained"), rapid.Uint64().Draw(t, "seed"))
		do(t, w.Follow(plan))
		end, letters := beginning, 0
		for _, e := range history {
			for range rapid.IntRange(0, 2).Draw(t, "garbage") {
				do(t, w.Put(spoilt(t, input(t, e))))
				letters++
			}
			end = max(end, e.Received)
			do(t, w.Send(input(t, e)))
		}
		end = end.Add(5 * 24 * time.Hour)
		do(t, w.Tick(end))
		sameState(t, "with garbage here, naive without there", stateOf(t, w, plan, end), naiveState(history, plan, end))
		told, err := w.Read(topologies.DeadLetters(topologies.Identity.Word).Name)
		do(t, err)
		if len(told) != letters {
			t.Fatalf("%d spoilt records, %d dead letters", letters, len(told))
		}
		for _, m := range told {
			letter, err := schemas.DeadLetterCodec.Decode(m.Value)
			do(t, err)
			if at := w.At(letter.Topic, letter.Partition, letter.Offset); string(at.Value) != string(letter.Value) || string(at.Key) != string(letter.Key) {
				t.Fatalf("the letter about %s/%d at %d holds other bytes than lie there", letter.Topic, letter.Partition, letter.Offset)
			}
		}
	})
}

// spoilt is a record that is no event any more.
func spoilt(t *rapid.T, good scenario.Input) scenario.Input {
	bad := scenario.Input{Topic: good.Topic, Key: good.Key, Value: slices.Clone(good.Value)}
	switch rapid.IntRange(0, 5).Draw(t, "how") {
	case 0:
		bad.Value = bad.Value[:rapid.IntRange(0, len(bad.Value)-1).Draw(t, "cut")]
	case 1:
		bad.Value[2+rapid.IntRange(0, 7).Draw(t, "place")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
	case 2:
		bad.Key = nil
	case 3:
		bad.Value = append(bad.Value, 0)
	case 4:
		bad.Value = append(bad.Value, make([]byte, 1<<20)...)
	default:
		bad.Value = rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "noise")
	}
	return bad
}

func TestNothingIsLostAndNothingCountsTwice(t *testing.T) {
	plan := lawPlan(t)
	rapid.Check(t, func(t *rapid.T) {
		history := linking.draw(t)
		w := world(4, rapid.Bool().Draw(t, "chained"), rapid.Uint64().Draw(t, "seed"))
		rush(t, w, plan, history, prompt(history))
		conserves(t, w, history)
	})
}

// edited compiles the definitions of the laws after an edit: audiences and
// models are others, but ask for the same terms, whose past is known.
func edited(t testing.TB) *definition.Plan {
	t.Helper()
	text, err := os.ReadFile("testdata/laws.yaml")
	do(t, err)
	return compiled(t, strings.NewReplacer(
		"&& !", "|| ", // winback, happy, at-risk-french
		"name: repeat\n", "name: often\n", "[repeat, ", "[often, ", // one retired, one new
		"scores.churn > 0.5", "scores.churn > 0.4",
		"bucket(\"split\") < 50.0", "bucket(\"split\") >= 30.0",
		"weight: 1.5", "weight: 2.5",
		"consent: [marketing]", "consent: []",
	).Replace(string(text)))
}

func TestAfterAnEditAllIsAsIfItHadAlwaysBeenSo(t *testing.T) {
	plan, other := lawPlan(t), edited(t)
	rapid.Check(t, func(t *rapid.T) {
		history := linking.draw(t)
		i := rapid.IntRange(0, len(history)).Draw(t, "edit")
		w := world(4, rapid.Bool().Draw(t, "chained"), 0)
		live(t, w, plan, history[:i], never)
		do(t, w.Follow(other))
		end := beginning
		for _, e := range history {
			end = max(end, e.Received)
		}
		for _, e := range history[i:] {
			do(t, w.Send(input(t, e)))
		}
		end = end.Add(10 * 24 * time.Hour)
		do(t, w.Tick(end))
		sameState(t, "edited here, naive there", stateOf(t, w, other, end), naiveState(history, other, end))
		do(t, w.Follow(plan))
		sameState(t, "edited back here, naive there", stateOf(t, w, plan, end), naiveState(history, plan, end))
	})
}

func TestRevisionsRiseByOneAndExitsFollowEntries(t *testing.T) {
	plan := lawPlan(t)
	rapid.Check(t, func(t *rapid.T) {
		history := linking.draw(t)
		w := world(4, rapid.Bool().Draw(t, "chained"), rapid.Uint64().Draw(t, "seed"))
		rush(t, w, plan, history, prompt(history))
		messages, err := w.Read(topologies.Transitions.Name)
		do(t, err)
		last := map[string]*schemas.Transition{}
		for _, m := range messages {
			x, err := schemas.TransitionCodec.Decode(m.Value)
			do(t, err)
			key := x.Person + "/" + x.Audience
			before := last[key]
			switch {
			case before == nil && (x.Revision != 1 || !x.Entered):
				t.Fatalf("%s begins with %s rev=%d", key, x.Word(), x.Revision)
			case before != nil && (x.Revision != before.Revision+1 || x.Entered == before.Entered || x.Cause < before.Cause):
				t.Fatalf("%s: %s rev=%d at %v after %s rev=%d at %v", key, x.Word(), x.Revision, x.Cause, before.Word(), before.Revision, before.Cause)
			}
			last[key] = x
		}
	})
}
