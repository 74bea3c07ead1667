package profile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/processors/profile"
	"kairos/schemas"
)

const sarah, phone, mail = "person-of-sarah", "anonymous_id:a1", "email:sarah@example.org"

func TestAnEventChangesTheTermsThatLookAtIt(t *testing.T) {
	purchases := asking("purchase", "amount")
	count, sum := about(purchases, expression.Count, 0), about(purchases, expression.Sum, 0)
	w := newWorld(t, planOf(count, sum, about(asking("refund", ""), expression.Any, 0)))
	w.hear(event(sarah, mail, "purchase", "p1", start, number("amount", 0.1)))
	w.hear(event(sarah, mail, "purchase", "p2", start+1, number("amount", 0.2)))
	if len(w.changes) != 2 {
		t.Fatalf("two purchases made %d changes", len(w.changes))
	}
	c := w.changes[1]
	if c.Reason != "purchase" || c.EventID != "p2" || c.Cause != start+1 || len(c.Identifiers) != 0 || len(c.Features) != 2 {
		t.Errorf("the second purchase changed %+v", c)
	}
	x := w.told(planOf(count, sum), sarah)
	if x.features[count.ID] != schemas.NumberOf(2) || x.features[sum.ID] != schemas.NumberOf(0.3) {
		t.Errorf("count and sum are %v and %v: want 2 and exactly 0.3", x.features[count.ID], x.features[sum.ID])
	}
	if len(w.changes[0].Identifiers) != 1 || w.changes[0].Identifiers[0].String() != mail {
		t.Errorf("the first event told the identifiers %v", w.changes[0].Identifiers)
	}
}

func TestAnEventThatNothingLooksAtChangesNothing(t *testing.T) {
	w := newWorld(t, planOf(about(asking("purchase", ""), expression.Any, 0)))
	w.hear(event(sarah, mail, "look", "l1", start))
	w.hear(event(sarah, mail, "look", "l2", start+1))
	if len(w.changes) != 1 || len(w.changes[0].Features) != 0 {
		t.Fatalf("changes: %+v: want one, that tells the identifier", w.changes)
	}
	if row := w.row(sarah); len(row.Terms) != 0 || row.Fragments[0].Events != 2 {
		t.Errorf("a term that has its empty value is stored, or an event is not counted: %+v", row)
	}
}

func TestAnEventLeavesItsWindowOnTheVeryMillisecond(t *testing.T) {
	bought := about(asking("purchase", ""), expression.Any, 30*24*time.Hour)
	w := newWorld(t, planOf(bought))
	w.hear(event(sarah, mail, "purchase", "p1", start))
	if wake := schemas.WakeOf(w.rows[sarah]); wake != start+30*day {
		t.Fatalf("the wake is at %v, not at %v", wake, start+30*day)
	}
	w.pass(start + 30*day - 1)
	if len(w.changes) != 1 {
		t.Fatalf("changed a millisecond early: %+v", w.changes[1:])
	}
	w.pass(start + 60*day)
	want := schemas.Change{Person: sarah, Cause: start + 30*day, Reason: "window of events(purchase) closed"}
	c := w.changes[1]
	if len(w.changes) != 2 || c.Cause != want.Cause || c.Reason != want.Reason || c.EventID != "" ||
		len(c.Features) != 1 || c.Features[0].Value != schemas.BooleanOf(false) {
		t.Errorf("changes after the window: %+v", w.changes[1:])
	}
	if schemas.WakeOf(w.rows[sarah]) != 0 || len(w.row(sarah).Terms) != 0 {
		t.Error("an empty term is still stored or waited for")
	}
}

func TestBuyingAgainOnTheVeryBoundaryDoesNotFlap(t *testing.T) {
	w := newWorld(t, planOf(about(asking("purchase", ""), expression.Any, 30*24*time.Hour)))
	w.hear(event(sarah, mail, "purchase", "p1", start))
	w.hear(event(sarah, mail, "purchase", "p2", start+30*day))
	w.pass(start + 59*day)
	if len(w.changes) != 1 {
		t.Errorf("flapped: %+v", w.changes[1:])
	}
}

