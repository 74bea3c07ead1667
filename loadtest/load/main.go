// Load measures kairos on a real Kafka, from outside: how many events a second
// go through all five stages from a backlog, how long an event takes at a fixed
// rate from its produce request to its transition in a read-committed reader's
// hands, and what that costs in CPU and bytes.
//
// In: nothing but Java and Maven; it starts a broker of its own, builds kairos,
// and deletes what it made. Out: a JSON file and a table in loadtest/results.
// Law: everything measured runs in other processes.
//
//	go run ./loadtest/load -name chained
//
// Not here: who does what, see loadtest/population; which audiences, see
// loadtest/definitions.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"kairos/loadtest/rig"
)

// config is what is to be measured.
type config struct {
	rig.Config
	rates   []int
	seconds int // at each rate
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	c, err := parse(os.Args[1:])
	if err == nil {
		err = run(ctx, c)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func parse(args []string) (config, error) {
	c := config{Config: rig.Config{Partitions: 4, People: 50_000, History: 5, Seed: 1, Results: "loadtest/results"}}
	var rates string
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	c.Flags(flags)
	flags.StringVar(&c.Name, "name", "chained", "of the result")
	flags.IntVar(&c.Backlog, "backlog", 500_000, "events to work off at full speed")
	flags.StringVar(&rates, "rates", "1000", "events a second for the latency, comma-separated; may be empty")
	flags.IntVar(&c.seconds, "seconds", 30, "at each rate")
	flags.StringVar(&c.Definitions, "definitions", "loadtest/definitions", "folder of the definitions; they must have the audience beacon")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	for rate := range strings.FieldsFuncSeq(rates, func(r rune) bool { return r == ',' }) {
		n, err := strconv.Atoi(rate)
		if err != nil || n < 1 {
			return c, fmt.Errorf("-rates: %q is no number of events a second", rate)
		}
		c.rates = append(c.rates, n)
	}
	return c, nil
}

// run measures one thing after the other; each builds on what the one before
// left in the tables.
func run(ctx context.Context, c config) (err error) {
	w, err := rig.Open(ctx, c.Config)
	if err != nil {
		return err
	}
	defer w.Close()
	r := newResult(c.Config)
	if err := w.Warm(ctx); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	if r.Backlog, err = w.WorkOff(ctx); err != nil {
		return fmt.Errorf("backlog: %w", err)
	}
	slog.Info("backlog worked off", "events_per_second", r.Backlog.EventsPerSecond)
	for _, rate := range c.rates {
		at, err := w.KeepUp(ctx, rate, time.Duration(c.seconds)*time.Second)
		if err != nil {
			return fmt.Errorf("%d events a second: %w", rate, err)
		}
		slog.Info("kept up", "rate", rate, "p50_ms", at.P50, "p99_ms", at.P99)
		r.Rates = append(r.Rates, at)
	}
	return r.write(c.Results)
}
