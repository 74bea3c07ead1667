package definition

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"kairos/processors/expression"
)

// fields reads the fields of a mapping, each as what it should be. What is
// missing is the zero value; what is wrong is refused at its place.
type fields struct {
	document *document
	node     *yaml.Node
	nodes    map[string]*yaml.Node // values by key; nil: not a mapping
	order    []*yaml.Node          // keys
	used     map[string]bool
}

func (d *document) mapping(node *yaml.Node) fields {
	f := fields{document: d, node: node, used: map[string]bool{}}
	if node.Kind != yaml.MappingNode {
		d.refuse(node, "fields with values are needed here", "write them as `name: value`, one a line")
		return f
	}
	f.nodes = map[string]*yaml.Node{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		if f.nodes[key.Value] != nil {
			d.refuse(key, fmt.Sprintf("field %q is there twice", key.Value), "remove one of them")
		}
		f.nodes[key.Value] = node.Content[i+1]
		f.order = append(f.order, key)
	}
	return f
}

// done refuses what nobody has asked for.
func (f *fields) done(where string) {
	known := slices.Collect(maps.Keys(f.used))
	for _, key := range f.order {
		if !f.used[key.Value] {
			f.document.refuse(key, fmt.Sprintf("%s has no field %q", where, key.Value), suggest(key.Value, known))
		}
	}
}

// get returns the node of a field, nil if it is not there or empty.
func (f *fields) get(name string) *yaml.Node {
	f.used[name] = true
	node := f.nodes[name]
	if node != nil && node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return nil
	}
	return node
}

// scalar returns the node of a field that must be a single value.
func (f *fields) scalar(name string) *yaml.Node {
	node := f.get(name)
	if node != nil && node.Kind != yaml.ScalarNode {
		f.document.refuse(node, fmt.Sprintf("field %q is one value, not several", name), "")
		return nil
	}
	return node
}

func (f *fields) text(name string) string {
	if node := f.scalar(name); node != nil {
		return node.Value
	}
	return ""
}

// required is text that must be there.
func (f *fields) required(name, example string) *yaml.Node {
	node := f.scalar(name)
	if node == nil || strings.TrimSpace(node.Value) == "" {
		f.document.refuse(f.node, fmt.Sprintf("field %q is missing", name), "add a line such as `"+name+": "+example+"`")
		return nil
	}
	return node
}

func (f *fields) number(name string, otherwise float64) float64 {
	node := f.scalar(name)
	if node == nil {
		return otherwise
	}
	x, err := strconv.ParseFloat(strings.ReplaceAll(node.Value, "_", ""), 64)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
		f.document.refuse(node, fmt.Sprintf("field %q is not a number: %q", name, node.Value), "")
		return otherwise
	}
	return x
}

// integer is a whole number from least on.
func (f *fields) integer(name string, least, otherwise int) int {
	node := f.scalar(name)
	if node == nil {
		return otherwise
	}
	const most = 1_000_000
	x, err := strconv.Atoi(strings.ReplaceAll(node.Value, "_", ""))
	if err != nil || x < least || x > most {
		f.document.refuse(node, fmt.Sprintf("field %q is not a whole number from %d to %d: %q", name, least, most, node.Value), "")
		return otherwise
	}
	return x
}

func (f *fields) boolean(name string, otherwise bool) bool {
	node := f.scalar(name)
	switch {
	case node == nil:
		return otherwise
	case node.Value == "true" || node.Value == "false":
		return node.Value == "true"
	}
	f.document.refuse(node, fmt.Sprintf("field %q is neither true nor false: %q", name, node.Value), "")
	return otherwise
}

func (f *fields) duration(name string, otherwise time.Duration) time.Duration {
	node := f.scalar(name)
	if node == nil {
		return otherwise
	}
	d, err := expression.ParseDuration(node.Value)
	if err != nil {
		f.document.refuse(node, err.Error(), "")
		return otherwise
	}
	return d
}

// list returns the nodes of a list.
func (f *fields) list(name string) []*yaml.Node {
	node := f.get(name)
	if node == nil {
		return nil
	}
	if node.Kind != yaml.SequenceNode {
		f.document.refuse(node, fmt.Sprintf("field %q is a list", name), "write it as `"+name+": [a, b]`")
		return nil
	}
	return node.Content
}

// texts returns the nodes of a list of different texts.
func (f *fields) texts(name string) []*yaml.Node {
	var texts []*yaml.Node
	seen := map[string]bool{}
	for _, node := range f.list(name) {
		switch {
		case node.Kind != yaml.ScalarNode:
			f.document.refuse(node, fmt.Sprintf("field %q is a list of texts", name), "")
		case seen[node.Value]:
			f.document.refuse(node, fmt.Sprintf("%q is there twice", node.Value), "remove one of them")
		default:
			texts = append(texts, node)
		}
		seen[node.Value] = true
	}
	return texts
}

// pairs returns the fields of a mapping whose keys people choose, in order.
func (f *fields) pairs(name string) (inner fields, there bool) {
	node := f.get(name)
	if node == nil {
		return fields{}, false
	}
	return f.document.mapping(node), true
}

func values(nodes []*yaml.Node) []string {
	var texts []string
	for _, node := range nodes {
		texts = append(texts, node.Value)
	}
	return texts
}
