package flowtest

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/schemas"
)

// DrawPlan makes a random plan. Names recur from plan to plan, so that one may
// follow another: audiences are edited, retired and new.
func DrawPlan(t *rapid.T, label string) *definition.Plan {
	version := int64(rapid.IntRange(1, 1000).Draw(t, label+" version"))
	p := &definition.Plan{Terms: Terms}
	scored := map[string]bool{}
	var models []string
	for i := range rapid.IntRange(0, 2).Draw(t, "models") {
		models = append(models, fmt.Sprintf("m%d", i))
	}
	names := rapid.Permutation([]string{"a", "b", "c", "d", "e", "f", "g", "h"}).Draw(t, "names")
	var v vocabulary
	for _, name := range names[:rapid.IntRange(1, len(names)).Draw(t, "audiences")] {
		if rapid.Bool().Draw(t, "may use scores") {
			v.models = models
		} else {
			v.models = nil
		}
		a := definition.Audience{Name: name, Version: version}
		c := drawCondition(t, v, 2)
		a.Expression = c.expression(func(in expression.Inputs) schemas.Value { return schemas.BooleanOf(c.holds(in)) })
		a.UsesScores = len(a.Expression.Scores) > 0 || slices.ContainsFunc(a.Expression.Audiences, func(name string) bool { return scored[name] })
		scored[name] = a.UsesScores
		p.Audiences = append(p.Audiences, a)
		v.audiences = append(v.audiences, name)
	}
	plain := vocabulary{audiences: slices.DeleteFunc(slices.Clone(v.audiences), func(name string) bool { return scored[name] })}
	for _, name := range models {
		p.Models = append(p.Models, drawModel(t, name, plain, version))
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "destinations") {
		p.Destinations = append(p.Destinations, drawDestination(t, fmt.Sprintf("d%d", i), v.audiences, version))
	}
	return p
}

// DrawGuarded makes a plan of many audiences whose conditions must all hold,
// about few things, so that most have a guard and many share one.
func DrawGuarded(t *rapid.T) *definition.Plan {
	p := &definition.Plan{Terms: Terms, Models: []definition.Model{{Name: "m0", Version: 1, Calibration: definition.Calibration{A: 1}}}}
	leaf := func(scored bool) *condition {
		switch kind := rapid.IntRange(0, 9).Draw(t, "leaf"); {
		case kind < 4:
			return &condition{op: "flag", term: Terms[kind%2]}
		case kind < 8:
			return &condition{op: "attribute", name: []string{"country", "tier"}[kind%2],
				want: rapid.SampledFrom([]schemas.Value{schemas.TextOf("FR"), schemas.TextOf("DE"), schemas.NumberOf(1)}).Draw(t, "value")}
		case scored:
			return &condition{op: "score", name: "m0", want: schemas.NumberOf(0.5)}
		default:
			return &condition{op: "not", args: []*condition{{op: "flag", term: Terms[2]}}}
		}
	}
	for i := range 12 {
		scored := i%3 == 2
		c := leaf(scored)
		for range rapid.IntRange(1, 2).Draw(t, "more") {
			c = &condition{op: "and", args: []*condition{c, leaf(scored)}}
		}
		a := definition.Audience{Name: fmt.Sprintf("a%02d", i), Version: 1}
		a.Expression = c.expression(func(in expression.Inputs) schemas.Value { return schemas.BooleanOf(c.holds(in)) })
		a.UsesScores = len(a.Expression.Scores) > 0
		p.Audiences = append(p.Audiences, a)
	}
	return p
}

func drawModel(t *rapid.T, name string, v vocabulary, version int64) definition.Model {
	m := definition.Model{
		Name: name, Version: version, Intercept: drawWeight(t),
		Calibration: definition.Calibration{A: rapid.SampledFrom([]float64{0.5, 1, 2}).Draw(t, "A"), B: drawWeight(t)},
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "inputs") {
		c := drawCondition(t, v, 1)
		m.Inputs = append(m.Inputs, definition.ModelInput{
			Name: fmt.Sprintf("i%d", i), Expression: c.expression(c.value),
			Weight: drawWeight(t), Mean: drawWeight(t), Scale: rapid.SampledFrom([]float64{0, 1, 2.5}).Draw(t, "scale"),
		})
	}
	for range rapid.IntRange(0, 2).Draw(t, "trees") {
		m.Trees = append(m.Trees, drawTree(t, len(m.Inputs)))
	}
	return m
}

func drawWeight(t *rapid.T) float64 {
	return float64(rapid.IntRange(-20, 20).Draw(t, "weight")) / 10
}

// drawTree makes a tree of zero to three nodes, each splitting the last leaf.
func drawTree(t *rapid.T, inputs int) definition.Tree {
	tree := definition.Tree{Leaf: []float64{drawWeight(t)}}
	for node := range rapid.IntRange(0, 3).Draw(t, "nodes") {
		last := len(tree.Leaf) - 1
		if node > 0 { // the last leaf becomes this node
			tree.Right[node-1] = node
		}
		tree.Feature = append(tree.Feature, rapid.IntRange(0, inputs-1).Draw(t, "feature"))
		tree.Threshold = append(tree.Threshold, drawWeight(t))
		tree.Left = append(tree.Left, -last-1)
		tree.Right = append(tree.Right, -(last+1)-1)
		tree.Leaf = append(tree.Leaf, drawWeight(t))
	}
	for range len(tree.Left) + len(tree.Leaf) {
		tree.Expected = append(tree.Expected, drawWeight(t))
	}
	return tree
}

func drawDestination(t *rapid.T, name string, audiences []string, version int64) definition.Destination {
	d := definition.Destination{Name: name, Version: version}
	d.Audiences = drawSome(t, "wanted audiences", audiences)
	slices.Sort(d.Audiences)
	d.Identifiers = drawSome(t, "identifiers", []string{"email", "crm_id"})
	d.Hash = drawSome(t, "hash", d.Identifiers)
	d.Attributes = drawSome(t, "carried", []string{"city", "country"})
	d.Consent = drawSome(t, "consent", []string{"ads", "mail"})
	return d
}

func drawSome(t *rapid.T, label string, from []string) []string {
	if len(from) == 0 {
		return nil
	}
	return rapid.SliceOfNDistinct(rapid.SampledFrom(from), 0, len(from), rapid.ID[string]).Draw(t, label)
}
