package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"kairos/loadtest/chart"
	"kairos/loadtest/rig"
)

const plotFolder = "plots"

// trend is a figure over commits.
type trend struct {
	file, title, unit string
	whole             func(*Result) float64         // of kairos whole; nil: it is no such figure
	peer              func(*Result, string) float64 // of one who was measured; nil likewise
}

func trends() []trend {
	peer := func(what func(Run) float64) func(*Result, string) float64 {
		return func(r *Result, name string) float64 { return orNothing(r.median(name, what)) }
	}
	backlog := func(what func(Point) float64) func(*Result) float64 {
		return func(r *Result) float64 {
			if len(r.Whole) == 0 {
				return math.NaN()
			}
			return orNothing(what(r.Whole[0]))
		}
	}
	all := []trend{
		{"events-per-second.svg", "Events a second from a backlog, the same job", "events/s", nil, peer(rateOf)},
		{"client-cpu.svg", "CPU of the client an event, the same job", "us", nil, peer(clientOf)},
		{"broker-cpu.svg", "CPU of the broker an event, the same job", "us", nil, peer(brokerOf)},
		{"bytes.svg", "Bytes written to Kafka an event, the same job", "bytes", nil, peer(bytesOf)},
		{"memory.svg", "Memory when all is worked off, the same job", "MB", nil, peer(memoryOf)},
		{"whole-events-per-second.svg", "Events a second from a backlog, kairos whole", "events/s", backlog(func(p Point) float64 { return p.Backlog.EventsPerSecond }), nil},
		{"whole-cpu.svg", "CPU an event, kairos whole and its broker", "us", backlog(func(p Point) float64 { return p.Backlog.ClientMicrosPerEvent + p.Backlog.BrokerMicrosPerEvent }), nil},
		{"whole-bytes.svg", "Bytes written to Kafka an event, kairos whole", "bytes", backlog(func(p Point) float64 { return p.Backlog.TopicBytesPerEvent }), nil},
	}
	for _, rate := range []int{1_000, 5_000, 10_000} {
		all = append(all,
			trend{fmt.Sprintf("p99-at-%d.svg", rate), fmt.Sprintf("p99 at %s events a second, the same job", grouped(rate)), "ms", nil,
				func(r *Result, name string) float64 { return p99Of(r.ratesOf(name, rate)) }},
			trend{fmt.Sprintf("whole-p99-at-%d.svg", rate), fmt.Sprintf("p99 at %s events a second, kairos whole", grouped(rate)), "ms",
				func(r *Result) float64 {
					var at []rig.Rate
					for _, p := range r.Whole {
						at = append(at, slices.DeleteFunc(slices.Clone(p.Rates), func(one rig.Rate) bool { return one.EventsPerSecond != rate })...)
					}
					return p99Of(at)
				}, nil})
	}
	return all
}

func p99Of(all []rig.Rate) float64 {
	return orNothing(medianOf(all, func(at rig.Rate) float64 { return at.P99 }))
}

func orNothing(v float64) float64 {
	if v == 0 {
		return math.NaN()
	}
	return v
}

// chart is a trend over runs, or nil if none has the figure.
func (t trend) chart(runs []*Result) *chart.Chart {
	c := &chart.Chart{Title: t.title, Unit: t.unit, Across: "commit"}
	var names []string
	for _, r := range runs {
		c.Places = append(c.Places, r.label())
		for _, name := range r.names() {
			if t.peer != nil && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	if t.whole != nil {
		names = []string{"kairos"}
	}
	for _, name := range names {
		s := chart.Series{Name: name}
		for _, r := range runs {
			if t.whole != nil {
				s.Values = append(s.Values, t.whole(r))
			} else {
				s.Values = append(s.Values, t.peer(r, name))
			}
		}
		if slices.ContainsFunc(s.Values, func(v float64) bool { return !math.IsNaN(v) }) {
			c.Series = append(c.Series, s)
		}
	}
	if len(c.Series) == 0 {
		return nil
	}
	return c
}

// curve is something that varies.
type curve struct{ head, title string }

var curves = map[string]curve{
	"people":     {"people", "Events a second against the number of people"},
	"audiences":  {"audiences", "Events a second against the number of audiences"},
	"partitions": {"partitions", "Events a second against the number of partitions"},
	"size":       {"bytes more", "Events a second against bytes added to an event"},
}

func (r *Result) curveFile(against string) string { return r.Name + "-" + against + ".svg" }

func (r *Result) curveChart(against string) *chart.Chart {
	c := &chart.Chart{Title: curves[against].title, Unit: "events/s", Across: curves[against].head, Series: []chart.Series{{Name: "kairos whole"}}}
	for _, p := range r.Curves {
		if p.Against == against {
			c.Places = append(c.Places, grouped(p.At))
			c.Series[0].Values = append(c.Series[0].Values, p.Backlog.EventsPerSecond)
		}
	}
	if len(c.Places) == 0 {
		return nil
	}
	return c
}

// figures are all, by file.
func figures(runs []*Result) map[string]string {
	all := map[string]string{}
	for _, t := range trends() {
		if c := t.chart(runs); c != nil {
			all[t.file] = c.SVG()
		}
	}
	for _, r := range runs {
		for against := range curves {
			if c := r.curveChart(against); c != nil {
				all[r.curveFile(against)] = c.SVG()
			}
		}
	}
	return all
}

// draw makes all reports and figures of a folder anew from what is kept.
func draw(folder string) error {
	runs, err := readKept(folder)
	if err != nil {
		return err
	}
	plots := filepath.Join(folder, plotFolder)
	if err := os.RemoveAll(plots); err != nil {
		return err
	}
	if len(runs) == 0 {
		return nil
	}
	if err := os.MkdirAll(plots, 0o755); err != nil {
		return err
	}
	for file, svg := range figures(runs) {
		if err := os.WriteFile(filepath.Join(plots, file), []byte(svg), 0o644); err != nil {
			return err
		}
	}
	for _, r := range runs {
		if err := os.WriteFile(filepath.Join(folder, r.Name+".md"), []byte(r.report()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
