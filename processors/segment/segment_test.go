package segment_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/processors/flow/flowtest"
	"kairos/processors/segment"
	"kairos/schemas"
	"kairos/topologies"
)

// The terms of the sentences below.
var (
	cancelled = &expression.Term{ID: 1, Canonical: "cancel", Short: "events(cancel)", Aggregate: expression.Any}
	purchased = &expression.Term{ID: 2, Canonical: "purchase", Short: "events(purchase)", Aggregate: expression.Any}
)

func term(t *expression.Term) *expression.Expression {
	return expression.New(t.Canonical, []*expression.Term{t}, nil, nil, nil, func(in expression.Inputs) schemas.Value { return in.Term(t.ID) })
}

func notTerm(t *expression.Term) *expression.Expression {
	return expression.New("!"+t.Canonical, []*expression.Term{t}, nil, nil, nil, func(in expression.Inputs) schemas.Value {
		return schemas.BooleanOf(!in.Term(t.ID).True())
	})
}

func country(is string) *expression.Expression {
	return expression.New("p.country=="+is, nil, []string{"country"}, nil, nil, func(in expression.Inputs) schemas.Value {
		return schemas.BooleanOf(in.Attribute("country") == schemas.TextOf(is))
	})
}

func likely(model string) *expression.Expression {
	return expression.New("scores."+model, nil, nil, []string{model}, nil, func(in expression.Inputs) schemas.Value {
		return schemas.BooleanOf(in.Score(model).Number > 0.5)
	})
}

func member(of string) *expression.Expression {
	return expression.New("in "+of, nil, nil, nil, []string{of}, func(in expression.Inputs) schemas.Value {
		return schemas.BooleanOf(in.Audience(of))
	})
}

func plan(audiences ...definition.Audience) *definition.Plan {
	return &definition.Plan{Audiences: audiences}
}

func audience(name string, e *expression.Expression) definition.Audience {
	return definition.Audience{Name: name, Version: 1, Expression: e, UsesScores: len(e.Scores) > 0}
}

func truth(t *expression.Term, is bool) []schemas.Feature {
	return []schemas.Feature{{ID: t.ID, Value: schemas.BooleanOf(is)}}
}

const start = flowtest.Start

// tell delivers changes and says in words which transitions followed.
func tell(w *flowtest.World, changes ...*schemas.Change) []string {
	before := len(w.Topics[topologies.Transitions.Name])
	for _, c := range changes {
		c.Person = "sarah"
		flowtest.Append(w, topologies.Changes, c.Person, c)
	}
	w.Settle()
	return said(w, before)
}

func said(w *flowtest.World, before int) []string {
	var lines []string
	for _, t := range flowtest.Records(w, topologies.Transitions, before) {
		lines = append(lines, fmt.Sprintf("%s %s rev=%d at +%v because %s", t.Audience, t.Word(), t.Revision, t.Cause.Sub(start), t.Reason))
	}
	return lines
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got\n%q\nwant\n%q", got, want)
	}
}

func TestAnEventEntersAndThePassingOfTimeExits(t *testing.T) {
	w := newWorld(plan(audience("winback", term(cancelled))))
	expect(t, tell(w, &schemas.Change{Cause: start, Reason: "cancel", EventID: "1", Features: truth(cancelled, true)}),
		"winback entered rev=1 at +0s because events(cancel)")
	expect(t, tell(w, &schemas.Change{Cause: start.Add(720 * time.Hour), Reason: "window of events(cancel) closed", Features: truth(cancelled, false)}),
		"winback exited rev=2 at +720h0m0s because window of events(cancel) closed")
}

func TestANewPersonEntersWhatIsTrueWithoutAnyInput(t *testing.T) {
	w := newWorld(plan(audience("quiet", notTerm(purchased)), audience("winback", term(cancelled)), audience("also quiet", member("quiet"))))
	expect(t, tell(w, &schemas.Change{Cause: start, EventID: "1", Reason: "visit"}),
		"quiet entered rev=1 at +0s because first seen", "also quiet entered rev=1 at +0s because first seen")
	expect(t, tell(w, &schemas.Change{Cause: start, EventID: "2", Reason: "visit"}))
}

func TestANewPersonIsNeverEnteredIntoWhatTheFirstEventRulesOut(t *testing.T) {
	w := newWorld(plan(audience("quiet", notTerm(purchased))))
	expect(t, tell(w, &schemas.Change{Cause: start, EventID: "1", Features: truth(purchased, true)}))
}

