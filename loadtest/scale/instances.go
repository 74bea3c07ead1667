package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"sync"
	"time"

	"kairos/loadtest/crowd"
	"kairos/loadtest/rig"
	"kairos/schemas"
)

// Instances is what a live load felt while processes came and went.
type Instances struct {
	Static      bool     `json:"static"` // members of the groups have names, as on Kubernetes
	Rows        int      `json:"rows"`   // keys with rows, of all groups, before; never fewer behind
	Transitions int      `json:"transitions"`
	Changes     []Change `json:"changes"`
}

// Change is that a process came or went, and what that took.
type Change struct {
	What      string   `json:"what"`
	Processes int      `json:"processes"`              // then
	Moved     int      `json:"partitions_moved"`       // to another process, of those of all groups
	Balanced  float64  `json:"balanced_after_seconds"` // until all partitions were held again, evenly
	Live      rig.Rate `json:"live"`                   // from a while before until a while after
}

// steps are what may happen to a process, as it is told of it.
var steps = map[string]string{
	"join": "joins", "leave": "leaves", "kill": "is killed",
	"restart": "leaves and comes back at once", "crash": "is killed and comes back at once",
}

func instances(ctx context.Context, args []string) error {
	c, rate, story := defaults("instances"), 200, "join,join,restart,crash,leave,kill"
	c.People, c.History, c.Partitions = 1_000_000, 0, 12
	flags := flag.NewFlagSet("scale instances", flag.ContinueOnError)
	c.Flags(flags)
	flags.StringVar(&c.Name, "name", c.Name, "of the result")
	flags.IntVar(&rate, "rate", rate, "live events a second")
	flags.BoolVar(&c.Static, "static", c.Static, "give each process a name (kairos run --instance), as on Kubernetes")
	flags.StringVar(&story, "steps", story, "what happens, comma-separated, to a new process or to the newest one")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if c.Separate {
		return errors.New("-separate: instances are processes that run all stages")
	}
	order := &succession{told: map[[2]string]*schemas.Transition{}}
	c.Observe = order.observe
	f := &fleet{order: order, rate: rate}
	if err := f.check(story); err != nil {
		return err
	}
	var err error
	if f.world, err = begin(ctx, c, crowd.Shop); err != nil {
		return err
	}
	defer f.world.Close()
	r := newResult(c, "instances")
	r.Instances = &Instances{Static: c.Static}
	for step := range strings.SplitSeq(story, ",") {
		change, err := f.measure(ctx, r.Instances, step)
		if err != nil {
			return fmt.Errorf("%s: %w", change.What, err)
		}
		r.Instances.Changes = append(r.Instances.Changes, change)
		fmt.Println(r.table())
	}
	return r.write(c.Results)
}

// fleet are the processes besides the first one.
type fleet struct {
	world *rig.World
	rate  int
	order *succession
	names []string // of those that are there
	all   int      // that ever were
}

// check refuses a story that cannot be.
func (f *fleet) check(story string) error {
	there := 0
	for step := range strings.SplitSeq(story, ",") {
		switch {
		case steps[step] == "":
			return fmt.Errorf("-steps: %q is none of join, leave, kill, restart, crash", step)
		case step == "join":
			there++
		case there == 0:
			return fmt.Errorf("-steps: nobody has joined whom %q could concern; the first process stays", step)
		case step == "leave" || step == "kill":
			there--
		}
	}
	return nil
}

// measure lets something happen, and holds what comes out to what was before.
func (f *fleet) measure(ctx context.Context, i *Instances, step string) (c Change, err error) {
	name := f.newest(step)
	c.What = name + " " + steps[step]
	before, err := f.world.AwaitBalance(ctx)
	if err != nil {
		return c, err
	}
	if i.Rows == 0 {
		i.Rows = before.Rows()
	}
	var now rig.Holdings
	c.Live, err = beside(ctx, f.world, f.rate, func() (err error) {
		begun := time.Now()
		if err = f.do(step, name); err == nil {
			now, err = f.world.AwaitBalance(ctx)
		}
		c.Balanced = time.Since(begun).Seconds()
		return err
	})
	if err != nil {
		return c, err
	}
	c.Processes, c.Moved = len(now.Processes), now.Moved(before)
	end, err := f.world.AwaitBalance(ctx)
	if err != nil {
		return c, err
	}
	if rows := end.Rows(); rows < i.Rows {
		return c, fmt.Errorf("%d of %d rows are lost", i.Rows-rows, i.Rows)
	}
	i.Transitions, err = f.order.state()
	return c, err
}

// newest is whom a step concerns.
func (f *fleet) newest(step string) string {
	if step == "join" {
		f.all++
		f.names = append(f.names, fmt.Sprint("instance-", f.all+1))
	}
	name := f.names[len(f.names)-1]
	if step == "leave" || step == "kill" {
		f.names = f.names[:len(f.names)-1]
	}
	return name
}

func (f *fleet) do(step, name string) error {
	switch step {
	case "join":
		return f.world.Join(name)
	case "leave":
		return f.world.Leave(name)
	case "kill":
		return f.world.Kill(name)
	case "restart":
		return errors.Join(f.world.Leave(name), f.world.Join(name))
	default: // crash
		return errors.Join(f.world.Kill(name), f.world.Join(name))
	}
}

// succession holds transitions to their order: of each person and audience the
// revisions rise by one, and nobody enters, or leaves, twice running.
type succession struct {
	mu    sync.Mutex
	told  map[[2]string]*schemas.Transition // the newest
	heard int
	err   error
}

func (s *succession) observe(t *schemas.Transition, _ time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard++
	of := [2]string{t.Person, t.Audience}
	if last := s.told[of]; last != nil && s.err == nil && (t.Revision != last.Revision+1 || t.Entered == last.Entered) {
		s.err = fmt.Errorf("%s %s %s with revision %d, behind %s with %d: something is lost or doubled", t.Person, t.Word(), t.Audience, t.Revision, last.Word(), last.Revision)
	}
	s.told[of] = t
}

func (s *succession) state() (heard int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard, s.err
}
