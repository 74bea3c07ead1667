package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"kairos/loadtest/binary"
	"kairos/loadtest/peers/goka"
	"kairos/loadtest/rig"
)

// config is what is to be measured.
type config struct {
	partitions, people, events, rounds     int
	curvePeople, curveHistory, curveEvents int
	rates                                  []int
	seconds                                int // at each rate
	seed                                   uint64
	peers                                  []string
	wholeToo                               bool
	curves                                 []curvePoints
	commit, limit                          time.Duration
	name, results                          string
	job                                    *job
}

// curvePoints is what varies, and how.
type curvePoints struct {
	against string
	at      []int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := work(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// work measures, or is one of those who are measured.
func work(ctx context.Context, args []string) error {
	switch {
	case len(args) > 0 && args[0] == "floor":
		return floor(ctx, args[1:])
	case len(args) > 0 && args[0] == "goka":
		return goka.Run(ctx, args[1:])
	case len(args) > 0 && args[0] == "unomi":
		return unomi(ctx, args[1:])
	}
	c, err := parse(args)
	if err != nil {
		return err
	}
	if c.name == "" { // only to draw
		return draw(c.results)
	}
	return run(ctx, c, os.Stderr, os.Stdout)
}

func defaults() *config {
	return &config{
		job: twenty(), peers: []string{"kairos", "kafka-streams", "kafka-streams-memory", "goka", "floor"},
		partitions: 4, people: 50_000, events: 300_000, rounds: 3, rates: []int{1_000, 5_000, 10_000, 20_000}, seconds: 6, seed: 1,
		wholeToo: true, curvePeople: 20_000, curveHistory: 2, curveEvents: 100_000,
		curves: []curvePoints{
			{"audiences", []int{10, 100, 1_000, 10_000}}, {"partitions", []int{1, 4, 12, 48}}, {"size", []int{0, 1_000, 4_000}}, {"people", []int{10_000, 100_000, 1_000_000}},
		},
		commit: 100 * time.Millisecond, limit: 25 * time.Minute, results: "loadtest/results",
	}
}

// quick is so little that it takes a minute: it shows that all of it works, and
// nothing else, so it is kept apart.
func (c *config) quick() {
	c.results = filepath.Join(os.TempDir(), "kairos-bench-quick")
	c.peers = []string{"kairos", "goka", "floor"}
	c.people, c.events, c.rounds, c.rates, c.seconds = 2_000, 60_000, 1, []int{200}, 2
	c.curvePeople, c.curveHistory, c.curveEvents = 1_000, 1, 40_000
	c.curves = []curvePoints{{"people", []int{1_000}}}
}

func parse(args []string) (*config, error) {
	c := defaults()
	if slices.Contains(args, "-quick") || slices.Contains(args, "--quick") { // other flags come on top
		c.quick()
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.Bool("quick", false, "measure so little that it takes a minute; other flags come on top")
	flags.StringVar(&c.name, "name", "", "of the run (default: the date, with a number from the second on)")
	flags.IntVar(&c.partitions, "partitions", c.partitions, "of every topic")
	flags.IntVar(&c.people, "people", c.people, "in the population")
	flags.IntVar(&c.events, "events", c.events, "to work off")
	flags.IntVar(&c.rounds, "rounds", c.rounds, "in each of which everybody works once, in another order")
	flags.IntVar(&c.seconds, "seconds", c.seconds, "at each rate, in the first two rounds")
	flags.Uint64Var(&c.seed, "seed", c.seed, "of the population")
	flags.DurationVar(&c.commit, "commit", c.commit, "interval at which Kafka Streams commits")
	flags.DurationVar(&c.limit, "limit", c.limit, "what does not fit into this time is left out; 0: none")
	flags.BoolVar(&c.wholeToo, "whole", c.wholeToo, "measure kairos from the door on, too")
	flags.IntVar(&c.curvePeople, "curve-people", c.curvePeople, "of curves, where they do not vary")
	flags.IntVar(&c.curveEvents, "curve-events", c.curveEvents, "to work off at each point of a curve")
	flags.StringVar(&c.results, "results", c.results, "folder of the results")
	flags.Func("rates", "events a second, comma-separated; may be empty (default "+numbers(c.rates)+")", func(text string) (err error) {
		c.rates, err = parseNumbers(text)
		return err
	})
	flags.Func("peers", "who is measured, comma-separated; may be empty (default "+strings.Join(c.peers, ",")+")", func(text string) error {
		c.peers = strings.FieldsFunc(text, isComma)
		for _, name := range c.peers {
			if known := defaults().peers; !slices.Contains(known, name) {
				return fmt.Errorf("%q is not one of %s", name, strings.Join(known, ", "))
			}
		}
		return nil
	})
	flags.Func("curves", "what varies, AGAINST=N,N,... separated by spaces; may be empty (default "+curveText(c.curves)+")", func(text string) (err error) {
		c.curves, err = parseCurves(text)
		return err
	})
	plot := flags.Bool("plot", false, "measure nothing: make the reports and figures anew from what is kept")
	if err := flags.Parse(args); err != nil || *plot {
		return c, err
	}
	var err error
	if c.name == "" {
		c.name, err = freeName(c.results, time.Now())
	}
	return c, err
}

func isComma(r rune) bool { return r == ',' }

func numbers(all []int) string {
	var words []string
	for _, n := range all {
		words = append(words, strconv.Itoa(n))
	}
	return strings.Join(words, ",")
}

func parseNumbers(text string) ([]int, error) {
	var all []int
	for word := range strings.FieldsFuncSeq(text, isComma) {
		n, err := strconv.Atoi(word)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%q is no number", word)
		}
		all = append(all, n)
	}
	return all, nil
}

func curveText(all []curvePoints) string {
	var words []string
	for _, p := range all {
		words = append(words, p.against+"="+numbers(p.at))
	}
	return strings.Join(words, " ")
}

func parseCurves(text string) ([]curvePoints, error) {
	var all []curvePoints
	for word := range strings.FieldsSeq(text) {
		against, at, found := strings.Cut(word, "=")
		if _, known := curves[against]; !known || !found {
			return nil, fmt.Errorf("%q is no curve: want people, audiences, partitions or size, as in people=10000,100000", word)
		}
		points, err := parseNumbers(at)
		if err != nil {
			return nil, err
		}
		all = append(all, curvePoints{against, points})
	}
	return all, nil
}

// run measures everything, keeps what there is after every step, and prints the
// report at the end.
func run(ctx context.Context, c *config, progress, out io.Writer) (err error) {
	t := &tools{commit: fmt.Sprint(c.commit.Milliseconds()), row: 250, every: 3}
	if t.dir, err = os.MkdirTemp("", "kairos-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(t.dir)) }()
	r := &Result{Name: c.name, Date: time.Now().UTC().Truncate(time.Second), Commit: rig.Commit(), Machine: thisMachine(), Load: loadAverage(), Tuning: c.tuning(),
		Sizes: Sizes{c.rounds, c.people, c.events, c.partitions, c.rates, c.seconds, true, c.seed, c.curvePeople, c.curveHistory, c.curveEvents}}
	r.Versions = versions(ctx, r.Commit)
	if t.kairos, err = binary.Build(ctx, t.dir); err != nil {
		return err
	}
	if slices.ContainsFunc(c.peers, func(name string) bool { return strings.HasPrefix(name, "kafka-streams") }) {
		if t.jars, err = buildStreams(ctx, t.dir+"/streams"); err != nil {
			return err
		}
	}
	bar := rig.NewBar(os.Stderr)
	defer bar.End()
	p := &plan{steps: c.steps(t, r, bar), limit: c.limit, out: progress, now: time.Now}
	p.keep = func() error {
		bar.End()
		r.Left = p.left
		return r.keep(c.results)
	}
	err = p.do(ctx)
	fmt.Fprintf(out, "%s\nkept in %s\n", r.report(), c.results)
	return errors.Join(err, draw(c.results))
}

// steps are all, what matters most first.
func (c *config) steps(t *tools, r *Result, bar *rig.Bar) (all []step) {
	turn := func(name string, round int, rates []int) step {
		return step{kind: fmt.Sprint(name, len(rates) > 0), name: fmt.Sprintf("%s, round %d", name, round+1), cost: 30*time.Second + time.Duration((len(rates)+1)*(c.seconds+2))*time.Second,
			run: func(ctx context.Context) error {
				one, err := once(ctx, c, t, name, rates, bar)
				if err != nil {
					return err
				}
				one.Round = round + 1
				r.Runs = append(r.Runs, one)
				t.learn(one)
				return nil
			}}
	}
	const timedRounds = 2 // the others say how much a figure varies
	for round := range c.rounds {
		for i := range c.peers {
			rates := c.rates
			if round >= timedRounds {
				rates = nil
			}
			all = append(all, turn(c.peers[(i+round)%len(c.peers)], round, rates))
		}
	}
	if c.wholeToo {
		all = append(all, step{kind: "whole", name: "kairos whole", cost: 90 * time.Second, run: func(ctx context.Context) error {
			p, err := c.whole(ctx, t, bar)
			if err == nil {
				r.Whole = append(r.Whole, p)
			}
			return err
		}})
	}
	for _, points := range c.curves {
		for _, at := range points.at {
			cost := 30 * time.Second
			if points.against == "people" {
				cost += time.Duration(at) * 100 * time.Microsecond
			}
			all = append(all, step{kind: fmt.Sprint(points.against, at), name: fmt.Sprintf("kairos whole, %s: %d", curves[points.against].head, at), cost: cost, run: func(ctx context.Context) error {
				p, err := c.point(ctx, t, points.against, at, bar)
				if err == nil {
					r.Curves = append(r.Curves, p)
				}
				return err
			}})
		}
	}
	return all
}

// learn makes the floor carry what kairos wrote.
func (t *tools) learn(one Run) {
	if one.Peer == "kairos" && one.Answers > 0 {
		t.row, t.every = int(one.TopicBytesPerEvent), max(1, one.Events/one.Answers)
	}
}

func once(ctx context.Context, c *config, t *tools, name string, rates []int, bar *rig.Bar) (r Run, err error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	who := t.peers()[slices.IndexFunc(t.peers(), func(p peer) bool { return p.name == name })]
	s, err := c.set(ctx, t, bar)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	return s.measure(ctx, c, who, rates, bar)
}
