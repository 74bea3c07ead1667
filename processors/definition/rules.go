package definition

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"kairos/processors/expression"
)

// DefaultIdentity are the rules where no identity definition is given: what a
// login says is stronger than what a device says, and nobody has two customer
// numbers.
func DefaultIdentity() IdentityRules {
	rules := IdentityRules{MaxIdentifiers: 100, MaxLinks: 200}
	for _, n := range []Namespace{
		{Name: "crm_id", Priority: 100, PerPerson: 1},
		{Name: "user_id", Priority: 90, PerPerson: 1},
		{Name: "email", Priority: 80, PerPerson: 5},
		{Name: "email_sha256", Priority: 75, PerPerson: 5},
		{Name: "phone", Priority: 70, PerPerson: 3},
		{Name: "device_id", Priority: 40},
		{Name: "anonymous_id", Priority: 30},
		{Name: "cookie", Priority: 20},
	} {
		n.Links, n.Blocked = true, blocked([]string{usual})
		rules.Namespaces = append(rules.Namespaces, n)
	}
	return rules
}

// DefaultProfile are the rules where no profile definition is given.
func DefaultProfile() ProfileRules {
	return ProfileRules{
		TimelineEvents: 100, DuplicateWindow: 7 * 24 * time.Hour, ExactPoints: 256,
		Survivorship: map[string]Survivorship{}, SourcePriority: map[string]int{},
	}
}

// identity reads the identity definition.
func (d *document) identity() IdentityRules {
	f, rules := d.fields, DefaultIdentity()
	d.describe(&f)
	rules.MaxIdentifiers = f.integer("max_identifiers", 2, rules.MaxIdentifiers)
	rules.MaxLinks = f.integer("max_links", 1, rules.MaxLinks)
	if nodes := f.list("namespaces"); nodes != nil {
		rules.Namespaces = nil
		seen := map[string]bool{}
		for _, node := range nodes {
			n := d.mapping(node)
			namespace := n.namespace()
			if seen[namespace.Name] {
				d.refuse(node, fmt.Sprintf("namespace %q is there twice", namespace.Name), "remove one of them")
			}
			seen[namespace.Name] = true
			rules.Namespaces = append(rules.Namespaces, namespace)
		}
	}
	f.done("an identity definition")
	slices.SortStableFunc(rules.Namespaces, func(a, b Namespace) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), strings.Compare(a.Name, b.Name))
	})
	return rules
}

func (f *fields) namespace() Namespace {
	n := Namespace{
		Priority:  f.integer("priority", 0, 0),
		PerPerson: f.integer("per_person", 0, 0),
		Links:     f.boolean("links", true),
		Window:    f.duration("window", 0),
		Expires:   f.duration("expires", 0),
		Strict:    f.boolean("strict", false),
		Labels:    values(f.texts("labels")),
	}
	n.Session = f.session(n.Links)
	node := f.required("name", "email")
	n.Country = f.country(node)
	if node != nil {
		if n.Name = node.Value; !goodName.MatchString(n.Name) {
			f.document.refuse(node, fmt.Sprintf("%q is not a name", n.Name), "use letters, digits and _ . - after a letter")
		}
	}
	patterns := []string{usual}
	if f.get("blocked") != nil {
		patterns = values(f.texts("blocked"))
	}
	n.Blocked = blocked(patterns)
	f.done("a namespace")
	return n
}

// usualSession is the gap that ends a session where only `true` is said.
const usualSession = 30 * time.Minute

// session reads how long a device must rest for its session to end.
func (f *fields) session(links bool) time.Duration {
	node := f.scalar("session")
	switch {
	case node == nil || node.Value == "false":
		return 0
	case !links:
		f.document.refuse(node, "a namespace that never links has no sessions", "remove session, or links: false")
		return 0
	case node.Value == "true":
		return usualSession
	}
	gap := f.duration("session", 0)
	if gap%time.Minute != 0 || gap > 24*time.Hour {
		f.document.refuse(node, fmt.Sprintf("field \"session\" is not a gap of 1 to 1440 whole minutes: %q", node.Value), "write true for 30m, or such as \"45m\"")
	}
	return gap
}

