// Package flow is the one place that knows all five stages: it gives a group
// of a topology the stages that belong into it.
//
// In: a group and a plan. Out: a runner. State: none.
//
// Not here: what exists (topologies), what the stages do (processors/<word>),
// and what runs the runner (processors/host, processors/scenario).
package flow

import (
	"fmt"
	"slices"

	"kairos/processors/definition"
	"kairos/processors/destination"
	"kairos/processors/identity"
	"kairos/processors/profile"
	"kairos/processors/propensity"
	"kairos/processors/segment"
	"kairos/processors/stage"
	"kairos/topologies"
)

// Runner makes the stages of group follow plan.
func Runner(group topologies.Group, plan *definition.Plan) (*stage.Runner, error) {
	stages := make([]*stage.Stage, len(group.Stages))
	for i, declared := range group.Stages {
		s, err := stageOf(declared.Word, plan)
		if err != nil {
			return nil, fmt.Errorf("group %s: %w", group.Name, err)
		}
		for _, output := range s.Outputs {
			if !slices.ContainsFunc(declared.Outputs, func(t topologies.Topic) bool { return t.Name == output.Name }) {
				return nil, fmt.Errorf("group %s: %s writes %s, which the topology does not have; add the destination to the topology's and apply it",
					group.Name, s.Word, output.Name)
			}
		}
		stages[i] = s
	}
	r, err := stage.NewRunner(group, stages...)
	if err != nil {
		return nil, fmt.Errorf("flow: %w", err)
	}
	return r, nil
}

func stageOf(word string, plan *definition.Plan) (*stage.Stage, error) {
	switch word {
	case topologies.Identity.Word:
		return identity.New(plan), nil
	case topologies.Profile.Word:
		return profile.New(plan), nil
	case topologies.Segment.Word:
		return segment.New(plan), nil
	case topologies.Propensity.Word:
		return propensity.New(plan), nil
	case topologies.Destination.Word:
		return destination.New(plan), nil
	}
	return nil, fmt.Errorf("there is no stage %q", word)
}
