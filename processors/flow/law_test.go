package flow_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"kairos/processors/definition"
	"kairos/processors/destination"
	"kairos/processors/flow/flowtest"
	"kairos/processors/propensity"
	"kairos/processors/segment"
	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// chained runs the three stages behind profile in one group.
func chained(plan *definition.Plan) []*stage.Runner {
	return []*stage.Runner{flowtest.MustRunner(segment.New(plan), propensity.New(plan), destination.New(plan))}
}

// separate runs them in a group each, with topics between them.
func separate(plan *definition.Plan) []*stage.Runner {
	return []*stage.Runner{
		flowtest.MustRunner(segment.New(plan)), flowtest.MustRunner(propensity.New(plan)), flowtest.MustRunner(destination.New(plan)),
	}
}

// perKey is what lies in public streams, in order, per topic and key.
func perKey(t *rapid.T, w *flowtest.World) map[string][]string {
	t.Helper()
	said := map[string][]string{}
	for topic, messages := range w.Topics {
		switch topic {
		case topologies.PersonEvents.Name, topologies.Changes.Name, topologies.Memberships.Name:
			continue
		case topologies.Transitions.Name:
			for _, tr := range flowtest.Records(w, topologies.Transitions, 0) {
				key := topic + " " + tr.Person + "/" + tr.Audience
				said[key] = append(said[key], fmt.Sprintf("%+v", *tr))
			}
			continue
		}
		for _, m := range messages {
			key := topic + " " + m.Key
			said[key] = append(said[key], string(m.Value))
		}
	}
	return said
}

// TestChainedIsSeparate is the law of chaining: whatever the three stages do
// in one transaction, they do with topics between them, however far each of
// them, and each of its inputs, lags behind.
func TestChainedIsSeparate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := flowtest.DrawPlan(t, "plan")
		together, apart := flowtest.NewWorld(chained(plan)...), flowtest.NewWorld(separate(plan)...)
		for _, c := range flowtest.DrawLives(t, "life", 12) {
			flowtest.Append(together, topologies.Changes, c.Person, c)
			flowtest.Append(apart, topologies.Changes, c.Person, c)
		}
		together.Settle()
		for ready := apart.Ready(); len(ready) > 0; ready = apart.Ready() {
			apart.Deliver(rapid.SampledFrom(ready).Draw(t, "next"))
		}
		compareSaid(t, perKey(t, together), perKey(t, apart))
		if !maps.EqualFunc(together.Rows, apart.Rows, slices.Equal) {
			t.Fatalf("rows differ:\nchained  %q\nseparate %q", together.Rows, apart.Rows)
		}
	})
}

func compareSaid(t *rapid.T, together, apart map[string][]string) {
	t.Helper()
	if maps.EqualFunc(together, apart, slices.Equal) {
		return
	}
	for key := range together {
		if !slices.Equal(together[key], apart[key]) {
			t.Errorf("%s:\nchained  %q\nseparate %q", key, together[key], apart[key])
		}
	}
	t.Fatalf("chained said %d keys, separate %d", len(together), len(apart))
}

// scores is each person's scores.
func scores(w *flowtest.World) map[string]string {
	current := map[string]string{}
	for _, person := range flowtest.People {
		if row := flowtest.RowOf(w, topologies.PropensityTable, person); row != nil && len(row.Scores) > 0 {
			for i := range row.Scores {
				current[person] += fmt.Sprint(row.Scores[i])
			}
		}
	}
	return current
}

func members(w *flowtest.World) map[string][]string {
	current := map[string][]string{}
	for _, person := range flowtest.People {
		if row := flowtest.RowOf(w, topologies.SegmentTable, person); row != nil {
			for _, s := range row.Standings {
				if s.Member {
					current[person] = append(current[person], s.Audience)
				}
			}
		}
	}
	return current
}

// TestAChangeOfDefinitionsLeavesWhatRunningFromTheFirstDayWould changes all
// definitions in the middle of random lives, and goes on after it.
func TestAChangeOfDefinitionsLeavesWhatRunningFromTheFirstDayWould(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old, plan := flowtest.DrawPlan(t, "old plan"), flowtest.DrawPlan(t, "new plan")
		runners := rapid.SampledFrom([]func(*definition.Plan) []*stage.Runner{chained, separate}).Draw(t, "grouping")
		swept, daily := flowtest.NewWorld(runners(old)...), flowtest.NewWorld(runners(plan)...)
		profiles := map[string]*flowtest.Profile{}
		for _, person := range flowtest.People {
			profiles[person] = flowtest.NewProfile(person)
		}
		now := flowtest.Start
		live := func(label string) {
			for _, c := range flowtest.DrawLives(t, label, 8) {
				c.Cause += now - flowtest.Start
				now = c.Cause
				profiles[c.Person].Apply(c)
				flowtest.Append(swept, topologies.Changes, c.Person, c)
				flowtest.Append(daily, topologies.Changes, c.Person, c)
			}
			swept.Settle()
			daily.Settle()
		}
		live("life before")
		swept.Become(runners(plan)...)
		before := len(swept.Topics[topologies.Transitions.Name])
		for _, person := range flowtest.People {
			if profiles[person].Alive { // profile's own sweep comes first
				flowtest.Append(swept, topologies.Changes, person, profiles[person].Retold(now))
			}
		}
		swept.Settle()
		for _, word := range []string{"segment", "propensity", "destination"} {
			swept.Sweep(word, now+1)
			swept.Settle()
		}
		flipOnce(t, flowtest.Records(swept, topologies.Transitions, before))
		compareState(t, plan, swept, daily)
		live("life after")
		compareState(t, plan, swept, daily)
	})
}

func flipOnce(t *rapid.T, transitions []*schemas.Transition) {
	t.Helper()
	flips := map[string]int{}
	for _, tr := range transitions {
		key := tr.Person + " in " + tr.Audience
		if flips[key]++; flips[key] > 1 {
			t.Fatalf("%s flipped twice by a change of definitions", key)
		}
	}
}

func compareState(t *rapid.T, plan *definition.Plan, swept, daily *flowtest.World) {
	t.Helper()
	if got, want := members(swept), members(daily); !maps.EqualFunc(got, want, slices.Equal) {
		t.Fatalf("members are %v, from the first day %v", got, want)
	}
	if got, want := scores(swept), scores(daily); !maps.Equal(got, want) {
		t.Fatalf("scores are %v, from the first day %v", got, want)
	}
	if got, want := flowtest.List(swept, plan), flowtest.List(daily, plan); !maps.Equal(got, want) {
		t.Fatalf("destinations know %v, from the first day %v", got, want)
	}
}
