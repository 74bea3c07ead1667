package main

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/screen"
)

type topCommand struct {
	onCluster
	Every  time.Duration `default:"2s" help:"How often it looks (${default})."`
	MaxLag time.Duration `default:"60s" help:"How old the oldest unprocessed record may be (${default})."`
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
	picture := screen.New(p.out, p.width)
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
		now := &sight{status, time.Now()}
		lines := []string{fmt.Sprintf("kairos top, every %v; Ctrl-C ends", c.Every)}
		if err != nil { // brokers come back
			lines = append(lines, "cannot look: "+err.Error())
		} else {
			lines = append(lines, now.lines(before, c.MaxLag)...)
			before = now
		}
		if p.screen {
			picture.Draw(lines)
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
	cluster.Status
	at time.Time
}

// lines shows a sight, and what became different since the one before, if there
// is one.
func (s *sight) lines(before *sight, mostLag time.Duration) []string {
	var text bytes.Buffer
	printStatus(&process{out: &text}, s.Status)
	lines := strings.Split(strings.TrimRight(text.String(), "\n"), "\n")
	if before != nil {
		for i, g := range s.Groups {
			if i >= len(before.Groups) || before.Groups[i].Group != g.Group {
				continue
			}
			passed := s.at.Sub(before.at).Seconds()
			lines = append(lines, fmt.Sprintf("  %s: %s, %.0f rows written a second", g.Group, course(before.Groups[i].Lag, g.Lag, passed), float64(g.Rows-before.Groups[i].Rows)/passed))
		}
	}
	wrong := s.Healthy(mostLag.Seconds())
	for _, w := range wrong {
		lines = append(lines, "! "+w)
	}
	if len(wrong) == 0 {
		lines = append(lines, "all is well")
	}
	return lines
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
