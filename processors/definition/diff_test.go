package definition

import (
	"slices"
	"testing"
)

func TestADifferenceTellsTheOldConditionTheNewOneAndWhoDependsOnIt(t *testing.T) {
	const rest = `
---
kind: audience
name: fan
when: in("buyer") && features.basket > 3
---
kind: audience
name: mild
when: '!in("fan")'
---
kind: destination
name: app
audiences: [mild]
---
kind: feature
name: basket
value: events("purchase").sum("amount")
`
	before := parsed(t, "kind: audience\nname: buyer\ntags: [a]\nwhen: events(\"purchase\").any()\n"+rest+"---\nkind: event\nname: view\n")
	after := parsed(t, "kind: audience\nname: buyer\ntags: [a, b]\nwhen: |\n  events(\"purchase\").count() > 1\n"+rest+"---\nkind: event\nname: purchase\n")
	got := Differences(before, after)
	if len(got) != 3 {
		t.Fatalf("%+v", got)
	}
	buyer, purchase, view := got[0], got[1], got[2]
	if buyer.What != Changed || !slices.Equal(buyer.Fields, []FieldChange{
		{"tags", "[a]", "[a, b]"}, {"when", `events("purchase").any()`, `events("purchase").count() > 1`},
	}) || !slices.Equal(buyer.Used, []string{"audience fan", "audience mild", "destination app"}) {
		t.Errorf("buyer: %+v", buyer)
	}
	if purchase.What != New || !slices.Equal(purchase.Used, []string{"audience buyer", "audience fan", "audience mild", "destination app", "feature basket"}) {
		t.Errorf("purchase: %+v", purchase)
	}
	if view.What != Withdrawn || len(view.Used) != 0 {
		t.Errorf("view: %+v", view)
	}
	if same := Differences(after, after); len(same) != 0 {
		t.Errorf("of the same: %+v", same)
	}
}

func TestADraftIsCheckedButNobodyKeepsAnythingForIt(t *testing.T) {
	text := "kind: audience\nname: a\nwhen: events(\"view\").any()\n---\nkind: audience\nname: b\nstate: draft\nwhen: in(\"a\") && events(\"purchase\").any() && in(\"c\")\n" +
		"---\nkind: audience\nname: c\nstate: draft\nwhen: events(\"cart\").any()\n---\nkind: audience\nname: d\nstate: retired\nwhen: gone.for.good\n"
	s := parsed(t, text)
	plan, err := s.Compile()
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Audiences) != 1 || len(plan.Drafts) != 2 || len(plan.Retired) != 1 || len(plan.Terms) != 1 || len(plan.Series) != 1 {
		t.Errorf("%+v", plan)
	}
	preview, err := s.Preview("b")
	if err != nil {
		t.Fatal(err)
	}
	if len(preview.Audiences) != 3 || preview.Audience("b").State != Published || len(preview.Terms) != 3 {
		t.Errorf("the preview has %+v", preview)
	}
	if again, err := s.Compile(); err != nil || len(again.Drafts) != 2 {
		t.Errorf("a preview published something: %+v %v", again, err)
	}
}

func TestOnlyWhatRunsTellsPlansApart(t *testing.T) {
	compile := func(text string) int64 {
		plan, err := parsed(t, text).Compile()
		if err != nil {
			t.Fatal(err)
		}
		return plan.Fingerprint()
	}
	const a = "kind: audience\nname: a\nwhen: events(\"view\").any()\n"
	running := compile(a)
	if running != compile(a+"---\nkind: audience\nname: b\nstate: draft\nwhen: events(\"x\").any()\n") {
		t.Error("a draft makes every row be looked at")
	}
	seen := []int64{running, compile(a + "state: paused\n"), compile(a + "schedule: {from: 2026-01-01}\n"), compile(a + "schedule: {until: 2026-01-01}\n"), compile(a + "state: retired\n")}
	slices.Sort(seen)
	if len(slices.Compact(seen)) != 5 {
		t.Errorf("states or schedules are not told apart: %v", seen)
	}
}
