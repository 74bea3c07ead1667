package definition

import (
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// place finds where the character at line and column (from 1) of a scalar's
// value stands in the document: it follows the value through the source, over
// quotes, escapes, indentation and folded lines, which differ in white space
// and backslashes only.
func (d *document) place(node *yaml.Node, line, column int) (atLine, atColumn int) {
	source := newCursor(d.text, node)
	source.skipIndicator(node.Style)
	for _, want := range valueUpTo(node.Value, line, column) {
		if !unicode.IsSpace(want) {
			source.find(want, node.Style)
			source.advance()
		}
	}
	source.skipSpace(node.Style)
	return source.line, source.column
}

// valueUpTo is the part of value before line and column.
func valueUpTo(value string, line, column int) string {
	l, c := 1, 1
	for i, r := range value {
		if l == line && c >= column || l > line {
			return value[:i]
		}
		if c++; r == '\n' {
			l, c = l+1, 1
		}
	}
	return value
}

type cursor struct {
	rest         []rune
	line, column int
}

// newCursor stands at the beginning of node.
func newCursor(text string, node *yaml.Node) *cursor {
	c := &cursor{rest: []rune(text), line: 1, column: 1}
	for len(c.rest) > 0 && (c.line < node.Line || c.line == node.Line && c.column < node.Column) {
		c.advance()
	}
	return c
}

func (c *cursor) advance() {
	if len(c.rest) == 0 {
		return
	}
	if c.column++; c.rest[0] == '\n' {
		c.line, c.column = c.line+1, 1
	}
	c.rest = c.rest[1:]
}

// skipIndicator moves over the opening quote, or the line of a block's `|`.
func (c *cursor) skipIndicator(style yaml.Style) {
	switch {
	case style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		c.advance()
	case style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		for line := c.line; c.line == line && len(c.rest) > 0; {
			c.advance()
		}
	}
}

// skipSpace moves to the next character that is no white space or escape.
func (c *cursor) skipSpace(style yaml.Style) {
	escapes := style&yaml.DoubleQuotedStyle != 0
	for len(c.rest) > 1 && (unicode.IsSpace(c.rest[0]) || escapes && c.rest[0] == '\\') {
		c.advance()
	}
}

// find moves to want, if it comes before anything else that counts.
func (c *cursor) find(want rune, style yaml.Style) {
	c.skipSpace(style)
	if style&yaml.SingleQuotedStyle != 0 && want == '\'' && strings.HasPrefix(string(c.rest[:min(2, len(c.rest))]), "''") {
		c.advance()
	}
}