func TestSomebodyWhoMovesLeavesTheOldAudienceBeforeEnteringTheNew(t *testing.T) {
	w := newWorld(plan(audience("abroad", country("DE")), audience("home", country("FR"))))
	expect(t, tell(w, &schemas.Change{Cause: start, Attributes: schemas.Properties{{Name: "country", Value: schemas.TextOf("FR")}}}),
		"home entered rev=1 at +0s because p.country")
	expect(t, tell(w, &schemas.Change{Cause: start + 1, Attributes: schemas.Properties{{Name: "country", Value: schemas.TextOf("DE")}}}),
		"home exited rev=2 at +1ms because p.country", "abroad entered rev=1 at +1ms because p.country")
}

func TestAnAudienceFollowsTheAudienceThatItRefersTo(t *testing.T) {
	w := newWorld(plan(audience("winback", term(cancelled)), audience("offer", member("winback"))))
	expect(t, tell(w, &schemas.Change{Cause: start, EventID: "1", Features: truth(cancelled, true)}),
		"winback entered rev=1 at +0s because events(cancel)", "offer entered rev=1 at +0s because in(winback)")
}

func TestAMergedPersonExitsAndRevisionsGoOnIfItComesBack(t *testing.T) {
	w := newWorld(plan(audience("winback", term(cancelled))))
	came := &schemas.Change{Cause: start, EventID: "1", Features: truth(cancelled, true)}
	tell(w, came)
	expect(t, tell(w, &schemas.Change{Cause: start + 1, Gone: true, MergedInto: "eve"}), "winback exited rev=2 at +1ms because merged")
	expect(t, tell(w, &schemas.Change{Cause: start + 2, Gone: true}))
	expect(t, tell(w, came), "winback entered rev=3 at +0s because events(cancel)")
	expect(t, tell(w, &schemas.Change{Cause: start + 3, Gone: true}), "winback exited rev=4 at +3ms because gone")
}

func TestAPersonWhoWasInNoAudienceLeavesNoRow(t *testing.T) {
	w := newWorld(plan(audience("winback", term(cancelled))))
	tell(w, &schemas.Change{Cause: start, EventID: "1"}, &schemas.Change{Cause: start, Gone: true})
	if len(w.Rows) != 0 {
		t.Fatalf("left %q", w.Rows)
	}
}

func TestARowKeepsOnlyWhatAudiencesUse(t *testing.T) {
	w := newWorld(plan(audience("winback", term(cancelled)), audience("home", country("FR"))))
	tell(w, &schemas.Change{Cause: start, Features: append(truth(cancelled, true), truth(purchased, true)...), Attributes: schemas.Properties{
		{Name: "city", Value: schemas.TextOf("Lyon")}, {Name: "country", Value: schemas.TextOf("FR")},
	}})
	row := flowtest.RowOf(w, topologies.SegmentTable, "sarah")
	if !slices.Equal(row.Features, truth(cancelled, true)) || len(row.Attributes) != 1 || row.Attributes[0].Name != "country" {
		t.Fatalf("keeps %+v and %+v", row.Features, row.Attributes)
	}
}

func TestAScoreEntersAnAudienceThatLooksAtIt(t *testing.T) {
	w := newWorld(plan(audience("at risk", likely("churn"))))
	flowtest.Append(w, topologies.Scores, "sarah", &schemas.Scored{Person: "sarah", Cause: start, EventID: "1", Scores: []schemas.Score{{Model: "churn", Value: 0.7}}})
	w.Settle()
	expect(t, said(w, 0), "at risk entered rev=1 at +0s because scores.churn")
}

func TestRetiringAnAudienceExitsEverybodyAndAnEditOnlyWhomItConcerns(t *testing.T) {
	w := newWorld(plan(audience("home", country("FR")), audience("winback", term(cancelled))))
	tell(w, &schemas.Change{Cause: start, EventID: "1", Features: truth(cancelled, true), Attributes: schemas.Properties{{Name: "country", Value: schemas.TextOf("FR")}}})
	before := len(w.Topics[topologies.Transitions.Name])
	edited := audience("home", expression.New("p.country in [FR, DE]", nil, []string{"country"}, nil, nil, func(in expression.Inputs) schemas.Value {
		return schemas.BooleanOf(in.Attribute("country") != schemas.Value{})
	}))
	w.Become(flowtest.MustRunner(segment.New(plan(edited))))
	w.Sweep("segment", start+7)
	expect(t, said(w, before), "winback exited rev=2 at +7ms because definition")
}

