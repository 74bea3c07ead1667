// Doors measures what comes in over HTTP and what is asked over HTTP, through
// restarts of kairos, on a real Kafka and from outside: whether each event that a
// door acknowledged counts in its person's profile, once, how long that took, and
// how long the profile API takes beside it.
//
//	nice go run ./loadtest/doors
//
// And what one destination's bad day costs another that the same `kairos deliver`
// tells, at the way out:
//
//	go run ./loadtest/doors neighbours
//
// In: nothing but Java and Maven; it starts a broker of its own, builds kairos,
// and deletes what it made. Out: figures on standard output. Laws: what was not
// acknowledged is sent again with the same ids, as SDKs do, until it is; time
// runs from when a request was due; a figure that does not come out is an error.
//
// Not here: how kairos does with a backlog, see loadtest/load; transitions
// through kills, see loadtest/chaos.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"kairos/loadtest/kafka"
)

// config is what is to be measured.
type config struct {
	length     time.Duration
	rate       int // events a second
	batch      int // events in a request
	asks       int // profiles a second
	restarts   int // of kairos, killed and stopped by turns
	people     int
	partitions int
	patience   time.Duration // with a restart, and with what is left at the end
	audiences  string        // a folder: what else is computed meanwhile
}

func defaults() config {
	return config{
		length: 10 * time.Minute, rate: 2000, batch: 10, asks: 500, restarts: 3, people: 20_000, partitions: 4,
		patience: 2 * time.Minute, audiences: "loadtest/definitions",
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := measure(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "doors:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, args []string) (err error) {
	if len(args) > 0 && args[0] == "neighbours" {
		return measureNeighbours(ctx, args[1:])
	}
	c := defaults()
	flags := flag.NewFlagSet("doors", flag.ContinueOnError)
	flags.DurationVar(&c.length, "length", c.length, "of the load")
	flags.IntVar(&c.rate, "rate", c.rate, "events a second")
	flags.IntVar(&c.batch, "batch", c.batch, "events in a request")
	flags.IntVar(&c.asks, "asks", c.asks, "profiles asked for in a second")
	flags.IntVar(&c.restarts, "restarts", c.restarts, "of kairos meanwhile: killed (kill -9) and stopped by turns")
	flags.IntVar(&c.people, "people", c.people, "in the population")
	flags.DurationVar(&c.patience, "patience", c.patience, "with a restart, and with what is left at the end")
	if err := flags.Parse(args); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "kairos-doors-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	broker, err := kafka.Open(filepath.Join(folder, "kafka"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, broker.Close()) }()
	r, err := run(ctx, c, broker, folder)
	if err != nil {
		return err
	}
	fmt.Print(r)
	return r.judge()
}
