// Scale measures what many audiences, many members and many past events cost,
// on a real Kafka, from outside.
//
//	go run ./loadtest/scale curve     events/s, CPU and memory at 10 to 10,000 audiences
//	go run ./loadtest/scale boundary  a million memberships that end at one instant
//	go run ./loadtest/scale seeding   a new audience over a million people and their past
//	go run ./loadtest/scale grow      more partitions for a million people, under load
//	go run ./loadtest/scale instances processes that come and go beside a load
//	go run ./loadtest/scale idle      what many partitions cost where nothing happens
//	go run ./loadtest/scale endurance memory through a long load over the same people
//
// In: nothing but Java and Maven; each starts a broker of its own, builds
// kairos, and deletes what it made. Out: a table on standard output; a JSON file in
// loadtest/results/scale, and all tables there anew, which `scale tables` does alone.
// Law: everything measured runs in other processes, and what comes out is checked,
// not only timed.
//
// Not here: how it is set up and looked at, see loadtest/rig; one load over all
// stages, see loadtest/load.
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

	"kairos/loadtest/rig"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	measure := map[string]func(context.Context, []string) error{
		"curve": curve, "boundary": boundary, "seeding": seeding, "grow": grow, "instances": instances, "idle": idle, "endurance": endurance,
		"tables": tables,
	}
	if len(args) == 0 || measure[args[0]] == nil {
		return errors.New("say what to measure: curve, boundary, seeding, grow, instances, idle or endurance; -h after it lists its sizes; tables makes the tables anew")
	}
	return measure[args[0]](ctx, args[1:])
}

// defaults of all.
func defaults(name string) rig.Config {
	return rig.Config{Name: name, Partitions: 4, People: 20_000, History: 5, Seed: 1, Results: "loadtest/results/scale", Patience: time.Hour}
}

// begin opens a world under definitions, starts kairos and lets the history go by.
func begin(ctx context.Context, c rig.Config, definitions string) (*rig.World, error) {
	w, err := open(ctx, c, func(folder string) error {
		return os.WriteFile(filepath.Join(folder, "definitions.yaml"), []byte(definitions), 0o644)
	})
	if err != nil {
		return nil, err
	}
	if err = w.Start(); err == nil {
		if err = w.Warm(ctx); err != nil {
			err = fmt.Errorf("history: %w", err)
		}
	}
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// open sets everything up under definitions that write puts into a folder.
func open(ctx context.Context, c rig.Config, write func(folder string) error) (*rig.World, error) {
	folder, err := os.MkdirTemp("", "kairos-scale-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	if err := write(folder); err != nil {
		return nil, err
	}
	c.Definitions = folder
	return rig.Open(ctx, c)
}
