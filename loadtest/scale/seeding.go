package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"kairos/loadtest/crowd"
	"kairos/loadtest/rig"
	"kairos/schemas"
)

// Seeding is what it took to find the members of a new audience in the past.
type Seeding struct {
	People    int      `json:"people"`
	Events    int      `json:"past_events"`
	Members   int      `json:"members"` // all that there must be
	Seconds   float64  `json:"seconds"` // from when the audience was published until the last member was seen
	Before    rig.Rate `json:"live_before"`
	Meanwhile rig.Rate `json:"live_meanwhile"`
}

const regulars = "regulars" // the new audience

// seeding gives people a past, and then asks for something that nobody has ever
// asked for.
func seeding(ctx context.Context, args []string) error {
	c, visitors, visits, rate, before := defaults("seeding"), 1_000_000, 10, 500, 30*time.Second
	flags := flag.NewFlagSet("scale seeding", flag.ContinueOnError)
	c.Flags(flags)
	flags.StringVar(&c.Name, "name", c.Name, "of the result")
	flags.IntVar(&visitors, "visitors", visitors, "people with a past, besides those of the live load")
	flags.IntVar(&visits, "visits", visits, "past events of each, at most 20, for that is how long the timeline is")
	flags.IntVar(&rate, "rate", rate, "live events a second")
	flags.DurationVar(&before, "before", before, "how long the live load is timed before")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if visits < 1 || visits > 20 {
		return fmt.Errorf("-visits: %d is not within 1 and 20, the length of the timeline", visits)
	}
	e := &entries{entered: map[string]bool{}}
	c.Observe = e.observe
	w, err := begin(ctx, c, crowd.Shop)
	if err != nil {
		return err
	}
	defer w.Close()
	r := newResult(c, "seeding")
	r.Seeding = &Seeding{People: visitors, Events: visitors * visits}
	if err := r.Seeding.measure(ctx, w, e, visits, rate, before); err != nil {
		return err
	}
	fmt.Println(r.table())
	return r.write(c.Results)
}

// shopOf is where a visit goes: everybody goes to each of ten shops twice
// running, so that ten visits are to five of them.
func shopOf(person, number int) int { return (person + number/2) % 10 }

// regular is whether a person's visits put them into the audience: one to s0
// and one to s1. With ten visits two people in five are in it.
func regular(person, visits int) bool {
	shops := map[int]bool{}
	for number := range visits {
		shops[shopOf(person, number)] = true
	}
	return shops[0] && shops[1]
}

func writeRegulars(folder string) (file string, err error) {
	file = filepath.Join(folder, "regulars.yaml")
	text := "kind: audience\nname: " + regulars + "\nwhen: |\n" +
		"  events(\"visit\").where(e, e.shop == \"s0\").within(\"90d\").any() && events(\"visit\").where(e, e.shop == \"s1\").within(\"90d\").count() >= 1\n"
	return file, os.WriteFile(file, []byte(text), 0o644)
}

func (s *Seeding) measure(ctx context.Context, w *rig.World, e *entries, visits, rate int, before time.Duration) error {
	if err := s.past(ctx, w, visits); err != nil {
		return err
	}
	var err error
	if s.Before, err = w.KeepUp(ctx, rate, before); err != nil {
		return fmt.Errorf("before: %w", err)
	}
	folder, err := os.MkdirTemp("", "kairos-scale-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	file, err := writeRegulars(folder)
	if err != nil {
		return err
	}
	published := make(chan error, 1)
	begun := time.Now()
	go func() { published <- w.Define(ctx, file) }()
	s.Meanwhile, err = w.KeepUpWhile(ctx, rate, func() bool {
		entered, err := e.state()
		w.Bar.Show("members are found", int64(entered), int64(s.Members))
		return err == nil && entered < s.Members
	})
	if err != nil {
		return fmt.Errorf("meanwhile: %w", err)
	}
	if err := <-published; err != nil {
		return err
	}
	entered, err := e.state()
	switch {
	case err != nil:
		return err
	case entered != s.Members:
		return fmt.Errorf("%d of %d members were found", entered, s.Members)
	}
	s.Seconds = e.last.Sub(begun).Seconds()
	return nil
}

// past feeds the visits of the last thirty days, one of everybody after the
// other.
func (s *Seeding) past(ctx context.Context, w *rig.World, visits int) error {
	now := schemas.InstantOf(time.Now())
	for number := range visits {
		at := now.Add(-time.Duration(visits-number) * 30 * 24 * time.Hour / time.Duration(visits))
		for person := range s.People {
			w.Bar.Show("the past", int64(number*s.People+person), int64(s.Events))
			if err := w.Feed(ctx, visit(person, number, at.Add(time.Duration(person)*time.Millisecond), now)); err != nil {
				return err
			}
		}
	}
	for person := range s.People {
		if regular(person, visits) {
			s.Members++
		}
	}
	if s.Members == 0 {
		return fmt.Errorf("nobody of %d visitors with %d visits would be a member: raise either", s.People, visits)
	}
	return w.AwaitDone(ctx)
}

// entries notes who entered the new audience.
type entries struct {
	mu      sync.Mutex
	entered map[string]bool
	last    time.Time
	err     error
}

func (e *entries) observe(t *schemas.Transition, seen time.Time) {
	if t.Audience != regulars {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !t.Entered || e.entered[t.Person] {
		e.err = fmt.Errorf("%s %s with revision %d: nobody leaves, and nobody enters twice", t.Person, t.Word(), t.Revision)
	}
	e.entered[t.Person], e.last = true, seen
}

func (e *entries) state() (entered int, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.entered), e.err
}
