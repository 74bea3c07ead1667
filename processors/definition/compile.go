package definition

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"kairos/processors/expression"
)

// Compile checks the definitions together and compiles them. The error is of
// type [Problems].
func (s *Set) Compile() (*Plan, error) { return s.compile(false) }

// Follow is Compile for definitions that are published already, and were checked
// before. Should policies refuse some of it all the same, the others are followed:
// the plan says what they refuse ([Plan.Refusals]), and nobody is told that.
func (s *Set) Follow() (*Plan, error) { return s.compile(true) }

func (s *Set) compile(published bool) (*Plan, error) {
	c := &compilation{Set: s.With(&Set{}), plan: &Plan{Identity: DefaultIdentity(), Profile: DefaultProfile()}, reads: newReads()}
	if err := c.prepare(); err != nil {
		return nil, err
	}
	c.mappings()
	c.plan.Labels.mapped(c.plan.Mappings)
	c.features()
	c.groups()
	c.models()
	c.modelReads()
	c.audiences()
	c.dwells()
	c.destinations()
	if c.policies(); !published {
		c.refuseForbidden()
	}
	c.sources()
	if err := c.problems.asError(); err != nil {
		return nil, err
	}
	c.plan.Terms, c.plan.Series = c.environment.Terms.All(), c.environment.Terms.AllSeries()
	c.plan.expire()
	return c.plan, nil
}

// compilation is a set that is becoming a plan. Its problems are its own.
type compilation struct {
	*Set
	plan        *Plan
	environment expression.Environment
	compiler    *expression.Compiler
	drafts      *expression.Compiler // its terms are nobody's business yet
	states      map[string]State     // of audiences
	reads       reads                // labelled fields that named things look at
	byScores    map[string]bool      // audiences that use scores
}

// prepare reads the rules and what expressions may speak of.
func (c *compilation) prepare() error {
	e := &c.environment
	e.Terms, e.Features = expression.NewTerms(), map[string]*expression.Expression{}
	e.Audiences, e.Models, e.Groups = c.names("audience"), c.names("model"), c.names("group")
	if events := c.of("event"); len(events) > 0 {
		e.Events = map[string]map[string]expression.Type{}
		c.plan.Expires = map[string]time.Duration{}
		for _, d := range events {
			types, expires := d.event()
			c.plan.Labels.event(d.name, d.labelled)
			if e.Events[d.name] = types; expires > 0 {
				c.plan.Expires[d.name] = expires
			}
		}
		c.plan.Events = e.Events
	}
	if d, there := c.find("identity", "identity"); there {
		c.plan.Identity = d.identity()
	}
	if d, there := c.find("profile", "profile"); there {
		c.plan.Profile, e.Attributes = d.profile()
	}
	c.plan.Labels.known(c.plan)
	c.readStates()
	var err error
	if c.compiler, err = expression.NewCompiler(*e); err != nil {
		return err
	}
	draft := *e
	draft.Terms = expression.NewTerms()
	c.drafts, err = expression.NewCompiler(draft)
	return err
}

// compile compiles the expression in node; problems point into the file.
func (c *compilation) compile(d *document, node *yaml.Node) *expression.Expression {
	if node == nil {
		return nil
	}
	compiler := c.compiler
	if d.kind == "audience" && c.states[d.name] == Draft {
		compiler = c.drafts
	}
	compiled, err := compiler.Compile(node.Value)
	var problems expression.Problems
	switch {
	case err == nil:
		c.refuseIdle(d, node, compiled)
		c.refuseForgotten(d, node, compiled)
		return compiled
	case errors.As(err, &problems):
		for _, p := range problems {
			line, column := d.place(node, p.Line, p.Column)
			d.note(line, column, p.Message, p.Next)
		}
	default:
		d.refuse(node, err.Error(), "")
	}
	return nil
}

// features compiles the named features, each after those it uses.
func (c *compilation) features() {
	documents := c.of("feature")
	uses := map[string][]string{}
	for _, d := range documents {
		if node := d.fields.scalar("value"); node != nil {
			uses[d.name] = expression.FeaturesOf(node.Value)
		}
	}
	order, cycle := sorted(c.names("feature"), uses)
	c.refuseCycle("feature", "value", cycle)
	for _, name := range order {
		d, _ := c.find("feature", name)
		f := d.fields
		description := d.describe(&f).description
		node := f.required("value", `events("purchase").sum("amount")`)
		f.done("a feature")
		if compiled := c.compile(d, node); compiled != nil {
			c.environment.Features[name] = compiled
			c.plan.Features = append(c.plan.Features, Feature{name, description, compiled})
			c.reads.features[name] = c.readsOf(node.Value)
		}
	}
	slices.SortFunc(c.plan.Features, func(a, b Feature) int { return strings.Compare(a.Name, b.Name) })
}

