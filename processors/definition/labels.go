package definition

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"kairos/processors/expression"
)

// Policy refuses data with a label for marketing actions.
type Policy struct {
	Name        string
	Description string
	Label       string
	Actions     []string
}

// FieldLabels say what kind of data fields hold. "*" is the event itself: that
// it happened.
type FieldLabels struct {
	Events      map[string]map[string][]string // by event name ("": any) and field
	Attributes  map[string][]string
	Identifiers map[string][]string // by namespace
}

func (l *FieldLabels) event(name string, labels map[string][]string) {
	if len(labels) == 0 {
		return
	}
	if l.Events == nil {
		l.Events = map[string]map[string][]string{}
	}
	l.Events[name] = add(l.Events[name], labels)
}

// add unites labels.
func add(known, more map[string][]string) map[string][]string {
	all := map[string][]string{}
	for _, labels := range []map[string][]string{known, more} {
		for field, list := range labels {
			list = slices.Concat(all[field], list)
			slices.Sort(list)
			all[field] = slices.Compact(list)
		}
	}
	return all
}

// known takes over what the profile and identity definitions say.
func (l *FieldLabels) known(p *Plan) {
	l.Attributes = add(l.Attributes, p.Profile.Labels)
	for _, n := range p.Identity.Namespaces {
		l.Identifiers = add(l.Identifiers, map[string][]string{n.Name: n.Labels})
	}
}

// mapped takes over what mappings say, which have it from foreign schemas.
func (l *FieldLabels) mapped(mappings []Mapping) {
	for i := range mappings {
		m := &mappings[i]
		for name, labels := range m.Labels {
			one := map[string][]string{name: labels}
			is := func(f MappedField) bool { return f.Name == name }
			switch {
			case slices.ContainsFunc(m.Identifiers, is):
				l.Identifiers = add(l.Identifiers, one)
			case slices.ContainsFunc(m.Attributes, is):
				l.Attributes = add(l.Attributes, one)
			default:
				l.event(m.Event, one)
			}
		}
	}
}

// Labelled is a label and the field that carries it, as people write it.
type Labelled struct {
	Label string
	Field string // such as `events(visit).diagnosis`, `p.country`, `identifier email`
}

func compareLabelled(a, b Labelled) int {
	return cmp.Or(strings.Compare(a.Label, b.Label), strings.Compare(a.Field, b.Field))
}

func union(all []Labelled) []Labelled {
	slices.SortFunc(all, compareLabelled)
	return slices.Compact(all)
}

// reads are the labelled fields that named things look at, themselves or
// through others.
type reads struct {
	features, models, audiences map[string][]Labelled
}

func newReads() reads {
	return reads{map[string][]Labelled{}, map[string][]Labelled{}, map[string][]Labelled{}}
}

// labelsField reads the labels of a field: a list, where a definition has fields.
func (d *document) labelsField(labels *fields, name string) bool {
	node := labels.nodes[name]
	if node == nil || node.Kind != yaml.SequenceNode || d.kind != "event" && d.kind != "profile" {
		return false
	}
	if d.labelled == nil {
		d.labelled = map[string][]string{}
	}
	d.labelled[name] = values(labels.texts(name))
	return true
}

// readsOf lists the labelled fields that an expression looks at. A field counts
// for every event that the expression speaks of: rather one too many.
func (c *compilation) readsOf(source string) []Labelled {
	m := expression.MentionsOf(source)
	var all []Labelled
	add := func(field string, labels []string) {
		for _, label := range labels {
			all = append(all, Labelled{label, field})
		}
	}
	for event, fields := range c.plan.Labels.Events {
		if len(m.Events) == 0 || event != "" && !contains(m.Events, event) && !contains(m.Events, "") {
			continue
		}
		add("events("+event+")", fields["*"])
		for _, field := range m.Fields {
			if field != "*" {
				add("events("+event+")."+field, fields[field])
			}
		}
	}
	for _, name := range m.Attributes {
		add("p."+name, c.plan.Labels.Attributes[name])
	}
	for _, name := range m.Features {
		all = append(all, c.reads.features[name]...)
	}
	for _, name := range m.Models {
		all = append(all, c.reads.models[name]...)
	}
	for _, name := range m.Audiences {
		all = append(all, c.reads.audiences[name]...)
	}
	return union(all)
}

