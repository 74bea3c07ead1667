package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"kairos/cmd/internal/board"
	"kairos/cmd/internal/catalog"
	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/feed"
	"kairos/cmd/internal/screen"
	"kairos/cmd/internal/tally"
	"kairos/loadtest/cdnow"
	"kairos/schemas"
	"kairos/topologies"
)

type replayCommand struct {
	CDNOW replayCDNOW `cmd:"" name:"cdnow" help:"A CD shop's purchases from January 1997 to June 1998."`
}

type replayCDNOW struct {
	connection
	size
	Variant string    `enum:"plain,doubled,shuffled" default:"plain" help:"plain, doubled (every event twice) or shuffled (within each day): all must lead to the same (${default})."`
	Seed    uint64    `default:"1" help:"Of shuffled (${default})."`
	From    time.Time `format:"2006-01-02" placeholder:"1997-01-01" help:"First day."`
	To      time.Time `format:"2006-01-02" placeholder:"1998-07-01" help:"The day before which the replay ends; another one may go on from there."`
	NoWait  bool      `help:"Return when everything is fed, without waiting until it is dealt with."`
	JSON    bool      `name:"json" help:"Print the summary for machines; progress goes to standard error."`
}

func (c *replayCDNOW) Help() string {
	return `Feeds the history to a running pipeline, with its time in the log, as fast as it goes. The
stages must run with "kairos run --clock log", or today's date would close every window.`
}

// replaySummary is what a replay came to.
type replaySummary struct {
	Events    int           `json:"events"`
	Audiences []tally.Count `json:"audiences"`
	Seconds   float64       `json:"seconds"`
}

func (c *replayCDNOW) Run(p *process) error {
	days, start, end, err := c.history()
	if err != nil {
		return err
	}
	client, err := c.connect(p)
	if err != nil {
		return err
	}
	defer client.Close()
	t, err := c.on(p, client)
	if err != nil {
		return err
	}
	if err := notBefore(p, client, start); err != nil {
		return err
	}
	counted, err := c.tally(p, client)
	if err != nil {
		return err
	}
	feeder, err := feed.New(p, client)
	if err != nil {
		return err
	}
	defer feeder.Close()
	r := &replay{process: p, client: client, topology: t, tally: counted, feeder: feeder, start: start, end: end, begin: time.Now(), json: c.JSON}
	summary, err := r.run(days, !c.NoWait)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(p, summary)
	}
	return nil
}

func (c *replayCDNOW) history() (days []feed.Day, start, end schemas.Instant, err error) {
	variant, err := cdnow.VariantOf(c.Variant)
	if err != nil {
		return nil, 0, 0, askedError{err}
	}
	all, err := cdnow.Days(variant, c.Seed)
	if err != nil {
		return nil, 0, 0, err
	}
	if end = cdnow.End; !c.To.IsZero() {
		// Events of the day itself may follow in another replay, so time ends
		// just before it.
		end = min(end, schemas.InstantOf(c.To)-1)
	}
	for day := range all {
		if day.Start < schemas.InstantOf(c.From) && !c.From.IsZero() || day.Start > end {
			continue
		}
		if start == 0 {
			start = day.Start
		}
		days = append(days, feed.Day{Events: day.Events, Until: day.Start})
	}
	if len(days) == 0 {
		return nil, 0, 0, askedError{fmt.Errorf("nothing happened between --from and --to: the log goes from 1997-01-01 to 1998-06-30")}
	}
	return append(days, feed.Day{Until: end}), start, end, nil
}

// notBefore refuses a history that lies behind the time of the log: the same
// purchases would count again, or come too late for everything.
func notBefore(ctx context.Context, client *cluster.Client, start schemas.Instant) error {
	now, err := client.LogTime(ctx)
	if err == nil && now >= start {
		return &noError{fmt.Sprintf("on this cluster it is %s already, and the history begins at %s: "+
			"use --from, or a new cluster (`make kafka-stop`, delete its folder, `make kafka`) with `kairos run --clock log`", now, start)}
	}
	return err
}

