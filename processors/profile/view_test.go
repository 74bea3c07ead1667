package profile_test

import (
	"testing"

	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/processors/profile"
	"kairos/schemas"
)

// viewed is a plan with one feature, and Sarah's row under it.
func viewed(t *testing.T, timeline int) (*definition.Plan, *world) {
	t.Helper()
	terms := expression.NewTerms()
	spent, err := expression.Compile(`events("purchase").within("30d").sum("amount")`, expression.Environment{Terms: terms})
	if err != nil {
		t.Fatal(err)
	}
	plan := planOf(spent.Terms...)
	plan.Features = []definition.Feature{{Name: "spent_30d", Expression: spent}}
	plan.Profile.TimelineEvents = timeline
	w := newWorld(t, plan)
	w.hear(says(phone, "1", "app", start, text("city", "Paris")))
	w.hear(event(sarah, phone, "purchase", "p1", start+day, number("amount", 20)))
	w.hear(says(mail, "2", "web", start+2*day, text("city", "Lyon")))
	w.hear(event(sarah, mail, "purchase", "p2", start+3*day, number("amount", 30)))
	return plan, w
}

func TestAViewShowsWhoWhatSinceWhenAndOnWhoseWord(t *testing.T) {
	plan, w := viewed(t, 100)
	view := profile.View(sarah, w.row(sarah), plan, start+4*day)
	if len(view.Identities) != 2 || len(view.Devices) != 1 || view.Devices[0].String() != phone || view.Devices[0].Events != 2 ||
		view.Devices[0].LastSeen != start+day || len(view.Devices[0].Sources) != 2 {
		t.Errorf("identities %+v", view.Identities)
	}
	want := profile.Attribute{Name: "city", Value: schemas.TextOf("Lyon"), Time: start + 2*day, Source: "web"}
	if len(view.Attributes) != 1 || view.Attributes[0] != want {
		t.Errorf("attributes %+v", view.Attributes)
	}
	if len(view.Features) != 1 || view.Features[0] != (profile.NamedFeature{Name: "spent_30d", Value: schemas.NumberOf(50)}) {
		t.Errorf("features %+v", view.Features)
	}
	if len(view.Timeline) != 4 || view.Timeline[0].ID != "p2" || view.Timeline[3].Identifier.String() != phone ||
		view.Timeline[0].Properties.Get("amount") != schemas.NumberOf(30) {
		t.Errorf("timeline %+v", view.Timeline)
	}
}

func TestAViewShowsFeaturesAsTheyAreThen(t *testing.T) {
	plan, w := viewed(t, 100)
	if view := profile.View(sarah, w.row(sarah), plan, start+32*day); view.Features[0].Value != schemas.NumberOf(30) {
		t.Errorf("after the first purchase has left: %+v", view.Features)
	}
}

func TestAViewOfNobodyIsEmpty(t *testing.T) {
	plan, _ := viewed(t, 100)
	if view := profile.View("nobody", nil, plan, start); view.Person != "nobody" || len(view.Features) != 0 {
		t.Errorf("%+v", view)
	}
}

func TestTheTimelineOfAPersonIsCutWhenShown(t *testing.T) {
	plan, w := viewed(t, 3)
	view := profile.View(sarah, w.row(sarah), plan, start+4*day)
	if len(view.Timeline) != 3 || view.Timeline[2].ID != "p1" {
		t.Errorf("timeline %+v", view.Timeline)
	}
}

func TestAFeatureSaysFromWhenOnItIsComplete(t *testing.T) {
	plan, w := viewed(t, 1)
	terms := expression.NewTerms()
	looked, err := expression.Compile(`events("purchase").count()`, expression.Environment{Terms: terms})
	if err != nil {
		t.Fatal(err)
	}
	fresh := planOf(looked.Terms...)
	fresh.Features = []definition.Feature{{Name: "purchases", Expression: looked}}
	fresh.Profile.TimelineEvents = plan.Profile.TimelineEvents
	w.hear(event(sarah, mail, "look", "l1", start+4*day))
	view := profile.View(sarah, w.row(sarah), fresh, start+4*day)
	if f := view.Features[0]; f.Since != start+4*day || f.Value != schemas.NumberOf(1) {
		t.Errorf("a feature that the timeline knows in part: %+v", f)
	}
}
