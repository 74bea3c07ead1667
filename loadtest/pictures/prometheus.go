package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"kairos/loadtest/binary"
)

const (
	scrape = time.Second
	window = 15 * time.Second // what Grafana puts in for $__rate_interval, on a longer time
	step   = 2 * time.Second
)

func (s *shop) startPrometheus() error {
	text := fmt.Sprintf("global: {scrape_interval: %v}\nscrape_configs:\n", scrape)
	for _, name := range []string{"run", "deliver", "probe"} {
		text += fmt.Sprintf("- {job_name: %s, static_configs: [{targets: [%q]}]}\n", name, s.metrics[name])
	}
	file := filepath.Join(s.dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	p, err := binary.At(s.prometheus).Start(filepath.Join(s.dir, "prometheus.log"), "--config.file="+file,
		"--web.listen-address="+s.watch, "--storage.tsdb.path="+filepath.Join(s.dir, "tsdb"))
	if err != nil {
		return fmt.Errorf("%w; Debian has it as prometheus", err)
	}
	s.running = append(s.running, p)
	return nil
}

// line is one of a panel.
type line struct {
	name   string
	points [][2]float64 // seconds since 1970, value
}

// ask gives the lines that Prometheus answers to a query.
func (s *shop) ask(ctx context.Context, q query, begin, end time.Time) ([]line, error) {
	asked := url.Values{
		"query": {strings.ReplaceAll(q.Expr, "$__rate_interval", window.String())},
		"start": {strconv.FormatInt(begin.Unix(), 10)}, "end": {strconv.FormatInt(end.Unix(), 10)}, "step": {step.String()},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.watch+"/api/v1/query_range?"+asked.Encode(), nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer struct {
		Status string
		Error  string
		Data   struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("%s: %s", q.Expr, answer.Error)
	}
	var lines []line
	for _, result := range answer.Data.Result {
		l := line{name: q.Legend}
		for label, value := range result.Metric {
			l.name = strings.ReplaceAll(l.name, "{{"+label+"}}", value)
		}
		for _, v := range result.Values {
			at, _ := v[0].(float64)
			text, _ := v[1].(string)
			if y, err := strconv.ParseFloat(text, 64); err == nil {
				l.points = append(l.points, [2]float64{at, y})
			}
		}
		lines = append(lines, l)
	}
	slices.SortFunc(lines, func(a, b line) int { return strings.Compare(a.name, b.name) })
	return lines, nil
}

// dashboardRow is a row of the dashboard and its panels.
type dashboardRow struct {
	title  string
	panels []panel
}

func (r dashboardRow) file() string {
	return strings.TrimPrefix(strings.ToLower(r.title), "kairos.") + ".svg"
}

type panel struct {
	Type        string
	Title       string
	GridPos     struct{ X, Y, W, H int }
	FieldConfig struct{ Defaults struct{ Unit string } }
	Targets     []query
}

type query struct {
	Expr   string
	Legend string `json:"legendFormat"`
}

func readDashboard(path string) ([]dashboardRow, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var board struct{ Panels []panel }
	if err := json.Unmarshal(text, &board); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var rows []dashboardRow
	for _, p := range board.Panels {
		if p.Type == "row" {
			rows = append(rows, dashboardRow{title: p.Title})
		} else if len(rows) > 0 {
			last := &rows[len(rows)-1]
			last.panels = append(last.panels, p)
		}
	}
	return rows, nil
}
