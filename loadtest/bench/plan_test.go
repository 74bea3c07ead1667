package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// planOf steps that each take so long, by a clock of its own.
func planOf(limit time.Duration, done *[]string, durations ...time.Duration) *plan {
	now := time.Unix(0, 0)
	p := &plan{limit: limit, out: io.Discard, now: func() time.Time { return now }, keep: func() error { return nil }}
	for i, d := range durations {
		name := string(rune('a' + i))
		p.steps = append(p.steps, step{kind: name, name: name, cost: d, run: func(context.Context) error {
			now = now.Add(d)
			*done = append(*done, name)
			return nil
		}})
	}
	return p
}

func TestWhatDoesNotFitIntoTheTimeIsLeftOutAndNamed(t *testing.T) {
	var done []string
	p := planOf(10*time.Second, &done, 4*time.Second, 7*time.Second, 5*time.Second)
	if err := p.do(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(done, []string{"a", "c"}) || len(p.left) != 1 || !strings.HasPrefix(p.left[0], "b: no time") {
		t.Errorf("done %v, left %v", done, p.left)
	}
}

func TestTheNextOfAKindTakesAsLongAsTheLongestSoFar(t *testing.T) {
	var done []string
	p := planOf(0, &done, time.Second, time.Second, time.Second)
	p.took = map[string][]time.Duration{"b": {2 * time.Second, 9 * time.Second, 3 * time.Second}}
	if got := p.rest(0, 0); got != 11*time.Second {
		t.Errorf("%v left, want 11 s", got)
	}
}

func TestAFailureStopsNothingElseAndIsToldAtTheEnd(t *testing.T) {
	var done []string
	p := planOf(0, &done, time.Second, time.Second)
	kept := 0
	p.keep = func() error { kept++; return nil }
	p.steps = slices.Insert(p.steps, 1, step{kind: "x", name: "x", run: func(context.Context) error { return errors.New("broken") }})
	err := p.do(t.Context())
	if !errors.Is(err, errLeft) || !slices.Equal(done, []string{"a", "b"}) || !slices.Equal(p.left, []string{"x: broken"}) || kept != 4 {
		t.Errorf("%v, done %v, left %v, kept %d times", err, done, p.left, kept)
	}
}

func TestAnInterruptionKeepsWhatThereIs(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var done []string
	p := planOf(0, &done, time.Second, time.Second, time.Second)
	stop := p.steps[1].run
	p.steps[1].run = func(ctx context.Context) error { cancel(); _ = stop(ctx); return ctx.Err() }
	kept := 0
	p.keep = func() error { kept++; return nil }
	if err := p.do(ctx); !errors.Is(err, errLeft) {
		t.Errorf("got %v", err)
	}
	if !slices.Equal(p.left, []string{"b: interrupted", "c: interrupted"}) || kept != 3 {
		t.Errorf("left %v, kept %d times", p.left, kept)
	}
}
