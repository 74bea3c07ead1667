package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/screen"
	"kairos/processors/host"
)

type statusCommand struct {
	onCluster
	MaxLag  time.Duration `default:"60s" help:"How old the oldest unprocessed record may be (${default})."`
	Metrics []string      `default:"127.0.0.1:9464" placeholder:"HOST:PORT" help:"Metrics addresses of processes, who alone know rows and sweeps (${default})."`
}

func (c *statusCommand) Help() string {
	return `One screen for three o'clock in the morning: who runs what, how far behind, what was refused,
what is wrong and the next move. WAITING are records that are accepted and not dealt with,
OLDEST is how long the first of them waits: so late are audiences.
Exit code 3 if something is wrong.`
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
	s := seen{status, c.MaxLag, heard(p, c.Metrics)}
	if c.JSON {
		if err := printJSON(p, status); err != nil {
			return err
		}
	} else {
		p.printf("%s\n", strings.Join(s.lines(screen.Paint(p.screen)), "\n"))
	}
	if wrong := status.Healthy(c.MaxLag.Seconds()); len(wrong) > 0 {
		return &noError{"something is wrong:\n  " + strings.Join(wrong, "\n  ")}
	}
	return nil
}

// seen is what there is to show: what Kafka knows, and what processes say.
type seen struct {
	cluster.Status
	mostLag time.Duration
	hosts   []host.Status
}

// heard asks processes, all at once. Who does not answer is left out: Kafka knows
// whether anybody works.
func heard(p *process, addresses []string) []host.Status {
	answers := make([][]host.Status, len(addresses))
	var group sync.WaitGroup
	for i, address := range addresses {
		group.Go(func() {
			answers[i], _ = (processes{patience: time.Second}).ask(p, http.MethodGet, address, "/status")
		})
	}
	group.Wait()
	return slices.Concat(answers...)
}

func (s seen) lines(paint screen.Paint) []string {
	lines := []string{fmt.Sprintf("%s, %d partitions, %s", strings.Join(s.Brokers, " "), s.Partitions, s.At.UTC().Format("2006-01-02 15:04:05 UTC"))}
	if s.GrowingTo != 0 {
		step := "rows are copied"
		if s.Fenced {
			step = "hosts wait"
		}
		lines = append(lines, fmt.Sprintf("growing from %d to %d partitions: %s", s.Partitions, s.GrowingTo, step))
	}
	lines = append(append(lines, ""), s.groups(paint)...)
	lines = append(lines, s.members(paint)...)
	if progress := progressOf(s.hosts); len(unfinished(progress)) > 0 {
		lines = append(lines, "", "definitions changed, people are looked at again:")
		lines = append(lines, strings.Split(strings.TrimRight(progressText(progress, paint), "\n"), "\n")...)
	}
	if len(s.Untold) > 0 {
		lines = append(lines, "", "destinations that `kairos deliver` has never told (others may read their topics): "+strings.Join(s.Untold, ", "))
	}
	return append(lines, s.letters(paint)...)
}

// groups is a line for each consumer group; what is wrong is red.
func (s seen) groups(paint screen.Paint) []string {
	rows := [][]string{head(paint, "GROUP", "STATE", "PROCESSES", "PARTITIONS", "WAITING", "OLDEST", "ROWS", "DOES")}
	for _, g := range slices.Concat(s.Groups, s.Rim) {
		red := func(bad bool, text string) string {
			if bad {
				return paint.In(screen.Red, text)
			}
			return text
		}
		stages := len(rows) <= len(s.Groups)
		rows = append(rows, []string{
			g.Group, strings.ToLower(g.State),
			red(len(g.Members) == 0 && (stages || g.Lag > 0), screen.Number(len(g.Members))),
			red(g.Owned < g.Partitions && (stages || g.Lag > 0), fmt.Sprintf("%d of %d", g.Owned, g.Partitions)),
			screen.Number(g.Lag), red(g.LagSeconds > s.mostLag.Seconds(), waits(g)), s.rows(g), strings.Join(g.Stages, " "),
		})
	}
	return screen.Columns(rows)
}

func head(paint screen.Paint, words ...string) []string {
	for i, word := range words {
		words[i] = paint.In(screen.Dim, word)
	}
	return words
}

// waits is how long the oldest record of a group has waited.
func waits(g cluster.GroupStatus) string {
	switch {
	case g.LagSeconds < 0:
		return "not ours to see"
	case g.Lag == 0:
		return "-"
	}
	return screen.Age(g.LagSeconds)
}

// rows is what processes say of their rows, and of how many partitions they do.
func (s seen) rows(g cluster.GroupStatus) string {
	keys, bytes, partitions := 0, int64(0), 0
	for _, h := range s.hosts {
		if h.Group == g.Group {
			partitions += len(h.Partitions)
			for _, p := range h.Partitions {
				keys, bytes = keys+p.Rows, bytes+p.Bytes
			}
		}
	}
	switch {
	case partitions == 0:
		return "-"
	case partitions < g.Partitions:
		return fmt.Sprintf("%s, %s in %d partitions", screen.Number(keys), screen.Bytes(bytes), partitions)
	}
	return screen.Number(keys) + ", " + screen.Bytes(bytes)
}

func (s seen) members(paint screen.Paint) []string {
	rows := [][]string{head(paint, "PROCESS", "HOST", "GROUP", "PARTITIONS")}
	for _, g := range slices.Concat(s.Groups, s.Rim) {
		for _, m := range g.Members {
			name := m.Instance
			if name == "" {
				name = m.Client
			}
			rows = append(rows, []string{name, m.Host, g.Group, screen.Number(m.Partitions)})
		}
	}
	if len(rows) == 1 {
		return nil
	}
	return append([]string{""}, screen.Columns(rows)...)
}

func (s seen) letters(paint screen.Paint) []string {
	if len(s.DeadLetters) == 0 {
		return nil
	}
	rows := [][]string{head(paint, "DEAD LETTERS", "", "NEWEST", "REASON", "")}
	for _, d := range s.DeadLetters {
		count := screen.Number(d.Count)
		if d.AtMost {
			count = "up to " + count
		}
		rows = append(rows, []string{d.Name, count, screen.Age(s.At.Sub(d.Newest).Seconds()) + " ago", d.Reason, "`kairos deadletters list " + d.Name + "`"})
	}
	return append([]string{""}, screen.Columns(rows)...)
}

// unfinished are the sweeps that are not through.
func unfinished(all []sweepProgress) []sweepProgress {
	var left []sweepProgress
	for _, s := range all {
		if s.State != "done" {
			left = append(left, s)
		}
	}
	return left
}
