package flowtest

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"strings"

	"kairos/processors/definition"
	"kairos/schemas"
)

// Score adds up a model in another style than propensity: the dumb second
// implementation for tests.
func Score(m *definition.Model, person View) schemas.Score {
	odds, s := m.Intercept, schemas.Score{Model: m.Name, Version: m.Version}
	parts, x, shown := map[int]float64{}, map[int]float64{}, map[int]schemas.Value{}
	for i, in := range m.Inputs {
		shown[i] = in.Expression.Eval(person)
		x[i] = in.Mean
		if shown[i].Kind == schemas.Number || shown[i].Kind == schemas.Boolean {
			x[i] = shown[i].Number
		}
		if len(m.Trees) == 0 {
			parts[i] = in.Weight * ((x[i] - in.Mean) / cmp.Or(in.Scale, 1))
			odds += parts[i]
		}
	}
	for i := range m.Trees {
		odds += walk(&m.Trees[i], x, parts)
	}
	for i := range m.Inputs {
		if parts[i] != 0 {
			s.Reasons = append(s.Reasons, schemas.ScoreReason{Input: m.Inputs[i].Name, Value: shown[i], Part: parts[i]})
		}
	}
	slices.SortStableFunc(s.Reasons, func(a, b schemas.ScoreReason) int { return cmp.Compare(math.Abs(b.Part), math.Abs(a.Part)) })
	s.Reasons = s.Reasons[:min(3, len(s.Reasons))]
	s.Value = 1 / (1 + math.Exp(-(m.Calibration.A*odds + m.Calibration.B)))
	return s
}

func walk(t *definition.Tree, x, parts map[int]float64) float64 {
	if len(t.Left) == 0 {
		return t.Leaf[0]
	}
	mean := func(node int) float64 {
		if node < 0 {
			node = len(t.Left) - 1 - node
		}
		return t.Expected[node]
	}
	var from func(node int) float64
	from = func(node int) float64 {
		if node < 0 {
			return t.Leaf[-node-1]
		}
		child := t.Right[node]
		if x[t.Feature[node]] <= t.Threshold[node] {
			child = t.Left[node]
		}
		parts[t.Feature[node]] += mean(child) - mean(node)
		return from(child)
	}
	return from(0)
}

// Entry is what a destination may know of a member of an audience.
func Entry(d *definition.Destination, p *Profile) (content string, allowed bool) {
	for _, purpose := range d.Consent {
		if p.Attributes["consent."+purpose] != schemas.BooleanOf(true) {
			return "", false
		}
	}
	parts := Sees(d, p)
	for _, name := range Attributes {
		if v := p.Attributes[name]; slices.Contains(d.Attributes, name) && v.Kind != schemas.Null {
			parts = append(parts, name+"="+v.String())
		}
	}
	return strings.Join(parts, " "), true
}

// Sees lists the identifiers of a person that a destination may see.
func Sees(d *definition.Destination, p *Profile) (seen []string) {
	for _, namespace := range d.Identifiers {
		for _, id := range p.Identifiers {
			if id.Namespace == namespace {
				value := id.Value
				if slices.Contains(d.Hash, namespace) {
					value = fmt.Sprintf("%x", sha256.Sum256([]byte(strings.ToLower(strings.Trim(value, " ")))))
				}
				seen = append(seen, namespace+"="+value)
			}
		}
	}
	return seen
}

// Shown writes identifiers as [Sees] does.
func Shown(identifiers []schemas.Identifier) (shown []string) {
	for _, id := range identifiers {
		shown = append(shown, id.Namespace+"="+id.Value)
	}
	return shown
}

// Content is what an activation tells, as [Entry] writes it.
func Content(a *schemas.Activation) string {
	parts := Shown(a.Identifiers)
	for _, p := range a.Attributes {
		parts = append(parts, p.Name+"="+p.Value.String())
	}
	return strings.Join(parts, " ")
}

// List is the current list of every destination: what its topic, read from the
// start, leaves of each key.
func List(w *World, plan *definition.Plan) map[string]string {
	current := map[string]string{}
	for _, d := range plan.Destinations {
		for _, a := range RecordsOf(w, d.Name) {
			key := d.Name + " " + a.Person + "/" + a.Audience
			delete(current, key)
			if a.Entered {
				current[key] = Content(a)
			}
		}
	}
	return current
}

// Addresses is what receivers have who keep lists of addresses and know nobody:
// they do what each record says, and never look at a person again.
func Addresses(w *World, plan *definition.Plan) map[string]bool {
	listed := map[string]bool{}
	for _, d := range plan.Destinations {
		for _, a := range RecordsOf(w, d.Name) {
			place := d.Name + " " + a.Person + "/" + a.Audience + " "
			gone := a.Former
			if !a.Entered {
				gone = a.Identifiers
			}
			for _, address := range Shown(gone) {
				delete(listed, place+address)
			}
			if a.Entered {
				for _, address := range Shown(a.Identifiers) {
					listed[place+address] = true
				}
			}
		}
	}
	return listed
}
