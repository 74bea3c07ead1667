package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"kairos/cmd/internal/screen"
	"kairos/cmd/internal/service"
	"kairos/processors/host"
)

// processes are the running ones that are asked, each at its metrics address.
type processes struct {
	Metrics []string `default:"127.0.0.1:9464" placeholder:"HOST:PORT" help:"Metrics addresses of the processes (${default})."`
	JSON    bool     `name:"json" help:"For machines."`

	patience time.Duration `kong:"-"` // with each; 0: ten seconds
}

type audienceProgress struct{ processes }

func (c *audienceProgress) Help() string {
	return `After definitions change, every person is looked at again, in the background. Whoever has
an event meanwhile is looked at at once. "kairos audience hold" makes the rest wait, "kairos
audience resume" goes on where it stopped. To cancel, apply the definitions of before again:
those who are not reached yet notice nothing, those who are go back.`
}

func (c *audienceProgress) Run(p *process) error { return c.show(p, http.MethodGet, "/status") }

type audienceHold struct{ processes }

func (c *audienceHold) Run(p *process) error { return c.show(p, http.MethodPost, "/sweeps/hold") }

type audienceResume struct{ processes }

func (c *audienceResume) Run(p *process) error { return c.show(p, http.MethodPost, "/sweeps/resume") }

// sweepProgress is how far the sweep of one stage is, in all processes asked.
type sweepProgress struct {
	Stage string  `json:"stage"`
	Done  int64   `json:"done"`
	Total int64   `json:"total"`
	Left  float64 `json:"left_seconds"` // of the slowest partition at its pace so far; 0: not known, or done
	State string  `json:"state"`        // running, held or done
}

// show asks all processes and prints what they say together.
func (c processes) show(p *process, method, path string) error {
	var all []host.Status
	for _, address := range c.Metrics {
		statuses, err := c.ask(p, method, address, path)
		if err != nil {
			return fmt.Errorf("%s: %w: name the metrics addresses of your processes with --metrics", address, err)
		}
		all = append(all, statuses...)
	}
	progress := progressOf(all)
	if c.JSON {
		return printJSON(p, progress)
	}
	p.printf("%s", progressText(progress, screen.Paint(p.screen)))
	return nil
}

func (c processes) ask(p *process, method, address, path string) ([]host.Status, error) {
	request, err := http.NewRequestWithContext(p, method, "http://"+address+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set(service.OperatorHeader, "kairos")
	client := http.Client{Timeout: cmp.Or(c.patience, 10*time.Second)}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, errors.New("it answers " + response.Status)
	}
	var statuses []host.Status
	return statuses, json.NewDecoder(response.Body).Decode(&statuses)
}

// progressOf adds up partitions, by stage in the order in which they come.
func progressOf(statuses []host.Status) []sweepProgress {
	all := []sweepProgress{}
	for _, s := range statuses {
		for _, partition := range s.Partitions {
			left := partition.Left
			for _, sweep := range partition.Sweeps {
				i := slices.IndexFunc(all, func(p sweepProgress) bool { return p.Stage == sweep.Stage })
				if i < 0 {
					i = len(all)
					all = append(all, sweepProgress{Stage: sweep.Stage, State: "done"})
				}
				p := &all[i]
				p.Done, p.Total = p.Done+sweep.Done, p.Total+sweep.Total
				switch {
				case sweep.Ended:
					continue
				case s.Held:
					p.State = "held"
				default:
					p.State = "running"
				}
				p.Left, left = max(p.Left, left.Seconds()), 0 // it is that of the first sweep under way
			}
		}
	}
	return all
}

func progressText(all []sweepProgress, paint screen.Paint) string {
	if len(all) == 0 {
		return "no definitions have changed: nobody is looked at again\n"
	}
	rows := [][]string{{paint.In(screen.Dim, "STAGE"), "", paint.In(screen.Dim, "PEOPLE"), "", paint.In(screen.Dim, "LEFT"), ""}}
	for _, s := range all {
		part := 1.0
		if s.Total > 0 {
			part = min(1, float64(s.Done)/float64(s.Total))
		}
		left := "-"
		if s.Left > 0 {
			left = (time.Duration(s.Left * float64(time.Second))).Round(time.Second).String()
		}
		rows = append(rows, []string{
			s.Stage, screen.Left(screen.Bar(part, 20), 20), screen.Number(s.Done) + " of " + screen.Number(s.Total),
			fmt.Sprintf("%.0f %%", 100*part), left, s.State,
		})
	}
	return strings.Join(screen.Columns(rows), "\n") + "\n"
}
