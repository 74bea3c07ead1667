package flow_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"kairos/processors/definition"
	"kairos/processors/flow/flowtest"
	"kairos/topologies"
)

// recomputed is what a profile alone says of memberships, scores and lists:
// the three stages by way of computing everything at once.
func recomputed(plan *definition.Plan, p *flowtest.Profile) (members []string, scores string, list map[string]string) {
	list = map[string]string{}
	if !p.Alive {
		return nil, "", list
	}
	view := flowtest.View{Profile: p, Members: map[string]bool{}, Scores: map[string]float64{}}
	evaluate := func(scored bool) {
		for _, a := range plan.Audiences {
			if a.UsesScores == scored {
				view.Members[a.Name] = a.Expression.Eval(view).True()
			}
		}
	}
	evaluate(false)
	for i := range plan.Models {
		s := flowtest.Score(&plan.Models[i], view)
		view.Scores[s.Model] = s.Value
		scores += fmt.Sprint(s)
	}
	evaluate(true)
	for _, a := range plan.Audiences {
		if view.Members[a.Name] {
			members = append(members, a.Name)
		}
	}
	slices.Sort(members)
	for i := range plan.Destinations {
		d := &plan.Destinations[i]
		for _, name := range members {
			if content, allowed := flowtest.Entry(d, p); allowed && slices.Contains(d.Audiences, name) {
				list[d.Name+" "+p.ID+"/"+name] = content
			}
		}
	}
	return members, scores, list
}

// TestTheStagesLeaveWhatTheProfileAloneSays compares the state after every
// change with one computed from nothing but the profile.
func TestTheStagesLeaveWhatTheProfileAloneSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := flowtest.DrawPlan(t, "plan")
		w, profiles := flowtest.NewWorld(chained(plan)...), map[string]*flowtest.Profile{}
		for _, person := range flowtest.People {
			profiles[person] = flowtest.NewProfile(person)
		}
		for _, c := range flowtest.DrawLives(t, "life", 12) {
			profiles[c.Person].Apply(c)
			flowtest.Append(w, topologies.Changes, c.Person, c)
			w.Settle()
			lists := map[string]string{}
			for _, person := range flowtest.People {
				is, says, list := recomputed(plan, profiles[person])
				maps.Copy(lists, list)
				if got := members(w)[person]; !slices.Equal(got, is) {
					t.Fatalf("%s is in %v, by the profile in %v", person, got, is)
				}
				if got := scores(w)[person]; got != says {
					t.Fatalf("%s is scored %v, by the profile %v", person, got, says)
				}
			}
			if got := flowtest.List(w, plan); !maps.Equal(got, lists) {
				t.Fatalf("destinations know %v, by the profiles %v", got, lists)
			}
		}
	})
}
