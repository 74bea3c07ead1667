package definition

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"kairos/processors/expression"
)

// expire lets what looks back for ever look no further than the events of its
// name are kept. What says how far it looks has been refused if that is too far.
func (p *Plan) expire() {
	for _, s := range p.Series {
		if keep := p.Expires[s.Event]; keep > 0 && s.Calendar == nil && s.Keep == 0 {
			s.Keep = keep
		}
	}
	for _, t := range p.Terms {
		if t.Dwell != nil || t.Series.Calendar != nil || t.Window != 0 {
			continue
		}
		t.Window = p.Expires[t.Series.Event]
	}
}

// refuseForgotten refuses terms that look back further than events are kept
// which they look at: their values would depend on what is forgotten. Only a
// term over events of one name that says nothing about time looks back for as
// long as they are kept.
func (c *compilation) refuseForgotten(d *document, node *yaml.Node, compiled *expression.Expression) {
	for _, name := range slices.Sorted(maps.Keys(c.plan.Expires)) {
		keep := c.plan.Expires[name]
		for _, t := range compiled.Terms {
			back := t.LooksBack()
			if !t.LooksAt(name) || back != 0 && back <= keep || back == 0 && t.Series.Event == name {
				continue
			}
			d.refuse(node, fmt.Sprintf("%s looks back%s, but events %q are kept for %s", t.Short, furtherBack(back), name, expression.FormatDuration(keep)),
				fmt.Sprintf("ask for no more than the last %s, such as by within(\"%[1]s\"), or let event %q expire later", expression.FormatDuration(keep), name))
			return
		}
	}
}

// refuseForgottenDwell does so for a dwell, whose parts look further back by
// as long as it lasts.
func (c *compilation) refuseForgottenDwell(d *document, node *yaml.Node, dwell *expression.Term) {
	for _, name := range slices.Sorted(maps.Keys(c.plan.Expires)) {
		keep := c.plan.Expires[name]
		for _, t := range dwell.Dwell.Parts {
			if back := t.LooksBack(); !t.LooksAt(name) || back != 0 && back+dwell.Dwell.For <= keep {
				continue
			}
			next := fmt.Sprintf("let event %q expire later", name)
			if left := keep - dwell.Dwell.For; left > 0 {
				next = fmt.Sprintf("let %s in audience %q look back no further than %s, or %s", t.Short, dwell.Dwell.Audience, expression.FormatDuration(left), next)
			}
			d.refuse(node, fmt.Sprintf("%s needs what %s was %s ago, but events %q are kept for %s", dwell.Short, t.Short,
				expression.FormatDuration(dwell.Dwell.For), name, expression.FormatDuration(keep)), next)
			return
		}
	}
}

func furtherBack(d time.Duration) string {
	if d == 0 {
		return " for ever"
	}
	return " " + expression.FormatDuration(d)
}
