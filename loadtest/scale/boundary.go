package main

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"time"

	"kairos/loadtest/crowd"
	"kairos/loadtest/rig"
	"kairos/schemas"
)

// Boundary is how memberships that all end at one instant ended.
type Boundary struct {
	Members     int      `json:"members"`
	FirstAfter  float64  `json:"first_exit_after_seconds"` // the instant, in a read-committed reader's hands
	LastAfter   float64  `json:"last_exit_after_seconds"`
	EnterSecond float64  `json:"entered_per_second"` // while they came
	Before      rig.Rate `json:"live_before"`
	Meanwhile   rig.Rate `json:"live_meanwhile"`
}

const visitors = "visitors" // the audience that all are in

func boundary(ctx context.Context, args []string) error {
	c, members, rate, before, lead := defaults("boundary"), 1_000_000, 500, 30*time.Second, time.Duration(0)
	flags := flag.NewFlagSet("scale boundary", flag.ContinueOnError)
	c.Flags(flags)
	flags.StringVar(&c.Name, "name", c.Name, "of the result")
	flags.IntVar(&members, "members", members, "whose memberships end")
	flags.IntVar(&rate, "rate", rate, "live events a second")
	flags.DurationVar(&before, "before", before, "how long the live load is timed before")
	flags.DurationVar(&lead, "lead", lead, "from the first of the members' events to the instant; 0: what 2,500 members a second take, and two minutes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if lead == 0 {
		lead = time.Duration(members)*time.Second/2500 + before + 2*time.Minute
	}
	x := &exits{gone: map[string]bool{}}
	c.Observe = x.observe
	w, err := begin(ctx, c, crowd.Shop+"---\nkind: audience\nname: "+visitors+"\nwhen: events(\"visit\").within(\"1d\").any()\n")
	if err != nil {
		return err
	}
	defer w.Close()
	r := newResult(c, "boundary")
	r.Boundary = &Boundary{Members: members}
	if err := r.Boundary.measure(ctx, w, x, rate, before, lead); err != nil {
		return err
	}
	fmt.Println(r.table())
	return r.write(c.Results)
}

func (b *Boundary) measure(ctx context.Context, w *rig.World, x *exits, rate int, before, lead time.Duration) (err error) {
	midnight := time.Now().Add(lead).Truncate(time.Second)
	x.expect(schemas.InstantOf(midnight))
	begun := time.Now()
	for i := range b.Members {
		w.Bar.Show("members come", int64(i), int64(b.Members))
		now := schemas.InstantOf(time.Now())
		if err := w.Feed(ctx, visit(i, 0, x.at.Add(-24*time.Hour), now)); err != nil {
			return err
		}
	}
	if err := w.AwaitDone(ctx); err != nil {
		return err
	}
	b.EnterSecond = float64(b.Members) / time.Since(begun).Seconds()
	if left := time.Until(midnight); left < before+5*time.Second {
		return fmt.Errorf("the members took %v, too little is left of -lead %v: raise it", time.Since(begun).Round(time.Second), lead)
	}
	if b.Before, err = w.KeepUp(ctx, rate, before); err != nil {
		return fmt.Errorf("before: %w", err)
	}
	if entered, _, _ := x.state(); entered != b.Members {
		return fmt.Errorf("%d of %d members have entered", entered, b.Members)
	}
	time.Sleep(time.Until(midnight.Add(-2 * time.Second)))
	b.Meanwhile, err = w.KeepUpWhile(ctx, rate, func() bool {
		_, gone, err := x.state()
		w.Bar.Show("members go", int64(gone), int64(b.Members))
		return err == nil && gone < b.Members
	})
	if err != nil {
		return fmt.Errorf("meanwhile: %w", err)
	}
	_, gone, err := x.state()
	switch {
	case err != nil:
		return err
	case gone != b.Members:
		return fmt.Errorf("%d of %d members have gone", gone, b.Members)
	}
	b.FirstAfter, b.LastAfter = x.first.Sub(midnight).Seconds(), x.last.Sub(midnight).Seconds()
	return nil
}

// visit is what makes somebody a visitor.
func visit(person, number int, at, received schemas.Instant) *schemas.Event {
	return &schemas.Event{
		ID: fmt.Sprintf("visit-%d-%d", person, number), Name: "visit", Time: at, Received: received, Source: "scale",
		Identifiers: []schemas.Identifier{{Namespace: "anonymous_id", Value: fmt.Sprint("visitor-", person)}},
		Properties:  schemas.Properties{{Name: "shop", Value: schemas.TextOf(fmt.Sprint("s", shopOf(person, number)))}},
	}
}

// exits notes who left the visitors, and holds each exit to the instant.
type exits struct {
	mu          sync.Mutex
	at          schemas.Instant
	entered     int
	gone        map[string]bool
	first, last time.Time
	err         error
}

func (x *exits) expect(at schemas.Instant) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.at = at
}

func (x *exits) observe(t *schemas.Transition, seen time.Time) {
	if t.Audience != visitors {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if t.Entered {
		x.entered++
		return
	}
	switch {
	case t.Cause != x.at:
		x.err = fmt.Errorf("%s left at %v, not at %v", t.Person, t.Cause, x.at)
	case x.gone[t.Person]:
		x.err = fmt.Errorf("%s left twice", t.Person)
	}
	if len(x.gone) == 0 {
		x.first = seen
	}
	x.gone[t.Person], x.last = true, seen
}

func (x *exits) state() (entered, gone int, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.entered, len(x.gone), x.err
}
