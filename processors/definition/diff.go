package definition

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"kairos/processors/expression"
)

// Difference is one definition that a change makes, edits or takes back.
type Difference struct {
	Kind    string        `json:"kind"`
	Name    string        `json:"name"`
	What    What          `json:"what"`
	Version int64         `json:"version"` // that it will have
	Fields  []FieldChange `json:"fields"`  // of one that is edited; none: only comments or spelling
	Used    []string      `json:"used"`    // what depends on it, at one or more removes, as kind and name
}

// FieldChange is a field before and after; what is not there is empty.
type FieldChange struct {
	Name   string `json:"name"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// What happens to a definition.
type What string

// What may happen.
const (
	New       What = "new"
	Changed   What = "changed"
	Withdrawn What = "withdrawn"
)

// Differences says what publishing after would change, where before is what is
// published, in the order of kind and name.
func Differences(before, after *Set) []Difference {
	uses := dependents(before, after)
	differences := []Difference{}
	for _, d := range after.documents {
		old, known := before.find(d.kind, d.name)
		switch {
		case !known:
			differences = append(differences, Difference{d.kind, d.name, New, d.version, []FieldChange{}, uses.of(d)})
		case old.text != d.text:
			differences = append(differences, Difference{d.kind, d.name, Changed, old.version + 1, fieldChanges(old, d), uses.of(d)})
		}
	}
	for _, d := range before.documents {
		if _, stays := after.find(d.kind, d.name); !stays {
			differences = append(differences, Difference{d.kind, d.name, Withdrawn, d.version + 1, []FieldChange{}, uses.of(d)})
		}
	}
	slices.SortFunc(differences, func(a, b Difference) int { return strings.Compare(a.Kind+"/"+a.Name, b.Kind+"/"+b.Name) })
	return differences
}

func fieldChanges(before, after *document) []FieldChange {
	changes := []FieldChange{}
	names := slices.Collect(maps.Keys(after.fields.nodes))
	for name := range before.fields.nodes {
		if after.fields.nodes[name] == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if was, is := shown(before.fields.nodes[name]), shown(after.fields.nodes[name]); was != is {
			changes = append(changes, FieldChange{name, was, is})
		}
	}
	return changes
}

// shown is the value of a field as text: a condition as its author laid it
// out, everything else on one line.
func shown(node *yaml.Node) string {
	if node == nil {
		return ""
	}
	switch node.Kind {
	case yaml.ScalarNode:
		return strings.TrimSpace(node.Value)
	case yaml.SequenceNode:
		parts := make([]string, len(node.Content))
		for i, child := range node.Content {
			parts[i] = shown(child)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case yaml.MappingNode:
		var parts []string
		for i := 0; i+1 < len(node.Content); i += 2 {
			parts = append(parts, node.Content[i].Value+": "+shown(node.Content[i+1]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return ""
}

// usage says who uses a definition directly, by kind/name.
type usage map[string]map[string]bool

// dependents reads who uses whom in any of the sets, from their texts: one
// that is refused has an answer too.
func dependents(sets ...*Set) usage {
	u := usage{}
	for _, s := range sets {
		for _, d := range s.documents {
			for _, used := range d.uses() {
				if u[used] == nil {
					u[used] = map[string]bool{}
				}
				u[used][d.kind+"/"+d.name] = true
			}
		}
	}
	return u
}

// uses lists what a definition refers to, by kind/name.
func (d *document) uses() []string {
	var used []string
	for _, source := range d.expressions() {
		e := expression.MentionsOf(source)
		for kind, names := range map[string][]string{"audience": e.Audiences, "event": e.Events, "feature": e.Features, "model": e.Models} {
			for _, name := range names {
				used = append(used, kind+"/"+name)
			}
		}
	}
	if list := d.fields.nodes["audiences"]; d.kind == "destination" && list != nil {
		for _, node := range list.Content {
			used = append(used, "audience/"+node.Value)
		}
	}
	return used
}

// expressions are the texts of a definition that are in the language.
func (d *document) expressions() []string {
	var sources []string
	add := func(node *yaml.Node) {
		if node != nil && node.Kind == yaml.ScalarNode {
			sources = append(sources, node.Value)
		}
	}
	switch d.kind {
	case "audience":
		add(d.fields.nodes["when"])
	case "feature":
		add(d.fields.nodes["value"])
	case "model":
		if list := d.fields.nodes["inputs"]; list != nil {
			for _, in := range list.Content {
				for i := 0; i+1 < len(in.Content); i += 2 {
					if in.Content[i].Value == "value" {
						add(in.Content[i+1])
					}
				}
			}
		}
	}
	return sources
}

// of lists what depends on d, directly or not.
func (u usage) of(d *document) []string {
	found := map[string]bool{}
	for queue := []string{d.kind + "/" + d.name}; len(queue) > 0; queue = queue[1:] {
		for user := range u[queue[0]] {
			if !found[user] {
				found[user] = true
				queue = append(queue, user)
			}
		}
	}
	delete(found, d.kind+"/"+d.name)
	users := make([]string, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		users = append(users, strings.Replace(name, "/", " ", 1))
	}
	return users
}
