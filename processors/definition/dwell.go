package definition

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"kairos/processors/expression"
)

// dwells tells what dwells in audiences the conditions of these.
func (c *compilation) dwells() {
	if len(c.problems) > 0 { // perhaps of an audience that refers to itself
		return
	}
	conditions := map[string]expression.Condition{}
	audiences := slices.Concat(c.plan.Audiences, c.plan.Drafts)
	for i := range audiences {
		a := &audiences[i]
		conditions[a.Name] = expression.Condition{Expression: a.Expression, Scheduled: a.From != 0 || a.Until != 0}
	}
	bind := func(kind, name string, node func(*document) *yaml.Node, e *expression.Expression) {
		for _, t := range e.Terms {
			if t.Dwell == nil {
				continue
			}
			var refused *expression.DwellError
			d, _ := c.find(kind, name)
			if err := t.Dwell.Bind(conditions); errors.As(err, &refused) {
				d.refuseDwell(node(d), t.Dwell.Audience, refused)
				continue
			}
			c.refuseForgottenDwell(d, node(d), t)
		}
	}
	field := func(name string) func(*document) *yaml.Node {
		return func(d *document) *yaml.Node { return d.fields.nodes[name] }
	}
	for i := range c.plan.Features {
		bind("feature", c.plan.Features[i].Name, field("value"), c.plan.Features[i].Expression)
	}
	for i := range audiences {
		bind("audience", audiences[i].Name, field("when"), audiences[i].Expression)
	}
	for i := range c.plan.Models {
		for k := range c.plan.Models[i].Inputs {
			bind("model", c.plan.Models[i].Name, func(d *document) *yaml.Node { return d.inputNode(k) }, c.plan.Models[i].Inputs[k].Expression)
		}
	}
}

// refuseDwell notes a problem where a condition writes inFor of an audience, or
// at its beginning, if a feature of it does.
func (d *document) refuseDwell(node *yaml.Node, audience string, refused *expression.DwellError) {
	line, column := node.Line, node.Column
	call := regexp.MustCompile(`\binFor\s*\(\s*["']` + regexp.QuoteMeta(audience) + `["']`)
	if found := call.FindStringIndex(node.Value); found != nil {
		before := node.Value[:found[0]]
		start := strings.LastIndexByte(before, '\n') + 1
		line, column = d.place(node, strings.Count(before, "\n")+1, utf8.RuneCountInString(before[start:])+1)
	}
	d.note(line, column, refused.Message, refused.Next)
}
