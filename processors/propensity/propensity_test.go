package propensity_test

import (
	"math"
	"slices"
	"testing"

	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/processors/flow/flowtest"
	"kairos/processors/propensity"
	"kairos/schemas"
	"kairos/topologies"
)

const start = flowtest.Start

func attribute(name string) *expression.Expression {
	return expression.New("p."+name, nil, []string{name}, nil, nil, func(in expression.Inputs) schemas.Value { return in.Attribute(name) })
}

// churn is 0.5 for the average person: five visits, one complaint.
func churn() definition.Model {
	return definition.Model{Name: "churn", Version: 3, Inputs: []definition.ModelInput{
		{Name: "visits", Expression: attribute("visits"), Weight: -1, Mean: 5, Scale: 2},
		{Name: "complaints", Expression: attribute("complaints"), Weight: 2, Mean: 1, Scale: 1},
	}}
}

func world(plan *definition.Plan) *flowtest.World {
	return flowtest.NewWorld(flowtest.MustRunner(propensity.New(plan)))
}

func tell(w *flowtest.World, m *schemas.Membership) []*schemas.Scored {
	before := len(w.Topics[topologies.Scores.Name])
	m.Change.Person = "sarah"
	flowtest.Append(w, topologies.Memberships, "sarah", m)
	w.Settle()
	return flowtest.Records(w, topologies.Scores, before)
}

func knows(name string, v schemas.Value) *schemas.Membership {
	return &schemas.Membership{Change: schemas.Change{Cause: start, EventID: "1", Attributes: schemas.Properties{{Name: name, Value: v}}}}
}

func TestTheAveragePersonIsScoredAtOnceAndWithoutReasons(t *testing.T) {
	said := tell(world(&definition.Plan{Models: []definition.Model{churn()}}), &schemas.Membership{Change: schemas.Change{Cause: start}})
	if len(said) != 1 || len(said[0].Scores) != 1 || said[0].Scores[0].Value != 0.5 || len(said[0].Scores[0].Reasons) != 0 {
		t.Fatalf("said %+v", said)
	}
}

func TestReasonsAreTheInputsFarthestFromTheAverageFirst(t *testing.T) {
	w := world(&definition.Plan{Models: []definition.Model{churn()}})
	tell(w, knows("visits", schemas.NumberOf(9)))
	said := tell(w, knows("complaints", schemas.NumberOf(3)))
	want := []schemas.ScoreReason{
		{Input: "complaints", Value: schemas.NumberOf(3), Part: 4}, {Input: "visits", Value: schemas.NumberOf(9), Part: -2},
	}
	if len(said) != 1 || !slices.Equal(said[0].Scores[0].Reasons, want) || said[0].Scores[0].Value != 1/(1+math.Exp(-2)) {
		t.Fatalf("said %+v", said)
	}
}

func TestWhatIsNoNumberCountsAsTheAverage(t *testing.T) {
	w := world(&definition.Plan{Models: []definition.Model{churn()}})
	tell(w, knows("visits", schemas.TextOf("many")))
	for _, v := range []schemas.Value{schemas.NumberOf(math.NaN()), schemas.NumberOf(math.Inf(1)), {}} {
		if said := tell(w, knows("complaints", v)); len(said) != 0 {
			t.Fatalf("%v is worth saying: %+v", v, said)
		}
	}
}

func TestASecondScoringThatGivesTheSameIsNoNews(t *testing.T) {
	w := world(&definition.Plan{Models: []definition.Model{churn()}})
	tell(w, knows("visits", schemas.NumberOf(9)))
	if said := tell(w, knows("visits", schemas.NumberOf(9))); len(said) != 0 {
		t.Fatalf("said %+v", said)
	}
}

func TestWhatFollowsFromScoresIsNotLookedAt(t *testing.T) {
	w := world(&definition.Plan{Models: []definition.Model{churn()}})
	m := knows("visits", schemas.NumberOf(9))
	m.Scored = true
	if said := tell(w, m); len(said) != 0 || len(w.Rows) != 0 {
		t.Fatalf("said %+v, keeps %q", said, w.Rows)
	}
}

func TestSomebodyGoneIsForgottenAndScoredAnewOnComingBack(t *testing.T) {
	w := world(&definition.Plan{Models: []definition.Model{churn()}})
	tell(w, knows("visits", schemas.NumberOf(9)))
	said := tell(w, &schemas.Membership{Change: schemas.Change{Cause: start + 1, Gone: true, MergedInto: "eve"}})
	if len(said) != 1 || !said[0].Gone || said[0].MergedInto != "eve" || len(w.Rows) != 0 {
		t.Fatalf("said %+v, keeps %q", said, w.Rows)
	}
	if said = tell(w, knows("complaints", schemas.NumberOf(1))); len(said) != 1 || said[0].Scores[0].Value != 0.5 {
		t.Fatalf("said %+v", said)
	}
}

func TestANewModelScoresEverybodyOnASweep(t *testing.T) {
	w := world(&definition.Plan{Models: []definition.Model{churn()}})
	tell(w, knows("visits", schemas.NumberOf(9)))
	visits := churn()
	visits.Name, visits.Inputs = "visits", visits.Inputs[:1]
	w.Become(flowtest.MustRunner(propensity.New(&definition.Plan{Models: []definition.Model{visits}})))
	w.Sweep("propensity", start+9)
	said := flowtest.Records(w, topologies.Scores, 1)
	if len(said) != 1 || said[0].Cause != start+9 || len(said[0].Scores) != 1 || said[0].Scores[0].Model != "visits" {
		t.Fatalf("said %+v", said)
	}
	w.Sweep("propensity", start+10)
	if again := flowtest.Records(w, topologies.Scores, 2); len(again) != 0 {
		t.Fatalf("a second sweep said %+v", again)
	}
}

func TestWithoutModelsNothingIsKept(t *testing.T) {
	w := world(&definition.Plan{})
	if said := tell(w, knows("visits", schemas.NumberOf(9))); len(said) != 0 || len(w.Rows) != 0 {
		t.Fatalf("said %+v, keeps %q", said, w.Rows)
	}
}

func TestATreeThatLeadsInCirclesIsADeadLetterNotAStandstill(t *testing.T) {
	m := churn()
	m.Trees = []definition.Tree{{Feature: []int{0}, Threshold: []float64{0}, Left: []int{0}, Right: []int{0}, Leaf: []float64{1}}}
	r := flowtest.MustRunner(propensity.New(&definition.Plan{Models: []definition.Model{m}}))
	w := flowtest.NewWorld(r)
	flowtest.Append(w, topologies.Memberships, "sarah", &schemas.Membership{Change: schemas.Change{Person: "sarah"}})
	effects, err := r.Message(w, w.Topics[topologies.Memberships.Name][0])
	if err != nil || len(effects.Drops) != 1 || effects.Drops[0].Reason != "kairos-propensity-panic" {
		t.Fatalf("got %+v, %v", effects, err)
	}
}
