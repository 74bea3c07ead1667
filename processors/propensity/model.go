package propensity

import (
	"cmp"
	"math"
	"slices"

	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/schemas"
)

// maxReasons is how many inputs explain a score.
const maxReasons = 3

// score computes m for a person.
//
// Conversions to float64 around products keep the compiler from fusing them
// with sums on processors that could, so that all of these count alike.
func score(m *definition.Model, person expression.Inputs) schemas.Score {
	values := make([]schemas.Value, len(m.Inputs))
	numbers := make([]float64, len(m.Inputs))
	for i := range m.Inputs {
		values[i] = m.Inputs[i].Expression.Eval(person)
		numbers[i] = number(values[i], m.Inputs[i].Mean)
	}
	compute := logistic
	if len(m.Trees) > 0 {
		compute = boosted
	}
	odds, parts := compute(m, numbers)
	return schemas.Score{
		Model: m.Name, Version: m.Version,
		Value:   calibrated(m.Calibration, odds),
		Reasons: reasons(m, values, parts),
	}
}

// number is v as models take it. What is no number is the average person's.
func number(v schemas.Value, mean float64) float64 {
	if v.Kind != schemas.Number && v.Kind != schemas.Boolean || math.IsNaN(v.Number) || math.IsInf(v.Number, 0) {
		return mean
	}
	return v.Number
}

// logistic gives the log-odds of a logistic regression, and each input's part
// in them: how far it moves them from those of the average person.
func logistic(m *definition.Model, numbers []float64) (odds float64, parts []float64) {
	odds, parts = m.Intercept, make([]float64, len(numbers))
	for i := range m.Inputs {
		in := &m.Inputs[i]
		scale := in.Scale
		if scale == 0 {
			scale = 1
		}
		parts[i] = float64(in.Weight * float64((numbers[i]-in.Mean)/scale))
		odds += parts[i]
	}
	return odds, parts
}

// boosted gives the log-odds of a sum of trees, and each input's part in them.
// The parts follow the path through each tree: an input gets the difference
// that each of its splits makes to the mean output below (A. Saabas,
// "Interpreting random forests", 2014). With the mean outputs of the roots and
// the intercept they add up to the log-odds.
func boosted(m *definition.Model, numbers []float64) (odds float64, parts []float64) {
	odds, parts = m.Intercept, make([]float64, len(numbers))
	for i := range m.Trees {
		odds += descend(&m.Trees[i], numbers, parts)
	}
	return odds, parts
}

func descend(t *definition.Tree, numbers, parts []float64) float64 {
	if len(t.Left) == 0 {
		return t.Leaf[0]
	}
	for node, steps := 0, 0; steps <= len(t.Left); steps++ {
		next := t.Right[node]
		if numbers[t.Feature[node]] <= t.Threshold[node] {
			next = t.Left[node]
		}
		if len(t.Expected) > 0 {
			parts[t.Feature[node]] += expected(t, next) - expected(t, node)
		}
		if next < 0 {
			return t.Leaf[-next-1]
		}
		node = next
	}
	panic("a tree leads in circles: the plan let it pass")
}

func expected(t *definition.Tree, node int) float64 {
	if node < 0 {
		return t.Expected[len(t.Left)-node-1]
	}
	return t.Expected[node]
}

// calibrated maps log-odds to a probability. A model without calibration means
// its odds as they are.
func calibrated(c definition.Calibration, odds float64) float64 {
	if c == (definition.Calibration{}) {
		c.A = 1
	}
	return 1 / (1 + math.Exp(-(float64(c.A*odds) + c.B)))
}

// reasons names the inputs with the largest parts, the largest first.
func reasons(m *definition.Model, values []schemas.Value, parts []float64) []schemas.ScoreReason {
	all := make([]schemas.ScoreReason, 0, len(parts))
	for i, part := range parts {
		if part != 0 && !math.IsNaN(part) {
			all = append(all, schemas.ScoreReason{Input: m.Inputs[i].Name, Value: values[i], Part: part})
		}
	}
	slices.SortFunc(all, func(a, b schemas.ScoreReason) int {
		return cmp.Or(cmp.Compare(math.Abs(b.Part), math.Abs(a.Part)), cmp.Compare(a.Input, b.Input))
	})
	return all[:min(len(all), maxReasons):min(len(all), maxReasons)]
}

func same(a, b *schemas.Score) bool {
	return a.Model == b.Model && a.Version == b.Version && a.Value == b.Value && slices.Equal(a.Reasons, b.Reasons)
}