// profile reads the profile definition. Its attributes are nil if it lists none.
func (d *document) profile() (ProfileRules, map[string]expression.Type) {
	f, rules := d.fields, DefaultProfile()
	d.describe(&f)
	rules.TimelineEvents = f.integer("timeline", 0, rules.TimelineEvents)
	rules.DuplicateWindow = f.duration("duplicate_window", rules.DuplicateWindow)
	rules.ExactPoints = f.integer("exact_points", 1, rules.ExactPoints)
	if survivorship, there := f.pairs("survivorship"); there {
		for _, key := range survivorship.order {
			if strings.HasPrefix(key.Value, ConsentPrefix) {
				d.refuse(key, fmt.Sprintf("%q is a consent, of which the newest word always counts", key.Value), "remove the line")
			}
			if kind, ok := survivorship.survivorship(key.Value); ok {
				rules.Survivorship[key.Value] = kind
			}
		}
	}
	if sources, there := f.pairs("sources"); there {
		for _, key := range sources.order {
			rules.SourcePriority[key.Value] = sources.integer(key.Value, 0, 0)
		}
	}
	var attributes map[string]expression.Type
	rules.Labels = d.labelled
	if list, there := f.pairs("attributes"); there {
		rules.Types = list.types()
		attributes = maps.Clone(rules.Types)
		for name, kind := range rules.Survivorship {
			if _, listed := attributes[name]; listed && kind == Union {
				attributes[name] = expression.ListType
			}
		}
	}
	f.done("a profile definition")
	return rules, attributes
}

func (f *fields) survivorship(name string) (Survivorship, bool) {
	node := f.scalar(name)
	if node == nil {
		return Newest, false
	}
	words := []string{"newest", "priority", "first", "largest", "union"}
	i := slices.Index(words, node.Value)
	if i < 0 {
		f.document.refuse(node, fmt.Sprintf("unknown survivorship %q", node.Value), suggest(node.Value, words))
		return Newest, false
	}
	return Survivorship(i), true
}

// types reads a mapping from names to words for types.
func (f *fields) types() map[string]expression.Type {
	types := map[string]expression.Type{}
	for _, key := range f.order {
		node := f.scalar(key.Value)
		if node == nil {
			types[key.Value] = expression.AnyType
			continue
		}
		t, ok := expression.TypeOf(node.Value)
		if !ok {
			f.document.refuse(node, fmt.Sprintf("unknown type %q", node.Value), suggest(node.Value, []string{"any", "boolean", "number", "text"}))
		}
		types[key.Value] = t
	}
	return types
}

// event reads an event definition: which fields there are, nil if it does not
// say, and how long such an event counts, 0 for ever.
func (d *document) event() (types map[string]expression.Type, expires time.Duration) {
	f := d.fields
	d.describe(&f)
	if list, there := f.pairs("fields"); there {
		types = list.types()
	}
	expires = f.duration("expires", 0)
	f.done("an event")
	return types, expires
}

// about is what every definition may say of itself.
type about struct {
	description string
	owner       string
	tags        []string
	labels      map[string]string
}

// describe reads the fields that every definition may have.
func (d *document) describe(f *fields) about {
	for _, name := range []string{"kind", "name"} {
		f.used[name] = true
	}
	a := about{strings.TrimSpace(f.text("description")), strings.TrimSpace(f.text("owner")), values(f.texts("tags")), nil}
	if labels, there := f.pairs("labels"); there {
		a.labels = map[string]string{}
		for _, key := range labels.order {
			if d.labelsField(&labels, key.Value) {
				continue
			}
			a.labels[key.Value] = labels.text(key.Value)
		}
	}
	return a
}
