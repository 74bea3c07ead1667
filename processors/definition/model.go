package definition

import (
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"

	"kairos/processors/expression"
)

func (c *compilation) models() {
	for _, d := range c.of("model") {
		f := d.fields
		m := Model{Name: d.name, Version: d.version}
		m.Description = d.describe(&f).description
		m.Inputs = c.inputs(d, &f)
		m.Intercept = f.number("intercept", 0)
		m.Calibration = Calibration{A: 1}
		if trees := f.scalar("trees"); trees != nil {
			c.trees(d, &m, trees)
		}
		if calibration, there := f.pairs("calibration"); there {
			m.Calibration.A *= calibration.number("a", 1)
			m.Calibration.B = calibration.number("b", 0)
			calibration.done("a calibration")
		}
		if m.Calibration.A == 0 {
			d.refuse(f.nodes["calibration"], "a calibration with a = 0 gives everybody the same score", "leave it out, or write a: 1")
		}
		f.done("a model")
		c.plan.Models = append(c.plan.Models, m)
	}
}

// inputs reads the columns of a model.
func (c *compilation) inputs(d *document, f *fields) []ModelInput {
	nodes := f.list("inputs")
	if len(nodes) == 0 {
		d.refuse(f.node, "the model has no inputs", "add `inputs:` with a list of {name, value, weight, mean, scale}")
	}
	boosted := f.nodes["trees"] != nil
	seen := map[string]bool{}
	var inputs []ModelInput
	for _, node := range nodes {
		g := d.mapping(node)
		in := ModelInput{Weight: g.number("weight", 0), Mean: g.number("mean", 0), Scale: g.number("scale", 1)}
		if name := g.required("name", "recency"); name != nil {
			if in.Name = name.Value; seen[in.Name] {
				d.refuse(name, fmt.Sprintf("input %q is there twice", in.Name), "remove one of them")
			}
		}
		seen[in.Name] = true
		if in.Scale <= 0 {
			d.refuse(g.nodes["scale"], "the scale of an input is not above zero", "leave it out, or write the standard deviation")
		}
		if weight := g.nodes["weight"]; boosted && weight != nil {
			d.refuse(weight, "an input of trees has no weight", "remove it")
		} else if !boosted && weight == nil {
			d.refuse(node, "the input has no weight", "add `weight:`, or `trees:` to the model")
		}
		value := g.required("value", `events("purchase").count()`)
		g.done("an input")
		if in.Expression = c.compile(d, value); in.Expression == nil {
			continue
		}
		if in.Expression.Type == expression.TextType {
			d.refuse(value, "the input is a text, not a number", "compare it with something, or take its size")
		}
		if len(in.Expression.Scores) > 0 {
			d.refuse(value, "a model cannot look at scores", "use the inputs of that model here")
		}
		inputs = append(inputs, in)
	}
	return inputs
}

// inputNode is the node of a model's input.
func (d *document) inputNode(i int) *yaml.Node {
	if list := d.fields.nodes["inputs"]; list != nil && i < len(list.Content) {
		return list.Content[i]
	}
	return nil
}

func (c *compilation) trees(d *document, m *Model, node *yaml.Node) {
	names := make([]string, len(m.Inputs))
	for i, in := range m.Inputs {
		names[i] = in.Name
	}
	read, err := ReadLightGBM(node.Value, names)
	if err != nil {
		line, column := node.Line, node.Column
		if t := (*TreeError)(nil); errors.As(err, &t) {
			line, column = d.place(node, t.Line, 1)
		}
		d.note(line, column, err.Error(), "export the model with LightGBM's save_model or model_to_string")
		return
	}
	m.Trees, m.Calibration.A = read.Trees, read.Sigmoid
	m.Intercept += read.Constant
}
