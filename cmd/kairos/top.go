package main

import (
	"fmt"
	"strings"
	"time"

	"kairos/cmd/internal/screen"
)

type topCommand struct {
	onCluster
	Every   time.Duration `default:"2s" help:"How often it looks (${default})."`
	MaxLag  time.Duration `default:"60s" help:"How old the oldest unprocessed record may be (${default})."`
	Metrics []string      `default:"127.0.0.1:9464" placeholder:"HOST:PORT" help:"Metrics addresses of processes, who alone know rows and sweeps (${default})."`
}

func (c *topCommand) Help() string {
	return `Shows what "kairos status" shows, again and again, with how fast each group catches up or
falls behind, until it is interrupted. Where there is no terminal it prints one picture after
the other.`
}

func (c *topCommand) Run(p *process) error {
	client, t, err := c.open(p)
	if err != nil {
		return err
	}
	defer client.Close()
	picture, paint := screen.New(p.out, p.width), screen.Paint(p.screen)
	if p.screen {
		defer picture.Done()
	}
	again := time.NewTicker(c.Every)
	defer again.Stop()
	var before *sight
	for {
		status, err := client.Status(p, t, time.Now())
		if p.Err() != nil {
			return nil
		}
		lines := []string{fmt.Sprintf("kairos top, every %v; Ctrl-C ends", c.Every)}
		if err != nil { // brokers come back
			lines = append(lines, paint.In(screen.Red, "cannot look, tries again: "+err.Error()))
		} else {
			now := &sight{seen{status, c.MaxLag, heard(p, c.Metrics)}, time.Now()}
			lines = append(lines, now.lines(before, paint)...)
			before = now
		}
		if p.screen {
			picture.Draw(fitting(lines, p.rows()))
		} else {
			p.printf("%s\n\n", strings.Join(lines, "\n"))
		}
		select {
		case <-p.Done():
			return nil
		case <-again.C:
		}
	}
}

// sight is what was seen at a moment.
type sight struct {
	seen
	at time.Time
}

// lines shows a sight, what is wrong first, and what became different since the
// one before, if there is one.
func (s *sight) lines(before *sight, paint screen.Paint) []string {
	all := s.seen.lines(paint)
	lines := all[:1:1]
	wrong := s.Healthy(s.mostLag.Seconds())
	for _, w := range wrong {
		lines = append(lines, paint.In(screen.Red, "! "+w))
	}
	if len(wrong) == 0 {
		lines = append(lines, paint.In(screen.Green, "all is well"))
	}
	lines = append(lines, all[1:]...)
	if before == nil {
		return lines
	}
	var rows [][]string
	for i, g := range s.Groups {
		if i >= len(before.Groups) || before.Groups[i].Group != g.Group {
			continue
		}
		passed := s.at.Sub(before.at).Seconds()
		rows = append(rows, []string{g.Group, course(before.Groups[i].Lag, g.Lag, passed), fmt.Sprintf("%.0f rows written a second", float64(g.Rows-before.Groups[i].Rows)/passed)})
	}
	return append(append(lines, ""), screen.Columns(rows)...)
}

// fitting leaves out what a terminal of a height has no room for: it would
// scroll. 0: the height is not known.
func fitting(lines []string, height int) []string {
	if height <= 0 || len(lines) < height { // the cursor stands below
		return lines
	}
	room := max(0, height-2)
	return append(lines[:room:room], fmt.Sprintf("… and %d lines more", len(lines)-room))
}

// course says where a lag goes.
func course(before, now int64, seconds float64) string {
	switch rate := float64(before-now) / seconds; {
	case now == 0:
		return "nothing waits"
	case rate >= 1:
		return fmt.Sprintf("catches up by %.0f records a second, there in %v", rate, (time.Duration(float64(now)/rate) * time.Second).Round(time.Second))
	case rate <= -1:
		return fmt.Sprintf("falls behind by %.0f records a second", -rate)
	}
	return "keeps its distance"
}