func TestARecordUnderAForeignKeyIsADeadLetter(t *testing.T) {
	r := flowtest.MustRunner(segment.New(plan()))
	w := flowtest.NewWorld(r)
	for _, topic := range []string{topologies.Changes.Name, topologies.Scores.Name} {
		value, err := topologies.Changes.Codec.Append(nil, &schemas.Change{Person: "bob"})
		if topic == topologies.Scores.Name {
			value, err = topologies.Scores.Codec.Append(nil, &schemas.Scored{Person: "bob"})
		}
		if err != nil {
			t.Fatal(err)
		}
		flowtest.AppendBytes(w, topic, "sarah", value)
		effects, err := r.Message(w, w.Topics[topic][0])
		if err != nil || len(effects.Drops) != 1 || effects.Drops[0].Reason != "kairos-segment-foreign-key" {
			t.Fatalf("got %+v, %v", effects, err)
		}
	}
}

func TestAnInputThatNoAudienceUsesAnyMoreIsForgotten(t *testing.T) {
	w := newWorld(plan(audience("home", country("FR")), audience("winback", term(cancelled))))
	tell(w, &schemas.Change{Cause: start, Features: truth(cancelled, true), Attributes: schemas.Properties{{Name: "country", Value: schemas.TextOf("FR")}}})
	w.Become(flowtest.MustRunner(segment.New(plan())))
	w.Sweep("segment", start+1)
	if row := flowtest.RowOf(w, topologies.SegmentTable, "sarah"); len(row.Features) > 0 || len(row.Attributes) > 0 {
		t.Fatalf("keeps %+v and %+v", row.Features, row.Attributes)
	}
}

func TestOnceNoAudienceLooksAtScoresTheirInputsAreForgotten(t *testing.T) {
	w := newWorld(plan(audience("at risk", likely("churn"))))
	scored := &schemas.Scored{Person: "sarah", Cause: start, Scores: []schemas.Score{{Model: "churn", Value: 0.7}}}
	flowtest.Append(w, topologies.Scores, "sarah", scored)
	w.Settle()
	w.Become(flowtest.MustRunner(segment.New(plan())))
	w.Sweep("segment", start+1)
	expect(t, said(w, 1), "at risk exited rev=2 at +1ms because definition")
	flowtest.Append(w, topologies.Scores, "sarah", scored)
	w.Settle()
	if row := flowtest.RowOf(w, topologies.SegmentTable, "sarah"); row.Scored != nil {
		t.Fatalf("keeps %+v", row.Scored)
	}
}

// The audience comes to look at scores, and the person is gone before there
// are any: no word of propensity will ever end the membership.
func TestSomebodyGoneBeforeTheFirstScoreLeavesAnAudienceThatCameToLookAtScores(t *testing.T) {
	w := newWorld(plan(audience("at risk", term(cancelled))))
	tell(w, &schemas.Change{Cause: start, EventID: "1", Features: truth(cancelled, true)})
	w.Become(flowtest.MustRunner(segment.New(plan(audience("at risk", likely("churn"))))))
	w.Sweep("segment", start+1)
	expect(t, said(w, 1))
	expect(t, tell(w, &schemas.Change{Cause: start + 2, Gone: true}), "at risk exited rev=2 at +2ms because gone")
}

func TestWhatIsToldAgainChangesNothing(t *testing.T) {
	r := flowtest.MustRunner(segment.New(plan(audience("home", country("FR")), audience("winback", term(cancelled)))))
	w := flowtest.NewWorld(r)
	for range 2 {
		flowtest.Append(w, topologies.Changes, "sarah", &schemas.Change{Person: "sarah", Cause: start, Features: truth(cancelled, false),
			Attributes: schemas.Properties{{Name: "country", Value: schemas.TextOf("DE")}}})
	}
	w.Settle()
	effects, err := r.Message(w, w.Topics[topologies.Changes.Name][1])
	if err != nil || len(effects.Rows)+len(effects.Records) != 0 || len(effects.Drops) != 1 || effects.Drops[0].Reason != "unused" {
		t.Fatalf("got %+v, %v", effects, err)
	}
}
