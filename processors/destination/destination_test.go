package destination_test

import (
	"fmt"
	"slices"
	"testing"

	"kairos/processors/definition"
	"kairos/processors/destination"
	"kairos/processors/flow/flowtest"
	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

const start = flowtest.Start

// mail wants two audiences of people who consent to mail.
func mail() *definition.Plan {
	return &definition.Plan{
		Audiences: []definition.Audience{{Name: "vip"}, {Name: "winback"}},
		Destinations: []definition.Destination{{
			Name: "mail", Audiences: []string{"vip", "winback"}, Identifiers: []string{"email", "crm_id"}, Hash: []string{"email"},
			Attributes: []string{"city"}, Consent: []string{"mail"},
		}},
	}
}

func world(plan *definition.Plan) *flowtest.World {
	return flowtest.NewWorld(flowtest.MustRunner(destination.New(plan)))
}

// tell delivers messages and says in words what the destination heard.
func tell(w *flowtest.World, messages ...*schemas.Membership) []string {
	before := len(w.Topics[topologies.Activations("mail").Name])
	for _, m := range messages {
		m.Change.Person = "sarah"
		flowtest.Append(w, topologies.Memberships, "sarah", m)
	}
	w.Settle()
	return heard(w, before)
}

func heard(w *flowtest.World, before int) []string {
	var lines []string
	for _, a := range flowtest.Records(w, topologies.Activations("mail"), before) {
		word := "exited"
		if a.Entered {
			word = "entered"
		}
		lines = append(lines, fmt.Sprintf("%s %s rev=%d at +%d because %s", a.Audience, word, a.Revision, a.Cause-start, a.Reason))
	}
	return lines
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got\n%q\nwant\n%q", got, want)
	}
}

func turn(audience string, entered bool, revision int64, at schemas.Instant) *schemas.Membership {
	return &schemas.Membership{Change: schemas.Change{Cause: start + at}, Transitions: []schemas.Transition{
		{Person: "sarah", Audience: audience, Entered: entered, Revision: revision, Cause: start + at, Reason: "events(cancel)"},
	}}
}

func attribute(name string, v schemas.Value, at schemas.Instant) *schemas.Membership {
	return &schemas.Membership{Change: schemas.Change{Cause: start + at, Reason: "profile update", Attributes: schemas.Properties{{Name: name, Value: v}}}}
}

func consent(given bool, at schemas.Instant) *schemas.Membership {
	return attribute("consent.mail", schemas.BooleanOf(given), at)
}

func TestAMemberWhoConsentsIsToldOf(t *testing.T) {
	w := world(mail())
	expect(t, tell(w, consent(true, 0), turn("winback", true, 1, 5)), "winback entered rev=1 at +5 because events(cancel)")
	expect(t, tell(w, turn("winback", false, 2, 9)), "winback exited rev=2 at +9 because events(cancel)")
}

func TestWithoutConsentNothingIsToldAndTheRefusalIsCounted(t *testing.T) {
	w := world(mail())
	expect(t, tell(w, turn("winback", true, 1, 5)))
	if w.Drops[stage.Drop{Stage: "destination", Reason: "consent"}] != 1 {
		t.Fatalf("counted %v", w.Drops)
	}
	expect(t, tell(w, attribute("consent.mail", schemas.TextOf("true"), 6)))
	expect(t, tell(w, consent(true, 7)), "winback entered rev=1 at +7 because consent")
}

func TestRevokingConsentExitsAtOnceAndGivingItAgainEnters(t *testing.T) {
	w := world(mail())
	tell(w, consent(true, 0), turn("vip", true, 1, 4), turn("winback", true, 3, 5))
	expect(t, tell(w, consent(false, 6)), "vip exited rev=1 at +6 because consent", "winback exited rev=3 at +6 because consent")
	expect(t, tell(w, turn("vip", false, 2, 7)))
	expect(t, tell(w, consent(true, 8)), "winback entered rev=3 at +8 because consent")
	expect(t, tell(w, attribute("consent.mail", schemas.Value{}, 9)), "winback exited rev=3 at +9 because consent")
}