func TestAComparedTermChangesOnlyWhenItsTruthDoes(t *testing.T) {
	often := compared(about(asking("purchase", ""), expression.Count, 10*24*time.Hour), expression.GreaterOrEqual, 3)
	w := newWorld(t, planOf(often))
	for i := range schemas.Instant(5) {
		w.hear(event(sarah, mail, "purchase", string(rune('a'+i)), start+i*day))
	}
	w.pass(start + 100*day)
	if len(w.changes) != 3 || w.changes[1].Cause != start+2*day || w.changes[2].Cause != start+12*day {
		t.Errorf("want true with the third purchase and false when the third of five leaves, got %+v", w.changes)
	}
}

func TestALateEventCountsInEveryWindowThatStillCoversIt(t *testing.T) {
	looks := asking("purchase", "")
	weekly, monthly := about(looks, expression.Count, 7*24*time.Hour), about(looks, expression.Count, 30*24*time.Hour)
	plan := planOf(weekly, monthly)
	w := newWorld(t, plan)
	late := event(sarah, mail, "purchase", "p1", start+10*day)
	late.Event.Time = start
	w.hear(late)
	x := w.told(plan, sarah)
	if x.features[weekly.ID] != schemas.NumberOf(0) || x.features[monthly.ID] != schemas.NumberOf(1) {
		t.Errorf("ten days late: %v a week, %v a month", x.features[weekly.ID], x.features[monthly.ID])
	}
	w.pass(start + 40*day)
	if last := w.changes[len(w.changes)-1]; last.Cause != start+30*day {
		t.Errorf("a late event left the month at %v, not at %v", last.Cause, start+30*day)
	}
}

func TestAnEventFromTheFutureHappensWhenItIsAccepted(t *testing.T) {
	w := newWorld(t, planOf(about(asking("purchase", ""), expression.Any, time.Hour)))
	m := event(sarah, mail, "purchase", "p1", start)
	m.Event.Time = start + 5*day
	w.hear(m)
	if w.drops[profile.DropFuture] != 1 || schemas.WakeOf(w.rows[sarah]) != start+hour {
		t.Errorf("drops %v, wake %v", w.drops, schemas.WakeOf(w.rows[sarah]))
	}
	view := profile.View(sarah, w.row(sarah), planOf(), start)
	if !view.Timeline[0].Future || view.Timeline[0].Time != start {
		t.Errorf("the timeline does not mark it: %+v", view.Timeline[0])
	}
}

func TestADuplicateWithinTheWindowChangesNothing(t *testing.T) {
	count := about(asking("purchase", ""), expression.Count, 0)
	plan := planOf(count)
	w := newWorld(t, plan)
	w.hear(event(sarah, mail, "purchase", "p1", start))
	w.hear(event(sarah, mail, "purchase", "p1", start+7*day-1))
	if w.drops[profile.DropDuplicate] != 1 || w.told(plan, sarah).features[count.ID] != schemas.NumberOf(1) {
		t.Errorf("drops %v, count %v", w.drops, w.told(plan, sarah).features[count.ID])
	}
	w.hear(event(sarah, mail, "purchase", "p1", start+7*day))
	if w.told(plan, sarah).features[count.ID] != schemas.NumberOf(2) {
		t.Error("the same id after the window is another event")
	}
}

// says makes an event that is about attributes only.
func says(identifier, id, source string, at schemas.Instant, attributes ...schemas.Property) schemas.PersonEvent {
	m := event(sarah, identifier, "identify", id, at)
	m.Event.Source, m.Event.Attributes = source, attributes
	return m
}

func TestALateOlderValueDoesNotWin(t *testing.T) {
	w := newWorld(t, planOf())
	w.hear(says(mail, "1", "web", start+2*day, text("city", "Lyon")))
	late := says(phone, "2", "web", start+3*day, text("city", "Paris"))
	late.Event.Time = start
	w.hear(late)
	if x := w.told(planOf(), sarah); x.attributes["city"] != schemas.TextOf("Lyon") {
		t.Errorf("city is %v", x.attributes["city"])
	}
	if c := w.changes[1]; len(c.Attributes) != 0 {
		t.Errorf("a late older value was told: %+v", c)
	}
}

