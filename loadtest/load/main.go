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
)

// config is what is to be measured.
type config struct {
	name        string
	separate    bool // one process per stage, not one for all
	partitions  int
	people      int
	history     int // events per person before anything is measured
	backlog     int // events
	rates       []int
	seconds     int // at each rate
	seed        uint64
	definitions string
	results     string
	settings    []string // of the broker
	profile     time.Duration
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
	var c config
	var rates, settings string
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.StringVar(&c.name, "name", "chained", "of the result")
	flags.BoolVar(&c.separate, "separate", false, "run one process per stage")
	flags.IntVar(&c.partitions, "partitions", 4, "of every keyed topic")
	flags.IntVar(&c.people, "people", 50_000, "in the population")
	flags.IntVar(&c.history, "history", 5, "events per person before anything is measured")
	flags.IntVar(&c.backlog, "backlog", 500_000, "events to work off at full speed")
	flags.StringVar(&rates, "rates", "1000", "events a second for the latency, comma-separated; may be empty")
	flags.IntVar(&c.seconds, "seconds", 30, "at each rate")
	flags.Uint64Var(&c.seed, "seed", 1, "of the population")
	flags.StringVar(&c.definitions, "definitions", "loadtest/definitions", "folder of the definitions; they must have the audience beacon")
	flags.StringVar(&c.results, "results", "loadtest/results", "folder of the results")
	flags.StringVar(&settings, "broker", "", "settings of the broker, KEY=VALUE, comma-separated")
	flags.DurationVar(&c.profile, "profile", 0, "length of CPU profiles, taken while the backlog is worked off and kept beside the results")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	for rate := range strings.FieldsFuncSeq(rates, isComma) {
		n, err := strconv.Atoi(rate)
		if err != nil || n < 1 {
			return c, fmt.Errorf("-rates: %q is no number of events a second", rate)
		}
		c.rates = append(c.rates, n)
	}
	c.settings = strings.FieldsFunc(settings, isComma)
	return c, nil
}

func isComma(r rune) bool { return r == ',' }

// run measures one thing after the other; each builds on what the one before
// left in the tables.
func run(ctx context.Context, c config) (err error) {
	w, err := open(ctx, c)
	if err != nil {
		return err
	}
	defer w.close()
	r := newResult(c)
	if err := w.warm(ctx); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	if r.Backlog, err = w.workOff(ctx); err != nil {
		return fmt.Errorf("backlog: %w", err)
	}
	slog.Info("backlog worked off", "events_per_second", r.Backlog.EventsPerSecond)
	for _, rate := range c.rates {
		at, err := w.keepUp(ctx, rate, time.Duration(c.seconds)*time.Second)
		if err != nil {
			return fmt.Errorf("%d events a second: %w", rate, err)
		}
		slog.Info("kept up", "rate", rate, "p50_ms", at.P50, "p99_ms", at.P99)
		r.Rates = append(r.Rates, at)
	}
	return r.write(c.results)
}
