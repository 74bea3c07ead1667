package portrait_test

import (
	"testing"
	"time"

	"kairos/cmd/internal/portrait"
	"kairos/schemas"
	"kairos/topologies/golden"
)

func at(day, hour int) portrait.When {
	return portrait.When(schemas.InstantOf(time.Date(2026, 3, day, hour, 0, 0, 0, time.UTC)))
}

var cancel = portrait.Moment{Time: at(3, 10), Event: "cancel", ID: "e-2", Source: "callcenter", Identifier: "phone:+33612345678",
	Properties: []portrait.Property{{Name: "channel", Value: "phone"}}}

func TestAPersonIsShownAsReviewed(t *testing.T) {
	golden.File(t, "testdata/person.txt", portrait.Portrait{
		Person: "6651d1a6adc3c832", At: at(3, 10),
		Identifiers: []portrait.Identifier{
			{Namespace: "email", Value: "sarah@example.org", FirstSeen: at(1, 0), LastSeen: at(2, 0), Events: 2, Sources: []string{"app", "web"}},
			{Namespace: "device_id", Value: "ios-7f3a", Device: true},
		},
		Attributes: []portrait.Attribute{{Name: "first_name", Value: "Sarah", Source: "web", Since: at(1, 0)}, {Name: "plan", Value: "premium", Since: at(1, 0)}},
		Features:   []portrait.Feature{{Name: "lifetime_value", Value: "12.5"}, {Name: "purchases", Value: "1", Since: at(1, 0)}},
		Groups:     []portrait.Group{{Kind: "account", Name: "acme", Since: at(1, 0), Crowded: true}, {Kind: "household", Name: "12 mill lane", Since: at(2, 0)}},
		Audiences: []portrait.Standing{
			{Audience: "win_back", Member: true, Since: at(3, 10), Because: "events(cancel)", EventID: "e-2", Revision: 1},
			{Audience: "app_only", Since: at(2, 0), Because: "merged", Revision: 2},
		},
		Scores:       []portrait.Score{{Model: "repurchase", Value: 0.0414, Reasons: []portrait.Reason{{Input: "purchases", Value: "0", Part: -0.463}}}},
		Destinations: []portrait.Destination{{Name: "app", Audience: "win_back", Revision: 1}},
		Timeline:     []portrait.Moment{cancel},
		Links:        []portrait.Link{{A: "device_id:ios-7f3a", B: "email:sarah@example.org", Taken: true, Because: "app"}, {A: "crm_id:1", B: "crm_id:2", Because: "per-person (crm_id)"}},
	}.Text(false))
}

func TestAnExplanationIsShownAsReviewed(t *testing.T) {
	in := portrait.Explanation{
		Person: "6651d1a6adc3c832", Audience: "win_back", Description: "Cancelled and has not bought since", Member: true,
		When:     "events(\"cancel\").within(\"30d\").any() &&\n  events(\"purchase\").within(\"30d\").none()",
		Standing: &portrait.Standing{Audience: "win_back", Member: true, Since: at(3, 10), Because: "events(cancel)", Revision: 1}, Event: &cancel,
		Groups: []portrait.Group{{Kind: "household", Name: "12 mill lane", Since: at(2, 0)}},
		Parts:  []portrait.Part{{Asks: "cancel within 30d any", Value: "true", Events: []portrait.Moment{cancel}}, {Asks: "purchase within 30d none", Value: "true"}},
	}
	never := in
	never.Member, never.Standing, never.Event, never.Parts = false, nil, nil, nil
	golden.File(t, "testdata/explanation.txt", in.Text(false)+never.Text(false))
}

func TestEvidenceIsShownAsReviewed(t *testing.T) {
	golden.File(t, "testdata/evidence.txt", portrait.Evidence{
		Asked: "email:sarah@example.org", Person: "6651d1a6adc3c832",
		People: []portrait.People{{"6651d1a6adc3c832", []string{"crm_id:1", "email:sarah@example.org"}}, {"0f51d1a6adc3c832", []string{"crm_id:2", "device_id:d"}}},
		Links: []portrait.Decision{
			{A: "crm_id:1", B: "email:sarah@example.org", Newest: "2026-03-01", Source: "web", First: at(1, 0)},
			{A: "crm_id:2", B: "email:sarah@example.org", Newest: "2026-02-28", Source: "shop", First: at(1, 0), Rule: "per-person", About: "crm_id", Because: "the person would have more of the namespace than per_person allows"},
			{A: "device_id:d", B: "email:sarah@example.org", Newest: "2026-02-28", Source: "app", First: at(1, 0), Rule: "unlinked", Because: "an operator took this very link back"},
		},
		Operator: []portrait.Word{
			{A: "device_id:d", B: "email:sarah@example.org", Until: "2026-03-02", At: at(2, 9), Source: "operator", Why: "her brother's"},
			{A: "crm_id:1", B: "phone:+33612345678", Until: "always", Undone: true, At: at(2, 10), Source: "operator", Why: "it was hers after all"},
		},
	}.Text(false)+portrait.Evidence{Asked: "cookie:c", Person: "1", People: []portrait.People{{"1", []string{"cookie:c"}}}}.Text(false))
}

func TestTimesAreRFC3339ForMachines(t *testing.T) {
	text, err := at(3, 10).MarshalText()
	if err != nil || string(text) != "2026-03-03T10:00:00Z" {
		t.Errorf("got %s, %v", text, err)
	}
}
