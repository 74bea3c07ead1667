package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"kairos/loadtest/rig"
)

// Result is what everybody's runs came to.
type Result struct {
	Date       time.Time   `json:"date"`
	Commit     string      `json:"commit"`
	Machine    rig.Machine `json:"machine"`
	Partitions int         `json:"partitions"`
	People     int         `json:"people"`
	Seed       uint64      `json:"seed"`
	Runs       []Run       `json:"runs"`
}

func newResult(c *config) *Result {
	return &Result{Date: time.Now().UTC().Truncate(time.Second), Commit: rig.Commit(), Machine: rig.ThisMachine(),
		Partitions: c.partitions, People: c.people, Seed: c.seed}
}

// table shows the median of everybody's runs, beside kairos'.
func (r *Result) table() string {
	var b strings.Builder
	const format = "%-22s %4s %10s %8s %12s %12s %12s %9s %12s %12s\n"
	fmt.Fprintf(&b, format, "peer", "runs", "events/s", "kairos x", "client us/ev", "broker us/ev", "bytes/event", "RSS MB", "wrong", "others, CPUs")
	kairos := r.median("kairos", func(one Run) float64 { return one.EventsPerSecond })
	for _, name := range r.names() {
		of := func(what func(Run) float64) float64 { return r.median(name, what) }
		rate := of(func(one Run) float64 { return one.EventsPerSecond })
		times := "-"
		if kairos > 0 {
			times = fmt.Sprintf("%.2f", kairos/rate)
		}
		wrong := 0
		for _, one := range r.of(name) {
			wrong += one.Missing + one.Surplus
		}
		fmt.Fprintf(&b, format, name, strconv.Itoa(len(r.of(name))), fmt.Sprintf("%.0f", rate), times,
			fmt.Sprintf("%.1f", of(func(one Run) float64 { return one.ClientMicrosPerEvent })),
			fmt.Sprintf("%.1f", of(func(one Run) float64 { return one.BrokerMicrosPerEvent })),
			fmt.Sprintf("%.0f", of(func(one Run) float64 { return one.TopicBytesPerEvent })),
			fmt.Sprintf("%.0f", of(func(one Run) float64 { return float64(one.ResidentBytes) / (1 << 20) })),
			strconv.Itoa(wrong),
			fmt.Sprintf("%.2f", of(func(one Run) float64 { return one.OthersCPUs })))
	}
	return b.String()
}

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

// median is 0 if there is no run.
func (r *Result) median(name string, what func(Run) float64) float64 {
	var all []float64
	for _, one := range r.of(name) {
		all = append(all, what(one))
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// write keeps the figures as data, and the table beside them for people.
func (r *Result) write(folder string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "peers.json"), append(data, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "peers.txt"), []byte(r.table()), 0o644)
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
