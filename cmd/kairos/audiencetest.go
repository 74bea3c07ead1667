package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"kairos/cmd/internal/screen"
	"kairos/processors/definition"
	"kairos/processors/flow"
	"kairos/processors/scenario"
)

type audienceTest struct {
	File string `short:"f" required:"" placeholder:"DIR" help:"Folder with definitions, or one file."`
	JSON bool   `name:"json" help:"For machines."`
}

func (c *audienceTest) Help() string {
	return `Plays the tests that audiences carry, through the stages themselves, in time of its own.
Needs no Kafka. Exit code 3 if one fails; "kairos apply" refuses such definitions.`
}

// testResult is what came of one test.
type testResult struct {
	Audience string        `json:"audience"`
	Test     string        `json:"test"`
	Passed   bool          `json:"passed"`
	Problems []testProblem `json:"problems"`
}

type testProblem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
	Next    string `json:"next,omitempty"`
}

func (c *audienceTest) Run(p *process) error {
	apply := applyCommand{File: c.File}
	set, err := apply.load()
	if err != nil {
		return err
	}
	results := []testResult{}
	failed := 0
	err = checkAll(set, func(audience, test string, problems definition.Problems) {
		r := testResult{audience, test, len(problems) == 0, []testProblem{}}
		for _, q := range problems {
			q.File = apply.path(q.File)
			r.Problems = append(r.Problems, testProblem{q.File, q.Line, q.Column, q.Message, q.Next})
		}
		if !r.Passed {
			failed++
		}
		results = append(results, r)
	})
	if err != nil {
		return apply.refused(err)
	}
	if c.JSON {
		err = printJSON(p, results)
	} else {
		p.printf("%s", testsText(results, screen.Paint(p.screen)))
	}
	if err == nil && failed > 0 {
		return &noError{fmt.Sprintf("%d of %d tests failed", failed, len(results))}
	}
	return err
}

// checkAll plays all tests of a set.
func checkAll(set *definition.Set, done func(audience, test string, problems definition.Problems)) error {
	tested, err := set.Tested()
	if err != nil {
		return err
	}
	for _, a := range tested {
		for _, test := range a.Tests {
			problems, err := scenario.Check(a.Plan, a.Audience, test, flow.Runner)
			if err != nil {
				return fmt.Errorf("test %q of audience %s: %w", test.Name, a.Audience, err)
			}
			done(a.Audience, test.Name, problems)
		}
	}
	return nil
}

// mustPass returns what does not hold of the tests in set, as problems of the
// definitions.
func mustPass(set *definition.Set) error {
	var all definition.Problems
	err := checkAll(set, func(_, test string, problems definition.Problems) {
		for _, q := range problems {
			q.Message = fmt.Sprintf("test %q: %s", test, q.Message)
			all = append(all, q)
		}
	})
	if err == nil && len(all) > 0 {
		return all
	}
	return err
}

func testsText(results []testResult, paint screen.Paint) string {
	if len(results) == 0 {
		return "no audience has tests; DEFINITIONS.md says how to write one\n"
	}
	var rows [][]string
	for _, r := range results {
		mark := paint.In(screen.Green, "passed")
		if !r.Passed {
			mark = paint.In(screen.Red, "failed")
		}
		rows = append(rows, []string{mark, r.Audience, r.Test})
	}
	var b strings.Builder
	for i, line := range screen.Columns(rows) {
		b.WriteString(line + "\n")
		for _, q := range results[i].Problems {
			text := fmt.Sprintf("%s:%d:%d: %s", q.File, q.Line, q.Column, q.Message)
			if q.Next != "" {
				text += "; " + q.Next
			}
			b.WriteString("    " + text + "\n")
		}
	}
	return b.String()
}

// path is where a definition's file lies, as the user named it.
func (c *applyCommand) path(file string) string {
	return filepath.Join(c.folder(), filepath.FromSlash(file))
}
