package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"kairos/loadtest/crowd"
	"kairos/loadtest/rig"
)

// Stretch is a part of a steady load, and what kairos held at its end.
type Stretch struct {
	Rate   rig.Rate   `json:"rate"`
	Memory rig.Memory `json:"memory"`
}

// endurance lets a load go on over the same people. Their rows grow while what
// they do is to be kept; what grows beside them would grow for ever.
func endurance(ctx context.Context, args []string) error {
	c, rate, stretches, length := defaults("endurance"), 2_000, 12, time.Minute
	c.People, c.History = 5_000, 50
	flags := flag.NewFlagSet("scale endurance", flag.ContinueOnError)
	c.Flags(flags)
	flags.StringVar(&c.Name, "name", c.Name, "of the result")
	flags.IntVar(&rate, "rate", rate, "events a second")
	flags.IntVar(&stretches, "stretches", stretches, "of the load: after each, memory is looked at")
	flags.DurationVar(&length, "length", length, "of a stretch")
	if err := flags.Parse(args); err != nil {
		return err
	}
	w, err := begin(ctx, c, crowd.Shop)
	if err != nil {
		return err
	}
	defer w.Close()
	r := newResult(c, "endurance")
	for range stretches {
		var s Stretch
		if s.Rate, err = w.KeepUp(ctx, rate, length); err != nil {
			return err
		}
		if s.Memory, err = w.Memory(ctx); err != nil {
			return err
		}
		r.Endurance = append(r.Endurance, s)
		fmt.Println(r.table())
	}
	return r.write(c.Results)
}
