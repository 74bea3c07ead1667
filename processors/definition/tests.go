package definition

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"kairos/processors/expression"
	"kairos/schemas"
)

// Test is a life that an audience's author wrote down, and when the person in
// it must be a member.
type Test struct {
	Name  string
	Line  int // in its file
	Steps []Step
}

// Step is an event of a test, or what must hold.
type Step struct {
	At    schemas.Instant // when the event is accepted; what must hold does once everything at At has happened
	Who   string          // whom it expects something of, NAMESPACE=VALUE; empty: the only person
	Event string          // as stories say it, behind `at TIME`; empty: it expects
	In    bool            // what it expects
	Place Problem         // where it stands, without a message
}

// tests reads the tests of an audience.
func (d *document) tests(f *fields) []Test {
	var tests []Test
	for i, node := range f.list("tests") {
		g := d.mapping(node)
		t := Test{Name: g.text("name"), Line: d.line + node.Line}
		if t.Name == "" {
			t.Name = fmt.Sprintf("test %d", i+1)
		}
		expects := false
		for _, step := range g.list("steps") {
			if s, ok := d.step(step, t.Steps); ok {
				t.Steps = append(t.Steps, s)
				expects = expects || s.Event == ""
			}
		}
		if g.nodes != nil && !expects {
			d.refuse(node, "the test expects nothing", "add steps such as `2026-03-01T09:00Z purchase` and `2026-03-01T09:00Z in`")
		}
		g.done("a test")
		tests = append(tests, t)
	}
	return tests
}

// step reads one step of a test: TIME EVENT, or TIME [WHO] in or out. A time
// like +30d counts from the step before; +0s is the same time.
func (d *document) step(node *yaml.Node, before []Step) (Step, bool) {
	s := Step{Place: Problem{File: d.file, Line: d.line + node.Line, Column: node.Column}}
	moment, rest, _ := strings.Cut(strings.TrimSpace(node.Value), " ")
	rest = strings.TrimSpace(rest)
	last := Step{}
	if len(before) > 0 {
		last = before[len(before)-1]
	}
	span, relative := strings.CutPrefix(moment, "+")
	ok := node.Kind == yaml.ScalarNode && rest != ""
	if relative && ok {
		length, err := expression.ParseDuration(span)
		s.At, ok = last.At.Add(length), (err == nil || span == "0s") && len(before) > 0
	} else if ok {
		s.At, ok = parseInstant(moment)
	}
	words := strings.Fields(rest)
	switch verdict := slices.Index([]string{"out", "in"}, lastOf(words)); {
	case verdict >= 0 && len(words) == 1:
		s.In = verdict == 1
	case verdict >= 0 && len(words) == 2 && strings.Contains(words[0], "="):
		s.In, s.Who = verdict == 1, words[0]
	default:
		s.Event = rest
	}
	switch {
	case !ok:
		d.refuse(node, fmt.Sprintf("step %q does not begin with a time", node.Value), "write `2026-03-01T09:00Z purchase amount=5`, `2026-03-31 in`, or `+30d out` for a time after the step before")
	case s.At < last.At:
		d.refuse(node, fmt.Sprintf("step %q is before the step above it", node.Value), "put steps in the order of their times; an event that is told late is `TIME purchase happened EARLIER`")
	case len(before) > 0 && s.At == last.At && last.Event == "" && s.Event != "":
		d.refuse(node, "an event follows what was expected at the same time", "what is expected holds once everything at that time has happened: put it below")
	}
	return s, ok
}

func lastOf(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return words[len(words)-1]
}

// Tested is an audience that has tests, with all that they need.
type Tested struct {
	Audience string
	Plan     *Plan // the audience, published, and what it refers to
	Tests    []Test
}

// Tested lists the audiences that have tests, retired ones aside. The error is
// of type [Problems].
func (s *Set) Tested() ([]Tested, error) {
	plan, err := s.Compile()
	if err != nil {
		return nil, err
	}
	var tested []Tested
	for _, d := range s.of("audience") {
		a := plan.Audience(d.name)
		if a == nil || len(a.Tests) == 0 || a.State == Retired {
			continue
		}
		small, err := s.around(d).Compile()
		if err != nil {
			return nil, err
		}
		tested = append(tested, Tested{d.name, small, a.Tests})
	}
	return tested, nil
}

// around is an audience, published, with what it refers to at any remove, and
// the rules: what it takes to evaluate it, however many others there are.
func (s *Set) around(audience *document) *Set {
	wanted := map[string]bool{}
	for queue := []*document{audience}; len(queue) > 0; queue = queue[1:] {
		d := queue[0]
		if wanted[d.kind+"/"+d.name] {
			continue
		}
		wanted[d.kind+"/"+d.name] = true
		for _, used := range d.uses() {
			kind, name, _ := strings.Cut(used, "/")
			if other, there := s.find(kind, name); there {
				queue = append(queue, other)
			}
		}
	}
	small := &Set{}
	for _, d := range s.documents {
		if wanted[d.kind+"/"+d.name] || d.kind == "event" || d.kind == "identity" || d.kind == "profile" {
			part := d.in(small)
			part.release = true
			small.documents = append(small.documents, part)
		}
	}
	return small
}
