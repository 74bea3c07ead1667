package identity

import (
	"kairos/processors/definition"
	"kairos/processors/stage"
)

// NewTight is New with a small bound for the weight of a component.
func NewTight(plan *definition.Plan, maxWeight int64) *stage.Stage {
	r := prepare(plan.Identity, plan.Events, plan.Profile.Types)
	r.maxWeight = maxWeight
	return define(r)
}
