package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"kairos/loadtest/binary"
	"kairos/loadtest/rig"
)

// config is what is to be measured.
type config struct {
	partitions, people, events, rounds int
	seed                               uint64
	peers                              []string
	commit                             time.Duration
	results                            string
	job                                *job
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if len(os.Args) > 1 && os.Args[1] == "floor" {
		err = floor(ctx, os.Args[2:])
	} else {
		var c *config
		if c, err = parse(os.Args[1:]); err == nil {
			err = run(ctx, c)
		}
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func parse(args []string) (*config, error) {
	c := &config{job: twenty(), peers: []string{"kairos", "kafka-streams", "kafka-streams-memory", "floor"}}
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.IntVar(&c.partitions, "partitions", 4, "of every topic")
	flags.IntVar(&c.people, "people", 50_000, "in the population")
	flags.IntVar(&c.events, "events", 1_000_000, "to work off")
	flags.IntVar(&c.rounds, "rounds", 3, "in each of which everybody works once, in another order")
	flags.Uint64Var(&c.seed, "seed", 1, "of the population")
	flags.DurationVar(&c.commit, "commit", 100*time.Millisecond, "interval at which Kafka Streams commits")
	flags.StringVar(&c.results, "results", "loadtest/results", "folder of the results")
	flags.Func("peers", "who is measured, comma-separated: "+strings.Join(c.peers, ","), func(text string) error {
		known := c.peers
		c.peers = strings.Split(text, ",")
		for _, name := range c.peers {
			if !slices.Contains(known, name) {
				return fmt.Errorf("%q is not one of %s", name, strings.Join(known, ", "))
			}
		}
		return nil
	})
	return c, flags.Parse(args)
}

func run(ctx context.Context, c *config) (err error) {
	t := &tools{commit: fmt.Sprint(c.commit.Milliseconds()), row: 250, every: 3}
	if t.dir, err = os.MkdirTemp("", "kairos-peers-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(t.dir)) }()
	if t.kairos, err = binary.Build(ctx, t.dir); err != nil {
		return err
	}
	if t.jars, err = buildStreams(ctx, t.dir+"/streams"); err != nil {
		return err
	}
	bar := rig.NewBar(os.Stderr)
	defer bar.End()
	r := newResult(c)
	for round := range c.rounds {
		for i := range c.peers {
			name := c.peers[(i+round)%len(c.peers)]
			which := slices.IndexFunc(t.peers(), func(p peer) bool { return p.name == name })
			one, err := once(ctx, c, t, t.peers()[which], bar)
			if err != nil {
				return fmt.Errorf("%s, round %d: %w", name, round+1, err)
			}
			one.Round = round + 1
			r.Runs = append(r.Runs, one)
			t.learn(one)
			fmt.Println(r.table())
		}
	}
	return r.write(c.results)
}

// learn makes the floor carry what kairos wrote.
func (t *tools) learn(one Run) {
	if one.Peer == "kairos" && one.Answers > 0 {
		t.row, t.every = int(one.TopicBytesPerEvent), max(1, one.Events/one.Answers)
	}
}

func once(ctx context.Context, c *config, t *tools, who peer, bar *rig.Bar) (r Run, err error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	s, err := c.set(ctx, t, bar)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	return s.measure(ctx, c, who, s.judge.answers(s.end), bar)
}