func TestARemovalIsAnEventLikeAnyOther(t *testing.T) {
	w := newWorld(t, planOf())
	w.hear(says(mail, "1", "web", start, text("city", "Lyon")))
	w.hear(says(phone, "2", "web", start+day, schemas.Property{Name: "city"}))
	if x := w.told(planOf(), sarah); len(x.attributes) != 0 {
		t.Errorf("city is %v after its removal", x.attributes["city"])
	}
	late := says(phone, "3", "web", start+2*day, text("city", "Nice"))
	late.Event.Time = start + hour
	w.hear(late)
	if x := w.told(planOf(), sarah); len(x.attributes) != 0 {
		t.Errorf("a value from before the removal came back: %v", x.attributes["city"])
	}
}

func TestEachFieldHasItsOwnSurvivorship(t *testing.T) {
	plan := planOf()
	plan.Profile.Survivorship = map[string]definition.Survivorship{
		"tier": definition.Priority, "channel": definition.First, "level": definition.Largest,
	}
	plan.Profile.SourcePriority = map[string]int{"crm": 10, "web": 1}
	w := newWorld(t, plan)
	w.hear(says(mail, "1", "crm", start, text("tier", "gold"), text("channel", "shop"), number("level", 3), text("city", "Lyon")))
	w.hear(says(phone, "2", "web", start+day, text("tier", "none"), text("channel", "app"), number("level", 2), text("city", "Nice")))
	want := map[string]schemas.Value{
		"tier": schemas.TextOf("gold"), "channel": schemas.TextOf("shop"), "level": schemas.NumberOf(3), "city": schemas.TextOf("Nice"),
	}
	for name, value := range want {
		if x := w.told(plan, sarah); x.attributes[name] != value {
			t.Errorf("%s is %v, want %v", name, x.attributes[name], value)
		}
	}
}

func TestARemovalTakesWhatWasFirstOrLargestBeforeIt(t *testing.T) {
	plan := planOf()
	plan.Profile.Survivorship = map[string]definition.Survivorship{"channel": definition.First, "level": definition.Largest}
	w := newWorld(t, plan)
	w.hear(says(mail, "1", "web", start, text("channel", "shop"), number("level", 9)))
	w.hear(says(mail, "2", "web", start+3*day, text("channel", "app"), number("level", 2)))
	late := says(phone, "3", "web", start+4*day, schemas.Property{Name: "channel"}, schemas.Property{Name: "level"})
	late.Event.Time = start + day
	w.hear(late)
	x := w.told(plan, sarah)
	if x.attributes["channel"] != schemas.TextOf("app") || x.attributes["level"] != schemas.NumberOf(2) {
		t.Errorf("after a late removal: %v", x.attributes)
	}
}

func TestWhoHasOnlySessionsLeftHasNoAddressAnyMore(t *testing.T) {
	plan := planOf()
	w := newWorld(t, plan)
	tablet := schemas.SessionKey(schemas.Identifier{Namespace: "tablet", Value: "t"}, start)
	w.hear(says(mail, "1", "web", start, text("city", "Lyon")))
	w.hear(says(tablet, "2", "web", start))
	w.hear(moves(sarah, "other", mail, 1, start+minute))
	last := w.changes[len(w.changes)-1]
	for _, c := range w.changes {
		if c.Person == sarah && len(c.Identifiers) > 0 {
			last = c
		}
	}
	if !slices.Equal(last.Identifiers, []schemas.Identifier{{}}) {
		t.Errorf("the last word about her addresses is %v", last.Identifiers)
	}
}

func TestAListOfAllValuesGrowsByElementsAndLosesWhatWasRemoved(t *testing.T) {
	plan := planOf()
	plan.Profile.Survivorship = map[string]definition.Survivorship{"tags": definition.Union}
	w := newWorld(t, plan)
	is := func(want string) {
		t.Helper()
		if x := w.told(plan, sarah); x.attributes["tags"].String() != want {
			t.Errorf("tags are %v, want %s", x.attributes["tags"], want)
		}
	}
	w.hear(says(mail, "1", "web", start, text("tags", "vip")))
	w.hear(says(phone, "2", "crm", start+2*day, text("tags", `["early","vip"]`), text("city", "Nice")))
	is(`["early","vip"]`)
	w.hear(says(phone, "3", "crm", start+3*day, schemas.Property{Name: "tags"}))
	is("null")
	late := says(mail, "4", "web", start+4*day, text("tags", "late"))
	late.Event.Time = start + day
	w.hear(late)
	is("null")
	w.hear(says(mail, "5", "web", start+5*day, text("tags", "back")))
	is(`["back"]`)
}

