package definition

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

const largestFile = 4 << 20 // a model's trees are long

// document is one definition as it was written.
type document struct {
	file    string
	line    int    // where it begins in file, from 0
	text    string // without what separates it from others
	kind    string
	name    string
	version int64
	fields  fields
	release bool // it is to be taken as if it were published, unless it is retired
	set     *Set // where problems go

	labelled map[string][]string // labels by field, of an event or of the profile
}

var separator = regexp.MustCompile(`(?m)^---[ \t]*(?:#.*)?$\n?`)

// split cuts a file into its documents. Three dashes at the start of a line
// end a document in YAML wherever they stand, in block texts too.
func split(file, text string) []*document {
	var documents []*document
	add := func(from, to int) {
		part := text[from:to]
		if trimmed := strings.TrimLeft(part, "\n"); strings.TrimSpace(trimmed) != "" {
			from = to - len(trimmed)
			documents = append(documents, &document{
				file: file, line: strings.Count(text[:from], "\n"), text: strings.TrimRight(trimmed, " \t\n") + "\n",
			})
		}
	}
	begin := 0
	for _, at := range separator.FindAllStringIndex(text, -1) {
		add(begin, at[0])
		begin = at[1]
	}
	add(begin, len(text))
	return documents
}

// read parses d and finds its kind and name. It reports whether d defines
// anything: a document may hold only comments.
func (d *document) read() bool {
	var root, more yaml.Node
	decoder := yaml.NewDecoder(strings.NewReader(d.text))
	if err := decoder.Decode(&root); errors.Is(err, io.EOF) {
		return false
	} else if err != nil {
		d.refuseSyntax(err)
		return false
	}
	if err := decoder.Decode(&more); err == nil {
		d.refuse(&more, "another definition begins here", "write --- on a line of its own before it")
		return false
	} else if !errors.Is(err, io.EOF) {
		d.refuseSyntax(err)
		return false
	}
	if len(root.Content) == 0 || root.Content[0].Tag == "!!null" {
		return false
	}
	if cyclic := aliased(root.Content[0]); cyclic != nil {
		d.refuse(cyclic, "aliases are not part of definitions", "write the value out")
		return false
	}
	d.fields = d.mapping(root.Content[0])
	if d.fields.nodes == nil {
		return false
	}
	d.kind = d.fields.text("kind")
	if node := d.fields.nodes["kind"]; !contains(kinds, d.kind) {
		if node == nil {
			node = root.Content[0]
		}
		d.refuse(node, fmt.Sprintf("unknown kind %q", d.kind), suggest(d.kind, kinds))
		return false
	}
	d.readName(root.Content[0])
	return true
}

var goodName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,99}$`)

func (d *document) readName(root *yaml.Node) {
	node := d.fields.nodes["name"]
	switch d.name = d.fields.text("name"); {
	case d.kind == "identity" || d.kind == "profile":
		if d.name != "" && d.name != d.kind {
			d.refuse(node, fmt.Sprintf("there is one %s definition only, which is called %q", d.kind, d.kind), "leave the name out")
		}
		d.name = d.kind
	case node == nil:
		d.refuse(root, "the "+d.kind+" has no name", "add a line such as `name: winback`")
	case !goodName.MatchString(d.name):
		d.refuse(node, fmt.Sprintf("%q is not a name", d.name), "use up to 100 letters, digits and _ . - after a letter")
	}
}

// aliased finds an alias below node: it could make a small file very large.
func aliased(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node
	}
	for _, child := range node.Content {
		if found := aliased(child); found != nil {
			return found
		}
	}
	return nil
}

var syntaxMessage = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

func (d *document) refuseSyntax(err error) {
	message, line := err.Error(), 0
	if m := syntaxMessage.FindStringSubmatch(message); m != nil {
		message = m[2]
		_, _ = fmt.Sscan(m[1], &line) // without a line it stays 0
	}
	d.note(line, 1, "not valid YAML: "+message, "check indentation and quotes there")
}

// refuse notes a problem at node.
func (d *document) refuse(node *yaml.Node, message, next string) {
	line, column := 1, 1
	if node != nil {
		line, column = node.Line, node.Column
	}
	d.note(line, column, message, next)
}

// note notes a problem at a place in the document. YAML counts more characters
// as ends of lines than editors do; a line that is not there is the last one.
func (d *document) note(line, column int, message, next string) {
	line = min(max(line, 1), strings.Count(d.text, "\n"))
	d.set.problems = append(d.set.problems, Problem{d.file, d.line + line, column, message, next})
}
