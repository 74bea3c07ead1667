package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"time"

	"kairos/loadtest/crowd"
	"kairos/loadtest/rig"
	"kairos/schemas"
)

// growth is what a growth says that it did, and what the live load felt.
type growth struct {
	Partitions int32         `json:"partitions"`
	Rows       int64         `json:"rows"`
	Records    int64         `json:"records"`
	Paused     time.Duration `json:"paused_ns"`
	Steps      []struct {
		Step    string  `json:"step"`
		Seconds float64 `json:"seconds"`
	} `json:"steps"`
	meanwhile rig.Rate
	took      time.Duration // the command
}

// grow gives a topology with many rows more partitions under a live load.
func grow(ctx context.Context, args []string) error {
	c, visitors, to, rate, back := defaults("grow"), 1_000_000, 12, 200, false
	flags := flag.NewFlagSet("scale grow", flag.ContinueOnError)
	c.Flags(flags)
	flags.IntVar(&visitors, "visitors", visitors, "people with a row in every table, besides those of the live load")
	flags.IntVar(&to, "to", to, "partitions")
	flags.BoolVar(&back, "back", back, "then grow back to as many as there were")
	flags.IntVar(&rate, "rate", rate, "live events a second")
	if err := flags.Parse(args); err != nil {
		return err
	}
	w, err := begin(ctx, c, crowd.Shop)
	if err != nil {
		return err
	}
	defer w.Close()
	now := schemas.InstantOf(time.Now())
	for person := range visitors {
		w.Bar.Show("visitors", int64(person), int64(visitors))
		if err := w.Feed(ctx, visit(person, 0, now.Add(-time.Hour), now)); err != nil {
			return err
		}
	}
	if err := w.AwaitDone(ctx); err != nil {
		return err
	}
	sizes := []int{c.Partitions, to}
	if back {
		sizes = append(sizes, c.Partitions)
	}
	for i, from := range sizes[:len(sizes)-1] {
		g, err := measureGrowth(ctx, w, sizes[i+1], rate)
		if err != nil {
			return err
		}
		g.print(from, visitors, rate)
	}
	return nil
}

func (g growth) print(from, visitors, rate int) {
	fmt.Printf("%d -> %d partitions, %d visitors: %d rows and %d unread records moved, from fence to switch %.1f s, the command took %.1f s:",
		from, g.Partitions, visitors, g.Rows, g.Records, g.Paused.Seconds(), g.took.Seconds())
	for _, s := range g.Steps {
		fmt.Printf(" %s %.1f", s.Step, s.Seconds)
	}
	fmt.Printf("\nlive load of %d events/s: from event to transition p50 %.0f ms, longest %.1f s; at work besides %.1f CPUs; commit %s\n",
		rate, g.meanwhile.P50, g.meanwhile.Max/1000, g.meanwhile.OthersCPUs, rig.Commit())
}

func measureGrowth(ctx context.Context, w *rig.World, to, rate int) (g growth, err error) {
	g.meanwhile, err = beside(ctx, w, rate, func() error {
		begun := time.Now()
		out, err := w.Grow(ctx, to)
		g.took = time.Since(begun)
		return errors.Join(err, json.Unmarshal([]byte(out), &g))
	})
	return g, err
}

// beside does something amid a live load: from a while before it until a while
// after.
func beside(ctx context.Context, w *rig.World, rate int, do func() error) (rig.Rate, error) {
	const before, after = 5 * time.Second, 15 * time.Second
	ctx, giveUp := context.WithCancel(ctx)
	defer giveUp()
	said := make(chan error, 1)
	go func() {
		time.Sleep(before)
		said <- do()
	}()
	var failed error
	var until time.Time // zero: it is not done
	live, err := w.KeepUpWhile(ctx, rate, func() bool {
		if !until.IsZero() {
			return time.Now().Before(until)
		}
		select {
		case failed = <-said:
			until = time.Now().Add(after)
		default:
		}
		if failed != nil {
			giveUp() // nor wait for what may never come
		}
		return failed == nil
	})
	return live, errors.Join(failed, err)
}
