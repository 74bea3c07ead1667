package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"kairos/loadtest/rig"
)

// Result is one run of all of it, kept as data: the report and the figures are
// made of it.
type Result struct {
	Name     string      `json:"name"`
	Date     time.Time   `json:"date"`
	Commit   string      `json:"commit"`
	Machine  Machine     `json:"machine"`
	Load     float64     `json:"load_before"` // the machine's, over the minute before
	Versions [][2]string `json:"versions"`    // what, which
	Tuning   [][2]string `json:"tuning"`      // who, how
	Sizes    Sizes       `json:"sizes"`
	Runs     []Run       `json:"runs,omitempty"`
	Whole    []Point     `json:"whole,omitempty"`
	Curves   []Point     `json:"curves,omitempty"`
	Left     []string    `json:"left,omitempty"` // what was not measured, and why
}

// Sizes is how much was measured.
type Sizes struct {
	Rounds     int    `json:"rounds"`
	People     int    `json:"people"`
	Events     int    `json:"events"`
	Partitions int    `json:"partitions"`
	Rates      []int  `json:"rates"`
	Seconds    int    `json:"seconds"` // at each rate
	Warm       bool   `json:"warm"`    // as long at the first rate before, which does not count
	Seed       uint64 `json:"seed"`

	CurvePeople  int `json:"curve_people"` // where they do not vary
	CurveHistory int `json:"curve_history_events_per_person"`
	CurveEvents  int `json:"curve_events"`
}

// Point is kairos whole, from the door on, under one configuration.
type Point struct {
	Against  string        `json:"against,omitempty"` // what varies
	At       int           `json:"at,omitempty"`
	Backlog  rig.Backlog   `json:"backlog"`
	Memory   rig.Memory    `json:"memory"`
	Recovery *rig.Recovery `json:"recovery,omitempty"`
	Rates    []rig.Rate    `json:"rates,omitempty"`
}

// names are those of the peers that were measured, sorted.
func (r *Result) names() []string {
	var names []string
	for _, one := range r.Runs {
		if !slices.Contains(names, one.Peer) {
			names = append(names, one.Peer)
		}
	}
	slices.Sort(names)
	return names
}

func (r *Result) of(name string) []Run {
	var runs []Run
	for _, one := range r.Runs {
		if one.Peer == name {
			runs = append(runs, one)
		}
	}
	return runs
}

// spreadOf is the least, the median and the most of a figure in somebody's runs.
func (r *Result) spreadOf(name string, what func(Run) float64) (least, median, most float64) {
	var all []float64
	for _, one := range r.of(name) {
		all = append(all, what(one))
	}
	return spreadOfAll(all)
}

func spreadOfAll(all []float64) (least, median, most float64) {
	if len(all) == 0 {
		return 0, 0, 0
	}
	slices.Sort(all)
	return all[0], (all[(len(all)-1)/2] + all[len(all)/2]) / 2, all[len(all)-1]
}

func (r *Result) median(name string, what func(Run) float64) float64 {
	_, median, _ := r.spreadOf(name, what)
	return median
}

// ratesOf is everything that somebody did at one rate.
func (r *Result) ratesOf(name string, rate int) []rig.Rate {
	var all []rig.Rate
	for _, one := range r.of(name) {
		for _, at := range one.Rates {
			if at.EventsPerSecond == rate {
				all = append(all, at)
			}
		}
	}
	return all
}

// halvesOf is what somebody did at half of its own rates.
func (r *Result) halvesOf(name string) (all []rig.Rate) {
	for _, one := range r.of(name) {
		if one.Half != nil {
			all = append(all, *one.Half)
		}
	}
	return all
}

func medianOf(all []rig.Rate, what func(rig.Rate) float64) float64 {
	var values []float64
	for _, at := range all {
		values = append(values, what(at))
	}
	_, median, _ := spreadOfAll(values)
	return median
}

// dataFolder holds the runs, beside the reports.
const dataFolder = "bench"

// keep writes the run, so that no moment leaves half of it, and its report.
func (r *Result) keep(folder string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(folder, dataFolder), 0o755); err != nil {
		return err
	}
	for file, text := range map[string]string{
		filepath.Join(folder, dataFolder, r.Name+".json"): string(data) + "\n",
		filepath.Join(folder, r.Name+".md"):               r.report(),
	} {
		if err := os.WriteFile(file+".new", []byte(text), 0o644); err != nil {
			return err
		}
		if err := os.Rename(file+".new", file); err != nil {
			return err
		}
	}
	return nil
}

// readKept reads all runs of a folder, the oldest first.
func readKept(folder string) ([]*Result, error) {
	files, err := filepath.Glob(filepath.Join(folder, dataFolder, "*.json"))
	if err != nil {
		return nil, err
	}
	var all []*Result
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		r := &Result{}
		if err := json.Unmarshal(text, r); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *Result) int {
		if c := a.Date.Compare(b.Date); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return all, nil
}

// freeName is today, or today with a number if there is a run of today.
func freeName(folder string, now time.Time) (string, error) {
	today := now.UTC().Format(time.DateOnly)
	for n := 1; ; n++ {
		name := today
		if n > 1 {
			name += "-" + strconv.Itoa(n)
		}
		_, err := os.Stat(filepath.Join(folder, dataFolder, name+".json"))
		if errors.Is(err, fs.ErrNotExist) {
			return name, nil
		}
		if err != nil {
			return "", err
		}
	}
}

func residentOf(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "VmRSS:"); found {
			kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("no VmRSS of process %d", pid)
}
