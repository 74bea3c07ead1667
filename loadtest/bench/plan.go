package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// step is one thing to measure: a peer's turn, kairos whole, a point of a curve.
type step struct {
	kind string // steps of one kind take about as long
	name string
	run  func(ctx context.Context) error
	cost time.Duration // a guess, for as long as none of its kind has been measured
}

// plan goes through steps in their order: the most important come first, for
// the last are left out if time runs out.
type plan struct {
	steps []step
	limit time.Duration // of all together; 0: none
	out   io.Writer
	now   func() time.Time
	keep  func() error // what there is so far, after every step

	took map[string][]time.Duration // by kind
	left []string                   // what was not measured, and why
}

// errLeft says that not all was measured.
var errLeft = errors.New("not all was measured")

// do returns errLeft, wrapped, if a step failed or was interrupted; what could
// be measured has been kept all the same.
func (p *plan) do(ctx context.Context) error {
	p.took = map[string][]time.Duration{}
	begun, failed := p.now(), false
	for i, s := range p.steps {
		gone := p.now().Sub(begun)
		switch {
		case ctx.Err() != nil:
			p.left, failed = append(p.left, s.name+": interrupted"), true
			continue
		case p.limit > 0 && gone+p.expect(s) > p.limit:
			p.left = append(p.left, fmt.Sprintf("%s: no time within %v", s.name, p.limit))
			continue
		}
		fmt.Fprintf(p.out, "[%2d of %d] %s; %v gone, about %v left\n", i+1, len(p.steps), s.name, gone.Round(time.Second), p.rest(i, gone).Round(time.Second))
		from := p.now()
		if err := p.run(ctx, s, gone); err != nil {
			failed = true
			if ctx.Err() != nil {
				err = errors.New("interrupted")
			}
			p.left = append(p.left, fmt.Sprintf("%s: %v", s.name, err))
			fmt.Fprintf(p.out, "%s: %v\n", s.name, err)
		} else {
			p.took[s.kind] = append(p.took[s.kind], p.now().Sub(from))
		}
		if err := p.keep(); err != nil {
			return err
		}
	}
	if err := p.keep(); err != nil {
		return err
	}
	if failed {
		return fmt.Errorf("%w: %d of %d steps are left", errLeft, len(p.left), len(p.steps))
	}
	return nil
}

// run ends a step that takes longer than there is time.
func (p *plan) run(ctx context.Context, s step, gone time.Duration) error {
	if p.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, p.limit-gone, fmt.Errorf("the %v are over", p.limit))
		defer cancel()
	}
	err := s.run(ctx)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	return err
}

// expect is how long a step will take, by the longest of its kind so far.
func (p *plan) expect(s step) time.Duration {
	if took := p.took[s.kind]; len(took) > 0 {
		return slices.Max(took)
	}
	return s.cost
}

// rest is how long the steps from one on will take, but no longer than is allowed.
func (p *plan) rest(from int, gone time.Duration) (sum time.Duration) {
	for _, s := range p.steps[from:] {
		if next := sum + p.expect(s); p.limit == 0 || gone+next <= p.limit {
			sum = next
		}
	}
	return sum
}
