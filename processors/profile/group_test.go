package profile_test

import (
	"fmt"
	"testing"
	"time"

	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/processors/profile"
	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// householdOf is a plan with one kind of group, by the attribute home.
func householdOf(t fatal, limit int, condition string) *definition.Plan {
	t.Helper()
	set, err := definition.Parse("test.yaml", fmt.Appendf(nil,
		"kind: group\nname: household\nby: p.home\nlimit: %d\n---\nkind: audience\nname: a\nwhen: %s\n", limit, condition))
	if err != nil {
		t.Fatalf("%v", err)
	}
	plan, err := set.Compile()
	if err != nil {
		t.Fatalf("%v", err)
	}
	return plan
}

const mill = "household:mill lane"

// movesTo is an event by which a person says where home is.
func movesTo(person, home string, at schemas.Instant) schemas.PersonEvent {
	m := event(person, "email:"+person, "profile", fmt.Sprint(person, at), at)
	m.Event.Attributes = schemas.Properties{text("home", home)}
	return m
}

// settle delivers everything that is under way between rows.
func (w *world) settle() {
	w.t.Helper()
	for moved := true; moved; {
		moved = false
		for to := range w.loop {
			for len(w.loop[to]) > 0 {
				w.deliver(to)
				moved = true
			}
			delete(w.loop, to)
		}
	}
}

func features(all []schemas.Change, person string) []change {
	var list []change
	for _, c := range all {
		for _, f := range c.Features {
			if c.Person == person {
				list = append(list, change{At: c.Cause, Value: f.Value, Reason: c.Reason})
			}
		}
	}
	return list
}

func TestAMemberChangesOnTheBoundaryHoweverLateTheGroupIs(t *testing.T) {
	w := newWorld(t, householdOf(t, 5, `member("purchase").within("1d").count() == 1`))
	w.hear(movesTo("ann", "Mill Lane", start))
	w.hear(movesTo("bob", "Mill Lane", start))
	w.hear(event("bob", "email:bob", "purchase", "p1", start+hour))
	w.settle()
	w.hear(event("ann", "email:ann", "look", "l1", start+3*day)) // the group has not been woken
	w.calm()
	mustEqual(t, "of ann", features(w.changes, "ann"), []change{
		{At: start + hour, Value: schemas.BooleanOf(true), Reason: "purchase"},
		{At: start + hour + day, Value: schemas.BooleanOf(false), Reason: profile.WindowClosed("member(purchase)")},
	})
}

// A sum over a hundred purchases changes a hundred times more: the group tells
// the next changes only, and goes on telling in time.
func TestALongCourseIsToldFurtherInTime(t *testing.T) {
	w := newWorld(t, householdOf(t, 5, `member("purchase").within("1d").sum("amount") / 2 > 1`))
	w.hear(movesTo("ann", "Mill Lane", start))
	w.hear(movesTo("bob", "Mill Lane", start))
	const n = 100
	for i := range schemas.Instant(n) {
		w.hear(event("bob", "email:bob", "purchase", fmt.Sprint("p", i), start+i*minute, number("amount", 1)))
	}
	w.settle()
	for at := start; at < start+2*day; at += 7 * minute {
		w.pass(at)
		w.settle()
	}
	w.calm()
	var closed []change
	for _, c := range features(w.changes, "ann") {
		if c.Reason == profile.WindowClosed("member(purchase)") {
			closed = append(closed, c)
		}
	}
	if len(closed) != n {
		t.Fatalf("%d changes by time: want %d", len(closed), n)
	}
	for i, c := range closed {
		if want := start + schemas.Instant(i)*minute + day; c.At != want || c.Value != schemas.NumberOf(float64(n-1-i)) {
			t.Fatalf("change %d: %v at %v, want at %v", i, c.Value, c.At, want)
		}
	}
	if row := w.row(mill); row.WakeAt != 0 {
		t.Errorf("the group still waits for %v", row.WakeAt)
	}
}

// Ten thousand people at one address: the row keeps within its bound, and what
// they do does not even reach it.
func TestACrowdCostsItsMembersNothing(t *testing.T) {
	w := newWorld(t, householdOf(t, 50, `member("purchase").within("30d").any()`))
	const crowd = 10_000
	largest := 0
	for i := range crowd {
		person := fmt.Sprint("p", i)
		w.hear(movesTo(person, "Mill Lane", start))
		w.settle()
		largest = max(largest, len(w.rows[mill]))
	}
	if largest > 512<<10 {
		t.Errorf("the group's row had %d bytes", largest)
	}
	if w.drops[profile.DropGroupCrowded] != 1 || w.drops[profile.DropGroupFull] != crowd-500 {
		t.Errorf("drops %v", w.drops)
	}
	for _, person := range []string{"p0", "p499", "p500", "p9999"} {
		w.hear(event(person, "email:"+person, "purchase", "b", start+hour))
		if said := w.loop[mill]; len(said) > 0 {
			t.Errorf("%s still tells the group: %+v", person, said[0].Enrol)
		}
	}
	w.calm()
}

// What a member may keep is bounded, and so is what a group keeps of all.
func TestAGroupWhoseMembersDidTooMuchIsCrowded(t *testing.T) {
	plan := householdOf(t, 200, `member("purchase").last("note") == "x"`)
	w := newWorld(t, plan)
	for i := range 20 {
		person := fmt.Sprint("p", i)
		w.hear(movesTo(person, "Mill Lane", start))
		w.settle()
		for k := range 150 {
			w.hear(event(person, "email:"+person, "purchase", fmt.Sprint("b", k), start+schemas.Instant(k), text("note", fmt.Sprintf("%0255d", k))))
			delete(w.loop, mill) // of what a member tells the group, the last word counts
		}
		w.hear(event(person, "email:"+person, "purchase", "last", start+hour, text("note", "x")))
		w.settle()
	}
	if row := w.row(mill); !row.Group.Crowded || len(w.rows[mill]) > 512<<10 || w.drops[profile.DropGroupCrowded] != 1 {
		t.Errorf("crowded %v, %d bytes, drops %v", row.Group.Crowded, len(w.rows[mill]), w.drops)
	}
	w.calm()
}

// Nobody says that they leave when two members turn out to be one.
func TestTwoPeopleWhoBecomeOneMakeRoom(t *testing.T) {
	w := newWorld(t, householdOf(t, 2, `member("purchase").any()`))
	for _, person := range []string{"ann", "bob", "cay"} {
		w.hear(movesTo(person, "Mill Lane", start))
	}
	w.hear(event("cay", "email:cay", "purchase", "p1", start+hour))
	w.settle()
	if x := features(w.changes, "ann"); !w.row(mill).Group.Crowded || len(x) != 0 {
		t.Fatalf("three in a group for two: ann hears %v", x)
	}
	w.hear(moves("cay", "bob", "email:cay", 1, start+2*hour))
	w.settle()
	w.calm()
	mustEqual(t, "of ann", features(w.changes, "ann"), []change{{At: start + 2*hour, Value: schemas.BooleanOf(true), Reason: profile.ReasonRoom}})
}

func TestAWordForAnEarlierJoiningCountsNoMore(t *testing.T) {
	w := newWorld(t, householdOf(t, 5, `member("purchase").any()`))
	w.hear(movesTo("ann", "Mill Lane", start))
	w.hear(movesTo("bob", "Mill Lane", start))
	w.hear(event("bob", "email:bob", "purchase", "p1", start+hour))
	for len(w.loop[mill]) > 0 {
		w.deliver(mill)
	}
	w.hear(movesTo("ann", "", start+2*hour)) // the group's word is still on its way
	w.settle()
	w.calm()
	if x := features(w.changes, "ann"); len(x) != 0 || w.drops[profile.DropLeft] == 0 {
		t.Errorf("changes %v, drops %v", x, w.drops)
	}
	if row := w.row("ann"); len(row.Groups) != 0 {
		t.Errorf("still in %v", row.Groups)
	}
}

// One series serves what is asked of the person and of the members.
func TestASeriesIsKeptOnceWhoeverIsAsked(t *testing.T) {
	plan := householdOf(t, 5, `member("purchase").within("7d").any() && events("purchase").within("30d").none()`)
	if len(plan.Terms) != 2 || len(plan.Series) != 1 || plan.Series[0].Keep != 30*24*time.Hour {
		t.Errorf("terms %v, series %v", plan.Terms, plan.Series)
	}
	if (plan.Terms[0].Kind == "") == (plan.Terms[1].Kind == "") || plan.Terms[0].Aggregate == expression.Count {
		t.Errorf("kinds %q and %q", plan.Terms[0].Kind, plan.Terms[1].Kind)
	}
}

// BenchmarkCrowd measures what one more who joins a crowd costs the partition of the
// group: there 500 identifiers are noted already, here comes another person.
// What members do after that reaches the group no more.
func BenchmarkCrowd(b *testing.B) {
	w := newWorld(b, householdOf(b, 50, `member("purchase").within("30d").any()`))
	for i := range 500 {
		w.hear(movesTo(fmt.Sprint("p", i), "Mill Lane", start))
		w.settle()
	}
	newcomer := w.enrolling(movesTo("newcomer", "Mill Lane", start+hour))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.runner.Message(w, newcomer); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(w.rows[mill])), "row-bytes")
}

