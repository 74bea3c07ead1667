package main

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"kairos/cmd/internal/cluster"
	"kairos/processors/host"
	"kairos/topologies"
)

type topologyGrow struct {
	connection
	Partitions int32         `required:"" placeholder:"N" help:"How many partitions the tables and the streams between stages are to have: a multiple of what they have, or a whole part of it."`
	Patience   time.Duration `default:"15s" help:"How long running hosts may take to end by themselves; who has not is put out of its group (${default})."`
	Await      time.Duration `default:"1m" help:"How long to look on, after the switch, until hosts work again (${default}); 0: do not."`
	Longest    time.Duration `default:"15m" help:"After which brokers take a growth for dead and undo it (${default}); at most their transaction.max.timeout.ms."`
	DryRun     bool          `help:"Say what it would do, and do nothing."`
	Abort      bool          `help:"Undo a growth that is under way or has died: hosts go on with the partitions that they had."`
	JSON       bool          `name:"json" help:"For machines: a line for each step, then what was done."`
}

func (c *topologyGrow) Help() string {
	return `Copies rows while hosts work. Then it tells them to end, moves what is left, times, offsets
and what is not yet read in one transaction, and lets them go on. Until it commits, nothing
has happened: run the command again after whatever ended it, or with --abort. Public topics keep their
partitions, the door's too: producers and readers notice nothing, and the events of a key
stay in their order. Doors stay open; their events wait. It says how long each step took;
hosts stand still from the fence on. Fewer partitions are possible too, but not fewer than
public topics have; then all rows wait for the fence. Kafka takes no partitions away: those that do
not count any more stay, empty. Examples:
  kairos topology grow --partitions 12 --dry-run
  kairos topology grow --partitions 12`
}

func (c *topologyGrow) Run(p *process) error {
	client, err := c.connect(p)
	if err != nil {
		return err
	}
	defer client.Close()
	t, err := size{}.on(p, client)
	if err != nil {
		return err
	}
	if err := client.Continues(p, t, t.Groups); err != nil { // groups of their own would not be fenced
		return err
	}
	if err := client.Rights(p, t, growing(t)); err != nil { // before anything is half done
		return err
	}
	g := host.DefaultGrowing()
	g.Kafka, g.Topology, g.Partitions, g.Patience, g.Await, g.Longest = client.Reach(), t, c.Partitions, c.Patience, c.Await, c.Longest
	show, over := c.progress(p)
	defer over()
	g.Logger, g.Progress = logging{}.logger(p), show
	switch {
	case c.Abort:
		if err := host.AbortGrowth(p, g); err != nil {
			return refusedGrowth(err)
		}
		p.notef("aborted: hosts go on with %d partitions\n", t.Config.Partitions)
		return nil
	case c.DryRun:
		return c.plan(p, client, t, g)
	}
	if done, err := c.isDone(p, client, t); done || err != nil {
		return err
	}
	grown, err := host.Grow(p, g)
	over()
	if err != nil {
		return refusedGrowth(err)
	}
	if c.JSON {
		return json.NewEncoder(p.out).Encode(grown)
	}
	p.printf("%d partitions: %d rows and %d unread records moved; fence to switch %.1f s\n", grown.Partitions, grown.Rows, grown.Records, grown.Paused.Seconds())
	return nil
}

// growing are the rights of operators without those to look at brokers.
func growing(t *topologies.Topology) []topologies.ACL {
	return slices.DeleteFunc(t.ACLs(topologies.OperatorRole), func(a topologies.ACL) bool { return a.Resource == topologies.OnCluster })
}

// refusedGrowth tells what was asked wrongly from what went wrong.
func refusedGrowth(err error) error {
	var refused *host.GrowthError
	if errors.As(err, &refused) {
		return askedError{err}
	}
	return err
}

// isDone says so if the topology has grown to that already.
func (c *topologyGrow) isDone(p *process, client *cluster.Client, t *topologies.Topology) (bool, error) {
	grown, err := client.Growth(p)
	if err != nil || grown == nil || grown.Next != 0 || grown.Partitions != c.Partitions {
		return false, err
	}
	p.notef("%d partitions is what the topology has: nothing to do\n", t.Config.Partitions)
	return true, nil
}

// growthPlan is what a growth would do.
type growthPlan struct {
	From    int32    `json:"from"`
	To      int32    `json:"to"`
	Topics  []string `json:"topics"`  // that get partitions
	Keep    []string `json:"keep"`    // public ones, which do not
	Records int64    `json:"records"` // of tables, to be read; about
}

func (c *topologyGrow) plan(p *process, client *cluster.Client, t *topologies.Topology, g host.Growing) error {
	plan, err := planGrowth(p, t, g)
	if err != nil {
		return refusedGrowth(err)
	}
	if c.JSON {
		return printJSON(p, plan)
	}
	printGrowth(p, plan)
	return nil
}

func planGrowth(p *process, t *topologies.Topology, g host.Growing) (growthPlan, error) {
	topics, records, err := host.PlanGrowth(p, g)
	plan := growthPlan{From: t.Config.Partitions, To: g.Partitions, Topics: topics, Keep: []string{}, Records: records}
	for _, topic := range t.Topics() {
		if topic.Key != topologies.ByNothing && !t.Grows(topic.Name) {
			plan.Keep = append(plan.Keep, topic.Name)
		}
	}
	return plan, err
}

func printGrowth(p *process, plan growthPlan) {
	for _, name := range plan.Topics {
		p.printf("grow  %s from %d to %d partitions\n", name, plan.From, plan.To)
	}
	for _, name := range plan.Keep {
		p.printf("keep  %s: its producers or readers are others\n", name)
	}
	if plan.To < plan.From {
		p.printf("join  %d partitions of tables and of streams between stages to %d; Kafka keeps the others, empty\n", plan.From, plan.To)
		p.printf("hosts would stand still while about %d records of tables are read and %d %% of the rows are moved\n", plan.Records, 100-100*plan.To/plan.From)
		return
	}
	p.printf("copy  %d %% of the rows, while hosts work; about %d records of tables are read\n", 100-100*plan.From/plan.To, plan.Records)
	p.printf("hosts would stand still while they end, the copies are brought up to date, and they begin anew\n")
}

// progress shows how far a growth is, and what to do when it is over: for
// people a word for each step, its seconds and a bar, for machines a line now and
// then.
func (c *topologyGrow) progress(p *process) (show func(host.GrowthProgress), over func()) {
	var step string
	var shown time.Time
	var moving *bar
	over = func() {
		if moving != nil {
			moving.done()
			moving = nil
		}
	}
	show = func(now host.GrowthProgress) {
		first := now.Step != step
		step = now.Step
		switch {
		case c.JSON && (first || now.Took > 0 || time.Since(shown) > time.Second):
			shown = time.Now()
			_ = json.NewEncoder(p.err).Encode(now) // progress that cannot be shown stops nothing
		case c.JSON:
		case now.Took > 0:
			over()
			p.notef("%-36s %6.1f s\n", growthSteps[now.Step], now.Took)
		case (now.Step == host.StepRows || now.Step == host.StepRest) && now.Total > 0:
			if moving == nil {
				moving = p.bar(growthSteps[now.Step])
			}
			moving.show(float64(now.Done) / float64(now.Total))
		}
	}
	return show, over
}

var growthSteps = map[string]string{
	host.StepPartitions: "Kafka adds partitions", host.StepRows: "rows are copied while hosts work",
	host.StepFence: "hosts end, and stand still", host.StepRest: "the rest of the rows, and what is unread",
	host.StepCommit: "the switch is committed", host.StepHosts: "hosts begin to work again",
}