func TestAListOfAllValuesKeepsTheNewestAndCountsTheOthers(t *testing.T) {
	plan := planOf()
	plan.Profile.Survivorship = map[string]definition.Survivorship{"tags": definition.Union}
	w := newWorld(t, plan)
	for i := range expression.MostListed + 2 {
		w.hear(says([]string{mail, phone}[i%2], fmt.Sprint(i), "web", start+schemas.Instant(i)*day, text("tags", fmt.Sprintf("t%02d", i))))
	}
	list := expression.Elements(w.told(plan, sarah).attributes["tags"])
	if len(list) != expression.MostListed || list[0] != `"t02"` || w.drops[profile.DropListFull] != 2 {
		t.Errorf("%d values from %s, drops %v", len(list), list[0], w.drops)
	}
}

// moves tells a person that an identifier leaves.
func moves(from, to, identifier string, epoch int64, at schemas.Instant) schemas.PersonEvent {
	return schemas.PersonEvent{Person: from, Identifier: identifier, Epoch: epoch, Cause: at, MoveTo: to, Reason: "linked"}
}

func arrives(person, identifier string, epoch int64, at schemas.Instant) schemas.PersonEvent {
	return schemas.PersonEvent{Person: person, Identifier: identifier, Epoch: epoch, Cause: at}
}

func TestAMergedPersonForwardsAndKeepsNothingElse(t *testing.T) {
	count := about(asking("purchase", ""), expression.Count, 0)
	plan := planOf(count)
	w := newWorld(t, plan)
	w.hear(event("old", phone, "purchase", "p1", start))
	w.hear(event("new", mail, "purchase", "p2", start+1))
	w.hear(moves("old", "new", phone, 1, start+2))
	gone := w.changes[2]
	if !gone.Gone || gone.MergedInto != "new" || gone.Reason != "merged into new" || gone.Cause != start+2 || len(gone.Features) != 0 {
		t.Errorf("the losing person said %+v", gone)
	}
	row := w.row("old")
	want := schemas.ProfileRow{Clock: schemas.Clock{Now: start + 2}, ForwardTo: "new", Rules: row.Rules}
	if row.ForwardTo != want.ForwardTo || len(row.Fragments)+len(row.Parked)+len(row.Terms)+len(row.Told) != 0 || row.Clock != want.Clock {
		t.Errorf("the losing person keeps %+v", row)
	}
	w.deliver("new")
	c := w.changes[3]
	if c.Reason != "merged" || len(c.Identifiers) != 2 || c.Features[0].Value != schemas.NumberOf(2) {
		t.Errorf("the winning person said %+v", c)
	}
}

func TestEventsWaitForTheirFragment(t *testing.T) {
	count := about(asking("purchase", ""), expression.Count, 0)
	plan := planOf(count)
	w := newWorld(t, plan)
	w.hear(event("old", phone, "purchase", "p1", start))
	w.hear(arrives("new", phone, 1, start+2))
	after := event("new", phone, "purchase", "p2", start+3)
	after.Epoch = 1
	w.hear(after)
	if n := len(w.changes); n != 1 || len(w.row("new").Parked) != 2 {
		t.Fatalf("%d changes, %d parked: want 1 and 2", n, len(w.row("new").Parked))
	}
	w.hear(moves("old", "new", phone, 1, start+2))
	w.deliver("new")
	if x := w.told(plan, "new"); x.features[count.ID] != schemas.NumberOf(2) || len(w.row("new").Parked) != 0 {
		t.Errorf("count %v, parked %d", x.features[count.ID], len(w.row("new").Parked))
	}
	w.calm()
}