// tally knows the audiences that are published.
func (c *replayCDNOW) tally(ctx context.Context, client *cluster.Client) (*tally.Tally, error) {
	published, err := catalog.Read(ctx, client)
	if err != nil {
		return nil, err
	}
	if published.Len() == 0 {
		return nil, &noError{"no definitions are published, so there are no audiences: `kairos apply -f DIR` first"}
	}
	counted := tally.New()
	counted.Expect(published.Names("audience")...)
	return counted, nil
}

// replay is one replay on its way.
type replay struct {
	process  *process
	client   *cluster.Client
	topology *topologies.Topology
	tally    *tally.Tally
	feeder   *feed.Feeder
	start    schemas.Instant
	end      schemas.Instant
	begin    time.Time
	json     bool
	fed      int
	last     []tally.Count
	drawn    time.Time
	moved    time.Time // when the backlog last became less
	backlog  int64
}

func (r *replay) run(days []feed.Day, wait bool) (replaySummary, error) {
	ctx, stop := context.WithCancel(r.process)
	group, listening := errgroup.WithContext(ctx)
	group.Go(func() error { return r.tally.Listen(listening, r.client) })
	err := r.feed(listening, days)
	if err == nil && wait {
		err = r.await(listening)
	}
	stop()
	if failed := group.Wait(); failed != nil {
		err = failed
	}
	return replaySummary{r.fed, r.tally.Counts(), time.Since(r.begin).Seconds()}, err
}

func (r *replay) feed(ctx context.Context, days []feed.Day) error {
	n, err := r.feeder.Feed(ctx, func(yield func(feed.Day) bool) {
		for _, day := range days {
			r.fed += len(day.Events)
			if !yield(day) {
				return
			}
		}
	}, func(feed.Day) error { return ctx.Err() })
	r.process.notef("%s events fed in %.1f s\n", screen.Number(n), time.Since(r.begin).Seconds())
	return err
}

// await shows how the pipeline comes along until it has dealt with everything.
func (r *replay) await(ctx context.Context) error {
	picture := screen.New(r.process.out, r.process.width)
	live := r.process.screen && !r.json
	if live {
		defer picture.Done()
	}
	r.moved = time.Now()
	show := func(backlog int64, done bool) {
		r.hint(ctx, backlog)
		if time.Since(r.drawn) < board.Every(live) && !done {
			return
		}
		r.drawn = time.Now()
		state := r.state(done)
		if live {
			picture.Draw(board.Lines(state, true, r.process.width()))
		} else {
			r.process.notef("%s · %s to read\n", board.Line(state), screen.Number(backlog))
		}
		r.last = state.Counts
	}
	if err := r.client.Await(ctx, r.topology, r.end, func(backlog int64) { show(backlog, false) }); err != nil {
		return err
	}
	if err := r.tally.CatchUp(ctx, r.client); err != nil {
		return err
	}
	show(0, true)
	return nil
}

func (r *replay) state(done bool) board.State {
	now := r.tally.Slowest()
	if done {
		now = r.end
	}
	return board.State{
		Title: "a CD shop's purchases, replayed in their own time, on " + strings.Join(r.client.SeedBrokers(), ", "),
		From:  r.start, To: r.end, Now: now, Events: r.fed,
		Seconds: time.Since(r.begin).Seconds(), Counts: r.tally.Counts(), Before: r.last,
	}
}

// hint tells why nothing moves, if nothing does.
func (r *replay) hint(ctx context.Context, backlog int64) {
	if backlog < r.backlog || backlog == 0 {
		r.moved = time.Now()
	}
	r.backlog = backlog
	if time.Since(r.moved) < 10*time.Second {
		return
	}
	r.moved = time.Now()
	if without, err := r.client.Working(ctx, r.topology); err == nil && len(without) > 0 {
		r.process.notef("nobody works for %s: start `kairos run --clock log`\n", strings.Join(without, ", "))
	}
}