func TestIdentifiersComeInTheDestinationsOrderAndHashedWhereItSaysSo(t *testing.T) {
	w := world(mail())
	m := turn("winback", true, 1, 5)
	m.Change.Identifiers = []schemas.Identifier{{Namespace: "crm_id", Value: "7"}, {Namespace: "device", Value: "x"}, {Namespace: "email", Value: " Sarah@Example.org "}}
	tell(w, consent(true, 0), m)
	got := flowtest.RecordsOf(w, "mail")[0].Identifiers
	want := []schemas.Identifier{
		// printf sarah@example.org | sha256sum
		{Namespace: "email", Value: "c4409c14be3ee0d725747604218ece22fb4ac9b93047c325d55dfd37fb4b28ff"},
		{Namespace: "crm_id", Value: "7"},
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestAChangedAttributeIsToldToThoseWhoCarryIt(t *testing.T) {
	w := world(mail())
	tell(w, consent(true, 0), turn("winback", true, 1, 5))
	expect(t, tell(w, attribute("city", schemas.TextOf("Lyon"), 6)), "winback entered rev=1 at +6 because profile update")
	expect(t, tell(w, attribute("city", schemas.TextOf("Lyon"), 7)))
	expect(t, tell(w, attribute("street", schemas.TextOf("a"), 8)))
}

func TestTheExitOfSomebodyGoneStillSaysWho(t *testing.T) {
	w := world(mail())
	first := consent(true, 0)
	first.Change.Identifiers = []schemas.Identifier{{Namespace: "crm_id", Value: "7"}}
	tell(w, first, turn("winback", true, 1, 5))
	gone := turn("winback", false, 2, 9)
	gone.Change.Gone, gone.Transitions[0].Reason = true, "merged"
	expect(t, tell(w, gone), "winback exited rev=2 at +9 because merged")
	if exit := flowtest.RecordsOf(w, "mail")[1]; len(exit.Identifiers) != 1 || len(w.Rows) != 0 {
		t.Fatalf("exit %+v, keeps %q", exit, w.Rows)
	}
}

func TestRecordsAreKeyedFinerThanTheyArePartitioned(t *testing.T) {
	r := flowtest.MustRunner(destination.New(mail()))
	w := flowtest.NewWorld(r)
	m := turn("winback", true, 1, 5)
	m.Change.Person, m.Change.Attributes = "sarah", schemas.Properties{{Name: "consent.mail", Value: schemas.BooleanOf(true)}}
	flowtest.Append(w, topologies.Memberships, "sarah", m)
	effects, err := r.Message(w, w.Topics[topologies.Memberships.Name][0])
	if err != nil || len(effects.Records) != 1 || effects.Records[0].Key != "sarah/winback" || effects.Records[0].PartitionBy != "sarah" {
		t.Fatalf("got %+v, %v", effects, err)
	}
}

func TestADestinationThatNoLongerWantsAnAudienceIsToldThatItsMembersLeft(t *testing.T) {
	w := world(mail())
	tell(w, consent(true, 0), turn("vip", true, 1, 4), turn("winback", true, 1, 5))
	plan := mail()
	plan.Destinations[0].Audiences = []string{"vip"}
	w.Become(flowtest.MustRunner(destination.New(plan)))
	w.Sweep("destination", start+10)
	expect(t, heard(w, 2), "winback exited rev=1 at +10 because definition")
}

func TestADestinationThatAsksForFewerConsentsIsToldOfMore(t *testing.T) {
	w := world(mail())
	tell(w, turn("vip", true, 1, 4))
	plan := mail()
	plan.Destinations[0].Consent = nil
	w.Become(flowtest.MustRunner(destination.New(plan)))
	w.Sweep("destination", start+10)
	expect(t, heard(w, 0), "vip entered rev=1 at +10 because definition")
}

func TestEachDestinationIsADeclaredOutput(t *testing.T) {
	plan := mail()
	plan.Destinations = append(plan.Destinations, definition.Destination{Name: "ads"})
	s := destination.New(plan)
	if len(s.Outputs) != 2 || s.Outputs[0].Name != "kairos.destination.mail" || s.Outputs[1].Name != "kairos.destination.ads" {
		t.Fatalf("declares %+v", s.Outputs)
	}
}

func TestWhatNoDestinationAsksForAnyMoreIsForgotten(t *testing.T) {
	w := world(mail())
	tell(w, consent(true, 0), turn("vip", true, 1, 4), attribute("city", schemas.TextOf("Lyon"), 5))
	w.Become(flowtest.MustRunner(destination.New(&definition.Plan{})))
	w.Sweep("destination", start+10)
	if len(w.Rows) != 0 {
		t.Fatalf("keeps %+v", flowtest.RowOf(w, topologies.DestinationTable, "sarah"))
	}
}

func TestWhatAPolicyRefusesIsNotToldAndCountedAndWhoWasToldIsExited(t *testing.T) {
	w := world(mail())
	tell(w, consent(true, 0), turn("winback", true, 1, 5))
	strict := mail()
	strict.Destinations[0].Actions = []string{"mailing"}
	strict.Audiences[0].Reads = []definition.Labelled{{Label: "S2", Field: "events(visit).diagnosis"}}
	strict.Audiences[1].Reads = strict.Audiences[0].Reads
	strict.Policies = []definition.Policy{{Name: "no-health", Label: "S2", Actions: []string{"mailing"}}}
	w.Become(flowtest.MustRunner(destination.New(strict)))
	before := len(w.Topics[topologies.Activations("mail").Name])
	w.Sweep("destination", start+9)
	expect(t, heard(w, before), "winback exited rev=1 at +9 because definition")
	expect(t, tell(w, turn("vip", true, 1, 10)))
	if n := w.Drops[stage.Drop{Stage: "destination", Reason: "policy"}]; n != 1 {
		t.Errorf("%d refusals are counted", n)
	}
}
