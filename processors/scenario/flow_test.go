package scenario_test

import (
	"fmt"

	"kairos/processors/definition"
	"kairos/processors/destination"
	"kairos/processors/identity"
	"kairos/processors/profile"
	"kairos/processors/propensity"
	"kairos/processors/segment"
	"kairos/processors/stage"
	"kairos/topologies"
)

func runners(group topologies.Group, plan *definition.Plan) (*stage.Runner, error) {
	makers := map[string]func(*definition.Plan) *stage.Stage{
		"identity": identity.New, "profile": profile.New, "segment": segment.New, "propensity": propensity.New, "destination": destination.New,
	}
	var stages []*stage.Stage
	for _, s := range group.Stages {
		if makers[s.Word] == nil {
			return nil, fmt.Errorf("no stage %s", s.Word)
		}
		stages = append(stages, makers[s.Word](plan))
	}
	return stage.NewRunner(group, stages...)
}
