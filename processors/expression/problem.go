package expression

import (
	"fmt"
	"strings"
)

// Problem is one reason why a text is refused. Line and Column count from 1
// and point into the text that was compiled.
type Problem struct {
	Line, Column int
	Message      string // what is wrong
	Next         string // what to do about it; empty when the message says it
}

// String shows p as one line.
func (p Problem) String() string {
	text := fmt.Sprintf("%d:%d: %s", p.Line, p.Column, p.Message)
	if p.Next != "" {
		text += "; " + p.Next
	}
	return text
}

// Problems is everything that was found wrong with a text, in reading order.
type Problems []Problem

// Error lists the problems, one a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}
