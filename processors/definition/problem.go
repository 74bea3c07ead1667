package definition

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"kairos/processors/expression"
)

// Problem is one reason why a definition is refused.
type Problem struct {
	File         string
	Line, Column int // in File, from 1
	Message      string
	Next         string // what to do about it; empty when the message says it
}

// String shows p as one line, in the form that editors jump to.
func (p Problem) String() string {
	text := fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
	if p.Next != "" {
		text += "; " + p.Next
	}
	return text
}

// Problems is everything that was found wrong, in reading order.
type Problems []Problem

// Error lists the problems, one a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// asError returns the problems in reading order, or nil if there are none.
func (ps Problems) asError() error {
	if len(ps) == 0 {
		return nil
	}
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return ps
}

func suggest(name string, known []string) string { return expression.Suggest(name, known) }
