package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"kairos/loadtest/crowd"
	"kairos/loadtest/population"
	"kairos/loadtest/rig"
	"kairos/schemas"
)

// Point is what it costs to have so many audiences.
type Point struct {
	Audiences        int         `json:"audiences"`
	Touched          float64     `json:"touched_per_event"` // audiences whose events an event is one of
	ApplySeconds     float64     `json:"apply_seconds"`     // until the definitions are published
	StartSeconds     float64     `json:"start_seconds"`     // until kairos is ready
	Backlog          rig.Backlog `json:"backlog"`
	Empty            rig.Memory  `json:"memory_empty"` // before there are people
	Full             rig.Memory  `json:"memory_full"`
	BytesPerAudience float64     `json:"heap_bytes_per_audience"` // beyond those of the smallest point
	BytesPerPerson   float64     `json:"heap_bytes_per_person"`
}

func curve(ctx context.Context, args []string) error {
	c, sizes := defaults("curve"), "10,20,100,1000,10000"
	c.Backlog = 200_000
	flags := flag.NewFlagSet("scale curve", flag.ContinueOnError)
	c.Flags(flags)
	flags.StringVar(&c.Name, "name", c.Name, "of the result")
	flags.IntVar(&c.Backlog, "backlog", c.Backlog, "events to work off at full speed, at each size")
	flags.StringVar(&sizes, "audiences", sizes, "how many to define, comma-separated")
	if err := flags.Parse(args); err != nil {
		return err
	}
	many, err := numbers("-audiences", sizes)
	if err != nil {
		return err
	}
	r := newResult(c, "curve")
	for _, n := range many {
		p, err := measurePoint(ctx, c, n)
		if err != nil {
			return fmt.Errorf("%d audiences: %w", n, err)
		}
		r.Curve = append(r.Curve, p)
		r.relate()
		fmt.Println(r.table())
	}
	return r.write(c.Results)
}

func measurePoint(ctx context.Context, c rig.Config, many int) (p Point, err error) {
	p.Audiences = many
	all := crowd.New(many, c.Seed)
	c.Furnish = all.Furnish
	c.Name = fmt.Sprint(c.Name, "-", many)
	if p.Touched, err = touched(all, c); err != nil {
		return p, err
	}
	begun := time.Now()
	w, err := open(ctx, c, all.Write)
	if err != nil {
		return p, err
	}
	defer w.Close()
	p.ApplySeconds = time.Since(begun).Seconds()
	begun = time.Now()
	if err := w.Start(); err != nil {
		return p, err
	}
	if err := w.AwaitReady(ctx); err != nil {
		return p, err
	}
	p.StartSeconds = time.Since(begun).Seconds()
	if p.Empty, err = w.Memory(ctx); err != nil {
		return p, err
	}
	if err := w.Warm(ctx); err != nil {
		return p, fmt.Errorf("history: %w", err)
	}
	if p.Full, err = w.Memory(ctx); err != nil {
		return p, err
	}
	p.BytesPerPerson = float64(p.Full.HeapBytes-p.Empty.HeapBytes) / float64(c.People)
	p.Backlog, err = w.WorkOff(ctx)
	return p, err
}

// touched looks at events of a population like the one that is measured.
func touched(all *crowd.Crowd, c rig.Config) (float64, error) {
	people, err := population.New(c.People, c.Seed+1)
	if err != nil {
		return 0, err
	}
	events := make([]*schemas.Event, 300)
	for i := range events {
		events[i] = people.Next(schemas.InstantOf(time.Now()))
		all.Furnish(events[i])
	}
	return all.Touched(events), nil
}
