package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"kairos/cmd/internal/cluster"
)

type statusCommand struct {
	onCluster
	MaxLag time.Duration `default:"60s" help:"How old the oldest unprocessed record may be (${default})."`
}

func (c *statusCommand) Help() string {
	return `One screen for three o'clock in the morning: who runs what, how far behind, what was refused.
Exit code 3 if something is wrong, with the next move.`
}

func (c *statusCommand) Run(p *process) error {
	client, t, err := c.open(p)
	if err != nil {
		return err
	}
	defer client.Close()
	status, err := client.Status(p, t, time.Now())
	if err != nil {
		return err
	}
	wrong := status.Healthy(c.MaxLag.Seconds())
	if c.JSON {
		if err := printJSON(p, status); err != nil {
			return err
		}
	} else {
		printStatus(p, status)
	}
	if len(wrong) > 0 {
		return &noError{strings.Join(wrong, "\n")}
	}
	return nil
}

func printStatus(p *process, s cluster.Status) {
	if s.GrowingTo != 0 {
		step := "rows are copied"
		if s.Fenced {
			step = "hosts wait"
		}
		p.printf("growing from %d to %d partitions: %s\n", s.Partitions, s.GrowingTo, step)
	}
	table := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "GROUP\tSTAGES\tSTATE\tPROCESSES\tPARTITIONS\tBEHIND\tSECONDS")
	for _, g := range s.Groups {
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d of %d\t%d\t%.1f\n", g.Group, strings.Join(g.Stages, " "), strings.ToLower(g.State), len(g.Members), g.Owned, g.Partitions, g.Lag, g.LagSeconds)
	}
	table.Flush()
	for _, g := range s.Groups {
		for _, m := range g.Members {
			name := m.Instance
			if name == "" {
				name = m.Host
			}
			p.printf("  %s: %s has %d partitions\n", g.Group, name, m.Partitions)
		}
	}
	for _, d := range s.DeadLetters {
		p.printf("  %d dead letters of %s: `kairos deadletters list %s`\n", d.Count, d.Name, d.Name)
	}
}