// refuseModelsOfScores refuses models that look at audiences which look at
// scores: a score would change its own inputs.
func (c *compilation) refuseModelsOfScores() {
	for _, m := range c.plan.Models {
		d, _ := c.find("model", m.Name)
		for i, in := range m.Inputs {
			for _, audience := range in.Expression.Audiences {
				if c.byScores[audience] {
					d.refuse(d.inputNode(i), fmt.Sprintf("model %q looks at audience %q, which looks at scores", m.Name, audience),
						"use an audience without scores, or write its condition out")
				}
			}
		}
	}
}

// sorted returns names so that each comes after those it uses, otherwise in
// their order; or a cycle, from a name back to itself.
func sorted(names []string, uses map[string][]string) (order, cycle []string) {
	const visiting, done = 1, 2
	state := map[string]int{}
	var path []string
	var visit func(name string) bool
	visit = func(name string) bool {
		switch state[name] {
		case done:
			return true
		case visiting:
			cycle = append(slices.Clone(path[slices.Index(path, name):]), name)
			return false
		}
		state[name] = visiting
		path = append(path, name)
		for _, other := range uses[name] {
			if contains(names, other) && !visit(other) {
				return false
			}
		}
		path = path[:len(path)-1]
		state[name] = done
		order = append(order, name)
		return true
	}
	for _, name := range names {
		if !visit(name) {
			return order, cycle
		}
	}
	return order, nil
}

func (c *compilation) refuseCycle(kind, field string, cycle []string) {
	if cycle == nil {
		return
	}
	d, _ := c.find(kind, cycle[0])
	d.refuse(d.fields.nodes[field], fmt.Sprintf("%s %q refers to itself: %s", kind, cycle[0], strings.Join(cycle, " -> ")),
		"take one of these references out")
}

func (c *compilation) destinations() {
	for _, d := range c.of("destination") {
		f := d.fields
		t := Destination{Name: d.name, Version: d.version}
		t.Description = d.describe(&f).description
		audiences := f.texts("audiences")
		c.known(d, audiences, "audience", c.names("audience"))
		identifiers := f.texts("identifiers")
		c.known(d, identifiers, "namespace", c.namespaces())
		t.Identifiers = values(identifiers)
		hash := f.texts("hash")
		c.known(d, hash, "identifier of this destination", t.Identifiers)
		attributes, consent := f.texts("attributes"), f.texts("consent")
		if known := c.environment.Attributes; known != nil {
			c.known(d, attributes, "attribute", slices.Sorted(maps.Keys(known)))
			c.consent(d, consent)
		}
		t.Presumed = d.presumed(&f, consent)
		t.Actions = values(f.texts("actions"))
		f.done("a destination")
		t.Audiences, t.Hash, t.Attributes, t.Consent = values(audiences), values(hash), values(attributes), values(consent)
		slices.Sort(t.Audiences)
		c.plan.Destinations = append(c.plan.Destinations, t)
	}
}

// known refuses texts that are not among the known ones.
func (c *compilation) known(d *document, nodes []*yaml.Node, what string, known []string) {
	for _, node := range nodes {
		if !contains(known, node.Value) {
			d.refuse(node, fmt.Sprintf("unknown %s %q", what, node.Value), suggest(node.Value, known))
		}
	}
}

// presumed reads what silence about a purpose means.
func (d *document) presumed(f *fields, purposes []*yaml.Node) bool {
	node := f.scalar("without_consent")
	switch {
	case node == nil:
		return false
	case node.Value != "refuse" && node.Value != "allow":
		d.refuse(node, fmt.Sprintf("field \"without_consent\" is neither refuse nor allow: %q", node.Value), suggest(node.Value, []string{"refuse", "allow"}))
	case len(purposes) == 0:
		d.refuse(node, "without_consent says what silence means, but no purpose is named", "name purposes under `consent`, or remove the line")
	}
	return node.Value == "allow"
}

// consent refuses purposes for which no attribute says whether the person agrees.
func (c *compilation) consent(d *document, purposes []*yaml.Node) {
	for _, node := range purposes {
		attribute := "consent." + node.Value
		if t, there := c.environment.Attributes[attribute]; !there || t != expression.BooleanType && t != expression.AnyType {
			d.refuse(node, fmt.Sprintf("consent %q needs the boolean attribute %q", node.Value, attribute),
				"add `"+attribute+": boolean` to the attributes of the profile definition")
		}
	}
}

func (c *compilation) namespaces() []string {
	var names []string
	for _, n := range c.plan.Identity.Namespaces {
		names = append(names, n.Name)
	}
	return names
}
