package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kairos/loadtest/rig"
)

// Result is one run: what was measured, where, and what came out.
type Result struct {
	Name       string      `json:"name"`
	Date       time.Time   `json:"date"`
	Commit     string      `json:"commit"`
	Machine    rig.Machine `json:"machine"`
	Separate   bool        `json:"separate"` // one process per stage
	Partitions int         `json:"partitions"`
	People     int         `json:"people"`
	History    int         `json:"history_events_per_person"`
	Seed       uint64      `json:"seed"`
	Broker     []string    `json:"broker_settings"` // on top of deploy/kafka
	Backlog    rig.Backlog `json:"backlog"`
	Rates      []rig.Rate  `json:"rates"`
}

func newResult(c rig.Config) *Result {
	return &Result{
		Name: c.Name, Date: time.Now().UTC().Truncate(time.Second), Commit: rig.Commit(),
		Machine:  rig.ThisMachine(),
		Separate: c.Separate, Partitions: c.Partitions, People: c.People, History: c.History, Seed: c.Seed,
		Broker: c.Settings,
	}
}

// write adds the result to a folder and makes the folder's table anew.
func (r *Result) write(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, r.Name+".json"), append(text, '\n'), 0o644); err != nil {
		return err
	}
	return writeTable(folder)
}

const preface = `# What was measured

Written by ` + "`go run ./loadtest/load`" + ` from the JSON files beside it; do not edit. All five stages, the audiences of
` + "`loadtest/definitions`" + `, real Kafka with one broker and one replica. Broker, kairos, feeder and reader share the
machine, so these figures are what that machine gives, not what kairos could; trust ratios.

- **busy with others**: CPUs that other work took meanwhile. Where this is much, events/s and latencies say little, and
  CPU per event is too high (caches are shared): measure again on a quiet machine.
- **events/s**: from a backlog, from when kairos, its rows in memory, is let go until every stage has committed the
  last one. What was measured until 2026-11-29 began with the first committed event, when some rows were still read.
- **p50, p99, p99.9**: from when an event was due at the fixed rate until a read-committed reader of the public
  transitions has it in hand.
- **CPU**: user and system time a process used per event, all stages together; the broker's beside it.
- **bytes**: what all topics and tables grew per event, on one replica, while the backlog was worked off.

Beside Kafka Streams, plain Goka and the floor, and against people, audiences, partitions and the size of events: the
files named after a date here, by ` + "`make bench`" + `; over commits: the figures in plots.

`

func writeTable(folder string) error {
	results, err := readAll(folder)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	b.WriteString(preface)
	b.WriteString("| run | date, commit | machine | busy with others | processes | events/s | client + broker CPU, µs/event | bytes/event | at a fixed rate: p50 / p99 / p99.9 ms |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range results {
		fmt.Fprintln(&b, r.line())
	}
	return os.WriteFile(filepath.Join(folder, "README.md"), b.Bytes(), 0o644)
}

func readAll(folder string) ([]Result, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, err
	}
	var results []Result
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var r Result
		if err := json.Unmarshal(text, &r); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		results = append(results, r)
	}
	slices.SortFunc(results, func(a, b Result) int { return strings.Compare(a.Name, b.Name) })
	return results, nil
}

func (r *Result) line() string {
	processes := "one"
	if r.Separate {
		processes = "one per stage"
	}
	var rates []string
	for _, rate := range r.Rates {
		rates = append(rates, fmt.Sprintf("%d/s: %.0f / %.0f / %.0f", rate.EventsPerSecond, rate.P50, rate.P99, rate.P999))
	}
	return fmt.Sprintf("| %s | %s, %s | %d CPUs, %s | %.1f CPUs | %s | %.0f | %.0f + %.0f | %.0f | %s |",
		r.Name, r.Date.Format("2006-01-02"), r.Commit, r.Machine.CPUs, r.Machine.Go, r.Backlog.OthersCPUs, processes,
		r.Backlog.EventsPerSecond, r.Backlog.ClientMicrosPerEvent, r.Backlog.BrokerMicrosPerEvent, r.Backlog.TopicBytesPerEvent,
		strings.Join(rates, "<br>"))
}
