package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"kairos/loadtest/crowd"
	"kairos/loadtest/rig"
	"kairos/schemas"
)

// whole measures kairos from the door on.
func (c *config) whole(ctx context.Context, t *tools, bar *rig.Bar) (p Point, err error) {
	config := c.rig(t, bar)
	config.People, config.History, config.Backlog, config.Definitions = c.people, 2, c.events, "loadtest/definitions"
	w, err := rig.Open(ctx, config)
	if err != nil {
		return p, err
	}
	defer w.Close()
	if err := p.drain(ctx, w); err != nil {
		return p, err
	}
	seconds := time.Duration(c.seconds) * time.Second
	if len(c.rates) > 0 { // as for the peers
		if _, err := w.KeepUp(ctx, c.rates[0], seconds); err != nil {
			return p, fmt.Errorf("before it counts: %w", err)
		}
	}
	rates := c.rates
	if len(rates) > 0 {
		rates = append(slices.Clone(rates), halfOf(p.Backlog.EventsPerSecond))
	}
	for _, rate := range rates {
		at, err := w.KeepUp(ctx, rate, seconds)
		if err != nil {
			return p, fmt.Errorf("%d events a second: %w", rate, err)
		}
		p.Rates = append(p.Rates, at)
	}
	return p, nil
}

func (c *config) rig(t *tools, bar *rig.Bar) rig.Config {
	return rig.Config{Name: "bench", Partitions: c.partitions, People: c.curvePeople, History: c.curveHistory, Backlog: c.curveEvents,
		Seed: c.seed, Binary: t.kairos, Bar: bar}
}

// drain gives people a past and works off a backlog.
func (p *Point) drain(ctx context.Context, w *rig.World) (err error) {
	if err := w.Warm(ctx); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	if p.Backlog, err = w.WorkOff(ctx); err != nil {
		return fmt.Errorf("backlog: %w", err)
	}
	p.Memory, err = w.Memory(ctx)
	return err
}

const fewAudiences = 20 // where they do not vary

// point measures kairos whole with one thing as large as it says.
func (c *config) point(ctx context.Context, t *tools, against string, at int, bar *rig.Bar) (p Point, err error) {
	p = Point{Against: against, At: at}
	config, audiences, more := c.rig(t, bar), fewAudiences, 0
	switch against {
	case "people":
		config.People = at
	case "audiences":
		audiences = at
	case "partitions":
		config.Partitions = at
	case "size":
		more = at
	}
	all, padding := crowd.New(audiences, c.seed), rand.New(rand.NewPCG(c.seed, 3))
	config.Furnish = func(e *schemas.Event) {
		all.Furnish(e)
		pad(e, more, padding)
	}
	if config.Definitions, err = os.MkdirTemp(t.dir, "definitions-"); err != nil {
		return p, err
	}
	if err := all.Write(config.Definitions); err != nil {
		return p, err
	}
	w, err := rig.Open(ctx, config)
	if err != nil {
		return p, err
	}
	defer w.Close()
	if err := p.drain(ctx, w); err != nil {
		return p, err
	}
	if against == "people" {
		recovery, err := w.Recover(ctx)
		if err != nil {
			return p, fmt.Errorf("recovery: %w", err)
		}
		p.Recovery = &recovery
	}
	return p, nil
}

// pad adds a note to what somebody looks at or buys: letters that compress to
// about three quarters, as what people write about does not.
func pad(e *schemas.Event, bytes int, random *rand.Rand) {
	if bytes == 0 || e.Name != "view" && e.Name != "cart" && e.Name != "purchase" {
		return
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	note := make([]byte, bytes)
	for i := range note {
		note[i] = letters[random.IntN(len(letters))]
	}
	e.Properties = e.Properties.Set("note", schemas.TextOf(string(note)))
}