func TestAFragmentThatHasToGoOnDoesSoWhenItComes(t *testing.T) {
	w := newWorld(t, planOf(about(asking("purchase", ""), expression.Count, 0)))
	w.hear(event("a", phone, "purchase", "p1", start))
	w.hear(arrives("b", phone, 1, start+1))
	w.hear(moves("b", "a", phone, 2, start+2))
	w.hear(arrives("b", phone, 3, start+3))
	w.hear(moves("a", "b", phone, 1, start+1))
	w.hear(arrives("a", phone, 2, start+2))
	w.hear(moves("a", "b", phone, 3, start+3))
	w.deliver("b")
	if row := w.row("b"); len(row.Fragments) != 0 || len(row.Parked) != 1 {
		t.Fatalf("b holds %d fragments and %d parked: want 0 and the second arrival", len(row.Fragments), len(row.Parked))
	}
	w.deliver("a")
	w.deliver("b")
	if row := w.row("b"); len(row.Fragments) != 1 || len(row.Parked) != 0 || row.Fragments[0].Epoch != 3 {
		t.Errorf("b ends with %+v", row)
	}
	w.calm()
}

func TestAnIdentifierThatNeverDidAnythingMovesToo(t *testing.T) {
	w := newWorld(t, planOf())
	w.hear(moves("old", "new", phone, 1, start))
	w.deliver("new")
	if len(w.changes) != 1 || w.changes[0].Person != "new" || len(w.changes[0].Identifiers) != 1 {
		t.Errorf("changes %+v: want only that the new person has it", w.changes)
	}
}

func TestAFragmentThatIsHeldAlreadyIsADeadLetter(t *testing.T) {
	w := newWorld(t, planOf())
	w.hear(event("old", phone, "look", "l1", start))
	w.hear(moves("old", "new", phone, 1, start+1))
	twice := *w.loop["new"][0]
	w.deliver("new")
	w.receive(&twice)
	if len(w.letters) != 1 || w.letters[0].Reason != profile.RefusedHeld || !strings.Contains(w.letters[0].Detail, "new") {
		t.Errorf("letters %+v", w.letters)
	}
}

func TestADamagedMessageIsADeadLetter(t *testing.T) {
	w := newWorld(t, planOf())
	for i, m := range []schemas.ProfileMessage{
		{Move: &schemas.FragmentMove{From: "old", Fragment: schemas.Fragment{Identifier: phone, Epoch: 1, Timeline: []byte{200, 1, 2}}}},
		{Enrol: &schemas.Enrolment{Members: []schemas.Enrolled{{Identifier: phone, Series: []byte{1}}}}},
		{Word: &schemas.GroupWord{Group: "household:x", Values: []byte{1}}},
		{},
	} {
		m.To, m.Cause = "new", start
		w.receive(&m)
		if len(w.letters) != i+1 || w.letters[i].Reason != profile.RefusedDamaged || w.rows["new"] != nil {
			t.Errorf("letters %+v, row %v", w.letters, w.rows["new"])
		}
	}
}

func TestAFullCarParkRefusesEventsAndNeverMoves(t *testing.T) {
	w := newWorld(t, planOf())
	for i := range 5 {
		m := event("new", phone, "look", string(rune('a'+i)), start, text("page", strings.Repeat("x", 40_000)))
		m.Epoch = 1
		w.hear(m)
	}
	if len(w.letters) != 2 || w.letters[0].Reason != profile.RefusedParking {
		t.Fatalf("%d letters: want two events refused", len(w.letters))
	}
	w.hear(moves("new", "third", phone, 2, start+1))
	if row := w.row("new"); len(w.letters) != 2 || row.Parked[len(row.Parked)-1].MoveTo != "third" {
		t.Error("a move was refused")
	}
}