// policies reads the policies.
func (c *compilation) policies() {
	for _, d := range c.of("policy") {
		f := d.fields
		p := Policy{Name: d.name, Description: d.describe(&f).description}
		if node := f.required("label", "C2"); node != nil {
			p.Label = node.Value
		}
		if p.Actions = values(f.texts("actions")); len(p.Actions) == 0 {
			d.refuse(f.node, "field \"actions\" is missing", "add a line such as `actions: [advertising]`: what data with the label must not be used for")
		}
		f.done("a policy")
		c.plan.Policies = append(c.plan.Policies, p)
	}
}

// refuseForbidden refuses destinations that policies forbid.
func (c *compilation) refuseForbidden() {
	for i := range c.plan.Destinations {
		t := &c.plan.Destinations[i]
		d, _ := c.find("destination", t.Name)
		for _, r := range c.plan.Refusals(t) {
			node := d.fields.nodes[r.Part]
			for _, item := range node.Content {
				if item.Value == r.Name {
					node = item
				}
			}
			d.refuse(node, r.Say(t), r.next())
		}
	}
}

// Refusal is a part of a destination that a policy forbids.
type Refusal struct {
	Policy string
	Action string
	Part   string // audiences, attributes or identifiers
	Name   string // the one of these
	Labelled
}

// Say names the policy, the label, the field and what looks at it.
func (r Refusal) Say(d *Destination) string {
	return fmt.Sprintf("policy %q refuses %s for %s, which destination %q is for: %s", r.Policy, r.Label, r.Action, d.Name, r.why())
}

func (r Refusal) why() string {
	if r.Part == "audiences" {
		return fmt.Sprintf("audience %q looks at %s", r.Name, r.Field)
	}
	return fmt.Sprintf("it is told %s", r.Field)
}

func (r Refusal) next() string {
	if r.Part == "audiences" {
		return "take the audience out, or let it look at something else"
	}
	return "take it out of " + r.Part
}

// Refusals lists what policies forbid of a destination. A plan that was compiled
// has none; one that is followed may: whoever emits asks again.
func (p *Plan) Refusals(d *Destination) []Refusal {
	var all []Refusal
	for _, policy := range p.Policies {
		i := slices.IndexFunc(d.Actions, func(action string) bool { return contains(policy.Actions, action) })
		if i < 0 {
			continue
		}
		check := func(part, name string, reads []Labelled) {
			for _, r := range reads {
				if r.Label == policy.Label {
					all = append(all, Refusal{policy.Name, d.Actions[i], part, name, r})
					return // one reason is enough
				}
			}
		}
		for _, name := range d.Audiences {
			if a := p.Audience(name); a != nil {
				check("audiences", name, a.Reads)
			}
		}
		for _, name := range d.Attributes {
			check("attributes", name, labelled("p."+name, p.Labels.Attributes[name]))
		}
		for _, name := range d.Identifiers {
			check("identifiers", name, labelled("identifier "+name, p.Labels.Identifiers[name]))
		}
	}
	return all
}

// Forbidden says what policies refuse to destinations. Definitions that came by
// `kairos apply` hold nothing of the kind.
func (p *Plan) Forbidden() []string {
	var all []string
	for i := range p.Destinations {
		d := &p.Destinations[i]
		for _, r := range p.Refusals(d) {
			all = append(all, r.Say(d))
		}
	}
	return all
}

func labelled(field string, labels []string) []Labelled {
	var all []Labelled
	for _, label := range labels {
		all = append(all, Labelled{label, field})
	}
	return all
}

// modelReads notes what a model looks at.
func (c *compilation) modelReads() {
	for _, m := range c.plan.Models {
		var all []Labelled
		for _, in := range m.Inputs {
			all = append(all, c.readsOf(in.Expression.Source)...)
		}
		c.reads.models[m.Name] = union(all)
	}
}
