package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"kairos/loadtest/crowd"
	"kairos/loadtest/rig"
)

// Stillness is what so many partitions cost while nothing happens.
type Stillness struct {
	Partitions int      `json:"partitions"`
	Processes  int      `json:"processes"`
	Idle       rig.Idle `json:"idle"`
}

func idle(ctx context.Context, args []string) error {
	c, sizes, processes, length := defaults("idle"), "4,12,48", 1, 30*time.Second
	c.People, c.History = 1_000, 0
	flags := flag.NewFlagSet("scale idle", flag.ContinueOnError)
	c.Flags(flags)
	flags.StringVar(&c.Name, "name", c.Name, "of the result")
	flags.StringVar(&sizes, "sizes", sizes, "how many partitions, comma-separated")
	flags.IntVar(&processes, "processes", processes, "that share them")
	flags.DurationVar(&length, "length", length, "how long each is looked at")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if c.Separate && processes > 1 {
		return errors.New("-separate -processes: further processes run all stages")
	}
	many, err := numbers("-sizes", sizes)
	if err != nil {
		return err
	}
	r := newResult(c, "idle")
	for _, n := range many {
		c.Partitions = n
		still, err := measureIdle(ctx, c, processes, length)
		if err != nil {
			return fmt.Errorf("%d partitions: %w", n, err)
		}
		r.Idle = append(r.Idle, still)
		fmt.Println(r.table())
	}
	return r.write(c.Results)
}

func measureIdle(ctx context.Context, c rig.Config, processes int, length time.Duration) (s Stillness, err error) {
	w, err := begin(ctx, c, crowd.Shop)
	if err != nil {
		return s, err
	}
	defer w.Close()
	for n := range processes - 1 {
		if err := w.Join(fmt.Sprint("instance-", n+2)); err != nil {
			return s, err
		}
		if _, err := w.AwaitBalance(ctx); err != nil {
			return s, err
		}
	}
	s = Stillness{Partitions: c.Partitions, Processes: processes}
	s.Idle, err = w.Rest(ctx, length)
	return s, err
}

// numbers are those of a flag, sorted, each once.
func numbers(flag, text string) ([]int, error) {
	var all []int
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%s: %q is no number above 0", flag, word)
		}
		all = append(all, n)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