func TestANewTermStartsFromWhatTheTimelineHolds(t *testing.T) {
	looks, buys := about(asking("look", ""), expression.Count, 0), about(asking("purchase", "amount"), expression.Sum, 30*24*time.Hour)
	w := newWorld(t, planOf(looks))
	w.hear(event(sarah, mail, "look", "l1", start))
	w.hear(event(sarah, mail, "purchase", "p1", start+day, number("amount", 12.5)))
	plan := planOf(looks, buys)
	w.follow(plan)
	w.take(w.runner.Sweep(w, "profile", sarah, start+2*day))
	c := w.changes[len(w.changes)-1]
	bought := schemas.Feature{ID: buys.ID, Value: schemas.NumberOf(12.5)}
	if c.Reason != "definition" || c.Cause != start+2*day || len(c.Features) != 2 || !slices.Contains(c.Features, bought) {
		t.Errorf("the sweep told %+v, want all that is known, for those who ask since then", c)
	}
	before := len(w.changes)
	w.take(w.runner.Sweep(w, "profile", sarah, start+3*day))
	w.pass(start + 40*day)
	if n := len(w.changes); n != before+1 || w.changes[n-1].Cause != start+31*day {
		t.Errorf("after the sweep: %+v", w.changes[before:])
	}
}

func TestAnEventAfterAChangeOfDefinitionsSweepsFirst(t *testing.T) {
	looks, buys := about(asking("look", ""), expression.Count, 0), about(asking("purchase", ""), expression.Count, 0)
	w := newWorld(t, planOf(looks))
	w.hear(event(sarah, mail, "purchase", "p1", start))
	w.follow(planOf(buys))
	w.hear(event(sarah, mail, "purchase", "p2", start+1))
	if n := len(w.changes); n != 3 || w.changes[1].Reason != "definition" || w.changes[1].Features[0].Value != schemas.NumberOf(1) ||
		w.changes[2].Reason != "purchase" || w.changes[2].Features[0].Value != schemas.NumberOf(2) {
		t.Errorf("changes %+v", w.changes)
	}
}

func TestAPersonWhoWasMergedAndPartedIsAsIfNeverMerged(t *testing.T) {
	looks := asking("look", "")
	plan := planOf(about(looks, expression.Count, 0), about(looks, expression.Count, 10*24*time.Hour))
	w, never := newWorld(t, plan), newWorld(t, plan)
	for _, x := range []*world{w, never} {
		x.hear(event("a", phone, "look", "l1", start))
		x.hear(says(mail, "1", "web", start+1, text("city", "Lyon")))
	}
	w.hear(moves("a", sarah, phone, 1, start+day))
	w.deliver(sarah)
	if x := w.told(plan, sarah); len(x.identifiers) != 2 || x.features[plan.Terms[0].ID] != schemas.NumberOf(1) {
		t.Fatalf("the merge is told as %+v", x)
	}
	w.hear(moves(sarah, "a", phone, 2, start+2*day))
	w.deliver("a")
	w.pass(start + 20*day)
	never.pass(start + 20*day)
	for _, person := range []string{"a", sarah} {
		mustEqual(t, person, w.told(plan, person), never.told(plan, person))
		got, want := *w.row(person), *never.row(person)
		for i := range got.Fragments {
			got.Fragments[i].Epoch = 0
		}
		got.Clock, want.Clock = schemas.Clock{}, schemas.Clock{}
		mustEqual(t, "the row of "+person, got, want)
	}
	gone := 0
	for _, c := range w.changes {
		if c.Gone {
			gone++
		}
	}
	if gone != 1 {
		t.Errorf("%d people ended, one did", gone)
	}
}

func TestTheLastValueIsTheNewestThoughABucketStaysLonger(t *testing.T) {
	last := about(asking("purchase", "amount"), expression.Last, 24*time.Hour)
	plan := planOf(last)
	plan.Profile.ExactPoints = 1
	cell := schemas.Instant(4096) * second // as large as cells of a day get
	from := start / cell * cell
	w := newWorld(t, plan)
	w.hear(event(sarah, mail, "purchase", "1", from, number("amount", 1)))
	w.hear(event(sarah, phone, "purchase", "2", from+minute, number("amount", 2)))
	w.hear(event(sarah, mail, "purchase", "3", from+hour)) // without an amount; the first one goes to a bucket
	if x := w.told(plan, sarah); x.features[last.ID] != schemas.NumberOf(2) {
		t.Errorf("the last amount is %v, want 2", x.features[last.ID])
	}
}
