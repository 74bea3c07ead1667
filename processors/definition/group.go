package definition

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"kairos/processors/expression"
	"kairos/schemas"
)

// Group is a kind of group that people belong to, such as a household. A
// person is in at most one group of each kind: the one that By names.
type Group struct {
	Name        string
	Description string
	Version     int64
	By          *expression.Expression // over what is known of the person alone; its value names the group
	Limit       int                    // a group with more members is none: nothing is said about it
	Blocked     func(value string) bool
	patterns    []string // of Blocked
}

const (
	defaultMembers    = 50
	mostMembers       = 200
	longestGroupValue = 200 // bytes
)

// Of gives the name of the group that By's value means, in the one form that
// all spellings of it have; empty: of none. ok is false if it is too long to be
// one.
func (g *Group) Of(v schemas.Value) (name string, ok bool) {
	if v.Kind == schemas.Null || v.Kind == schemas.Boolean {
		return "", true
	}
	name = strings.ToLower(strings.Join(strings.Fields(v.String()), " "))
	switch {
	case g.Blocked(name):
		return "", true
	case len(name) > longestGroupValue:
		return "", false
	}
	return name, true
}

// groups compiles the kinds of groups.
func (c *compilation) groups() {
	for _, d := range c.of("group") {
		f := d.fields
		g := Group{Name: d.name, Version: d.version, patterns: []string{usual}}
		g.Description = d.describe(&f).description
		node := f.required("by", "p.address")
		g.Limit = f.integer("limit", 2, defaultMembers)
		if f.get("blocked") != nil {
			g.patterns = values(f.texts("blocked"))
		}
		if g.Limit > mostMembers {
			d.refuse(f.nodes["limit"], fmt.Sprintf("a group of %d people is more than can be told on the spot", g.Limit), fmt.Sprintf("choose at most %d", mostMembers))
		}
		f.done("a group")
		g.Blocked = blocked(g.patterns)
		if g.By = c.compile(d, node); g.By == nil {
			continue
		}
		asksOthers := slices.ContainsFunc(g.By.Terms, func(t *expression.Term) bool { return t.Kind != "" })
		if asksOthers || len(g.By.Scores)+len(g.By.Audiences) > 0 {
			d.refuse(node, "who is in a group hangs on more than what the person did and is", "use events(...) and p. only")
		}
		expire := func(t *expression.Term) bool {
			return slices.ContainsFunc(slices.Collect(maps.Keys(c.plan.Expires)), t.LooksAt)
		}
		if slices.ContainsFunc(g.By.Terms, (*expression.Term).Turns) || slices.ContainsFunc(g.By.Terms, expire) {
			// A leaving by time would be told through the loop while others' timers of the same moment run.
			d.refuse(node, "who is in a group would change by the passing of time", "name it by an attribute, or by what an event said last: "+
				"no within(...), then(...), inFor(...), streak, recency or date, and no event that expires")
		}
		c.plan.Groups = append(c.plan.Groups, g)
	}
}