// BenchmarkMember measures what one event of a member costs the partition of its
// group, whose 50 members have each bought twenty times: the copy replaced, a sum
// over all computed anew, a word to each.
func BenchmarkMember(b *testing.B) {
	w := newWorld(b, householdOf(b, 50, `member("purchase").within("30d").sum("amount") / 2 > 1`))
	for i := range 50 {
		person := fmt.Sprint("p", i)
		w.hear(movesTo(person, "Mill Lane", start))
		for k := range schemas.Instant(20) {
			w.hear(event(person, "email:"+person, "purchase", fmt.Sprint("b", k), start+k*minute, number("amount", 1)))
		}
		w.settle()
	}
	bought := w.enrolling(event("p7", "email:p7", "purchase", "now", start+hour, number("amount", 5)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.runner.Message(w, bought); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(w.rows[mill])), "row-bytes")
}

// enrolling lets a person hear m and keeps what it tells its group.
func (w *world) enrolling(m schemas.PersonEvent) stage.Message {
	w.t.Helper()
	w.hear(m)
	value, err := schemas.ProfileMessageCodec.Append(nil, w.loop[mill][0])
	if err != nil {
		w.t.Fatalf("encode: %v", err)
	}
	return stage.Message{Topic: topologies.ProfileLoop.Name, Key: mill, Value: value}
}
