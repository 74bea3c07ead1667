package definition

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"kairos/processors/expression"
	"kairos/schemas"
)

// readStates finds out what is to become of each audience, which decides what
// may refer to it.
func (c *compilation) readStates() {
	c.states = map[string]State{}
	for _, d := range c.of("audience") {
		f := d.fields
		node := f.scalar("state")
		if node == nil {
			continue
		}
		i := slices.Index(stateWords, node.Value)
		switch {
		case i < 0:
			d.refuse(node, fmt.Sprintf("unknown state %q", node.Value), suggest(node.Value, stateWords))
		case d.release && State(i) != Retired:
		default:
			c.states[d.name] = State(i)
		}
	}
}

// refuseIdle refuses references to audiences that are evaluated for nobody,
// except from one that is not evaluated either.
func (c *compilation) refuseIdle(d *document, node *yaml.Node, e *expression.Expression) {
	if d.kind == "audience" && c.states[d.name] == Draft {
		return
	}
	for _, name := range references(e) {
		switch c.states[name] {
		case Draft:
			d.refuse(node, fmt.Sprintf("%s %q refers to audience %q, which is a draft", d.kind, d.name, name), "publish that one too, or take the reference out")
		case Retired:
			d.refuse(node, fmt.Sprintf("%s %q refers to audience %q, which is retired", d.kind, d.name, name), "take the reference out")
		}
	}
}

// references lists the audiences that e speaks of.
func references(e *expression.Expression) []string {
	names := slices.Clip(e.Audiences)
	for _, t := range e.Terms {
		if t.Dwell != nil {
			names = append(names, t.Dwell.Audience)
		}
	}
	return names
}

// audiences compiles the audiences and sorts them so that each comes after
// those it refers to.
func (c *compilation) audiences() {
	read := map[string]Audience{}
	uses := map[string][]string{}
	for _, d := range c.of("audience") {
		if a, ok := c.audience(d); ok {
			read[d.name] = a
			if a.Expression != nil {
				uses[d.name] = references(a.Expression)
			}
		}
	}
	order, cycle := sorted(c.names("audience"), uses)
	c.refuseCycle("audience", "when", cycle)
	c.byScores = map[string]bool{}
	for _, name := range order {
		a, ok := read[name]
		if !ok {
			continue
		}
		if a.State == Retired {
			c.plan.Retired = append(c.plan.Retired, a)
			continue
		}
		a.UsesScores = len(a.Expression.Scores) > 0
		for _, other := range a.Expression.Audiences {
			a.UsesScores = a.UsesScores || c.byScores[other]
		}
		c.byScores[name] = a.UsesScores
		a.Reads = c.readsOf(a.Expression.Source)
		c.reads.audiences[name] = a.Reads
		if a.State == Draft {
			c.plan.Drafts = append(c.plan.Drafts, a)
		} else {
			c.plan.Audiences = append(c.plan.Audiences, a)
		}
	}
	c.refuseModelsOfScores()
}

// audience reads one audience. What a retired one once asked for may be gone.
func (c *compilation) audience(d *document) (Audience, bool) {
	f := d.fields
	about := d.describe(&f)
	a := Audience{
		Name: d.name, Version: d.version, Description: about.description, Owner: about.owner, Tags: about.tags, Labels: about.labels,
		State: c.states[d.name],
	}
	f.used["state"] = true
	node := f.required("when", `events("purchase").any()`)
	if schedule, there := f.pairs("schedule"); there {
		a.From, a.Until = schedule.instant("from"), schedule.instant("until")
		schedule.done("a schedule")
		if a.Until != 0 && a.Until <= a.From {
			d.refuse(schedule.nodes["until"], "the schedule ends before it begins", "write a later time")
		}
	}
	a.Tests = d.tests(&f)
	f.done("an audience")
	if a.State == Retired {
		return a, true
	}
	if a.Expression = c.compile(d, node); a.Expression == nil {
		return a, false
	}
	if t := a.Expression.Type; t != expression.BooleanType && t != expression.AnyType {
		d.refuse(node, fmt.Sprintf("the condition is a %s, not a boolean", t), "compare it with something")
	}
	return a, true
}

// instant is a point in time; 0 if it is not there. A day begins at midnight UTC.
func (f *fields) instant(name string) schemas.Instant {
	node := f.scalar(name)
	if node == nil {
		return 0
	}
	if t, ok := parseInstant(node.Value); ok {
		return t
	}
	f.document.refuse(node, fmt.Sprintf("field %q is not a time: %q", name, node.Value),
		howToWriteTimes)
	return 0
}

const howToWriteTimes = "write it as 2026-12-01 (midnight UTC), 2026-12-01T09:00Z or 2026-12-01T09:00+01:00"

func parseInstant(text string) (schemas.Instant, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", time.DateOnly} {
		if t, err := time.Parse(layout, strings.TrimSpace(text)); err == nil && t.UnixMilli() > 0 {
			return schemas.InstantOf(t), true
		}
	}
	return 0, false
}

// Audience finds an audience in whatever state it is; nil if there is none.
func (p *Plan) Audience(name string) *Audience {
	for _, all := range [][]Audience{p.Audiences, p.Drafts, p.Retired} {
		for i := range all {
			if all[i].Name == name {
				return &all[i]
			}
		}
	}
	return nil
}

// Preview compiles the definitions as if an audience, and the drafts that it
// refers to, were published. The error is of type [Problems].
func (s *Set) Preview(audience string) (*Plan, error) {
	plan, err := s.Compile()
	if err != nil {
		return nil, err
	}
	released := s.With(&Set{})
	for names := []string{audience}; len(names) > 0; names = names[1:] {
		a := plan.Audience(names[0])
		d, there := released.find("audience", names[0])
		if !there || a == nil || a.State != Draft || d.release {
			continue
		}
		d.release = true
		names = append(names, references(a.Expression)...)
	}
	return released.Compile()
}
