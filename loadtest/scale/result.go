package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"kairos/loadtest/rig"
)

// Result is one run: what was measured, where, and what came out.
type Result struct {
	Name       string      `json:"name"`
	Measure    string      `json:"measure"`
	Date       time.Time   `json:"date"`
	Commit     string      `json:"commit"`
	Machine    rig.Machine `json:"machine"`
	Separate   bool        `json:"separate"`
	Partitions int         `json:"partitions"`
	People     int         `json:"people"` // of the live load
	History    int         `json:"history_events_per_person"`
	Seed       uint64      `json:"seed"`
	Curve      []Point     `json:"curve,omitempty"`
	Ratio      float64     `json:"ratio,omitempty"` // events/s with most audiences : with twenty
	Boundary   *Boundary   `json:"boundary,omitempty"`
	Seeding    *Seeding    `json:"seeding,omitempty"`
	Instances  *Instances  `json:"instances,omitempty"`
	Idle       []Stillness `json:"idle,omitempty"`
	Endurance  []Stretch   `json:"endurance,omitempty"`
}

func newResult(c rig.Config, measure string) *Result {
	return &Result{
		Name: c.Name, Measure: measure, Date: time.Now().UTC().Truncate(time.Second), Commit: rig.Commit(), Machine: rig.ThisMachine(),
		Separate: c.Separate, Partitions: c.Partitions, People: c.People, History: c.History, Seed: c.Seed,
	}
}

// relate computes what takes more than one point.
func (r *Result) relate() {
	least, most := &r.Curve[0], &r.Curve[len(r.Curve)-1]
	for i := range r.Curve[1:] {
		p := &r.Curve[i+1]
		p.BytesPerAudience = float64(p.Empty.HeapBytes-least.Empty.HeapBytes) / float64(p.Audiences-least.Audiences)
	}
	if i := slices.IndexFunc(r.Curve, func(p Point) bool { return p.Audiences == 20 }); i >= 0 && most.Audiences > 20 {
		r.Ratio = most.Backlog.EventsPerSecond / r.Curve[i].Backlog.EventsPerSecond
	}
}

// table shows the result to a reader.
func (r *Result) table() string {
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	switch {
	case r.Boundary != nil:
		m := r.Boundary
		fmt.Fprintf(t, "members\tfirst gone after s\tlast gone after s\tlive p50/p99 before ms\tmeanwhile ms\tothers, CPUs\t\n")
		fmt.Fprintf(t, "%d\t%.1f\t%.1f\t%.0f / %.0f\t%.0f / %.0f\t%.1f\t\n", m.Members, m.FirstAfter, m.LastAfter,
			m.Before.P50, m.Before.P99, m.Meanwhile.P50, m.Meanwhile.P99, m.Meanwhile.OthersCPUs)
	case r.Seeding != nil:
		m := r.Seeding
		fmt.Fprintf(t, "people\tpast events\tmembers\tfound in s\tlive p50/p99 before ms\tmeanwhile ms\tp99 ratio\tothers, CPUs\t\n")
		fmt.Fprintf(t, "%d\t%d\t%d\t%.1f\t%.0f / %.0f\t%.0f / %.0f\t%.2f\t%.1f\t\n", m.People, m.Events, m.Members, m.Seconds,
			m.Before.P50, m.Before.P99, m.Meanwhile.P50, m.Meanwhile.P99, m.Meanwhile.P99/m.Before.P99, m.Meanwhile.OthersCPUs)
	case r.Instances != nil:
		fmt.Fprintf(t, "what\tprocesses then\tpartitions moved\tin balance after s\tlive p50/p99 ms\tlongest s\tothers, CPUs\t\n")
		for i := range r.Instances.Changes {
			m := &r.Instances.Changes[i]
			fmt.Fprintf(t, "%s\t%d\t%d\t%.1f\t%.0f / %.0f\t%.1f\t%.1f\t\n", m.What, m.Processes, m.Moved, m.Balanced, m.Live.P50, m.Live.P99, m.Live.Max/1000, m.Live.OthersCPUs)
		}
	case r.Idle != nil:
		fmt.Fprintf(t, "partitions\tprocesses\ttransactions/s\trecords/s\tbytes/s\tclient CPUs\tbroker CPUs\tothers, CPUs\t\n")
		for i := range r.Idle {
			m := &r.Idle[i]
			fmt.Fprintf(t, "%d\t%d\t%.1f\t%.0f\t%.0f\t%.3f\t%.3f\t%.1f\t\n", m.Partitions, m.Processes, m.Idle.Transactions, m.Idle.Records, m.Idle.Bytes, m.Idle.ClientCPUs, m.Idle.BrokerCPUs, m.Idle.OthersCPUs)
		}
	case r.Endurance != nil:
		fmt.Fprintf(t, "after s\tevents\theap MB\trows MB\theap/rows\tresident MB\tat most MB\tp50/p99 ms\tclient us/event\tothers, CPUs\t\n")
		seconds, events := 0.0, 0.0
		for i := range r.Endurance {
			m := &r.Endurance[i]
			seconds, events = seconds+m.Rate.Seconds, events+m.Rate.Sent*m.Rate.Seconds
			fmt.Fprintf(t, "%.0f\t%.0f\t%.1f\t%.1f\t%.2f\t%.0f\t%.0f\t%.0f / %.0f\t%.0f\t%.1f\t\n", seconds, events, float64(m.Memory.HeapBytes)/1e6,
				float64(m.Memory.StateBytes)/1e6, float64(m.Memory.HeapBytes)/float64(m.Memory.StateBytes), float64(m.Memory.ResidentBytes)/1e6, float64(m.PeakBytes)/1e6, m.Rate.P50, m.Rate.P99, m.Rate.ClientMicrosPerEvent, m.Rate.OthersCPUs)
		}
	default:
		fmt.Fprintf(t, "audiences\ttouched/event\tevents/s\tclient us/event\tbroker us/event\ttransitions/event\tbytes/event\theap/audience\theap/person\tapply s\tstart s\tothers, CPUs\t\n")
		for i := range r.Curve {
			p := &r.Curve[i]
			fmt.Fprintf(t, "%d\t%.1f\t%.0f\t%.0f\t%.0f\t%.2f\t%.0f\t%.0f\t%.0f\t%.1f\t%.1f\t%.1f\t\n", p.Audiences, p.Touched,
				p.Backlog.EventsPerSecond, p.Backlog.ClientMicrosPerEvent, p.Backlog.BrokerMicrosPerEvent,
				float64(p.Backlog.Transitions)/float64(p.Backlog.Events), p.Backlog.TopicBytesPerEvent,
				p.BytesPerAudience, p.BytesPerPerson, p.ApplySeconds, p.StartSeconds, p.Backlog.OthersCPUs)
		}
	}
	_ = t.Flush() // into memory
	if r.Ratio > 0 {
		fmt.Fprintf(&b, "events/s with %d audiences : with 20 = %.2f (wanted: 0.33 at least)\n", r.Curve[len(r.Curve)-1].Audiences, r.Ratio)
	}
	if len(r.Endurance) >= 3 {
		fmt.Fprintf(&b, "resident at most in the last third : in the third before it = %.2f\n", flatness(r.Endurance))
	}
	if m := r.Instances; m != nil {
		fmt.Fprintf(&b, "%d rows, none lost; %d transitions, of everybody in the order of their revisions\n", m.Rows, m.Transitions)
	}
	return b.String()
}

// write adds the result to a folder and makes the folder's tables anew.
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
	return writeTables(folder)
}

const preface = `# What many of everything cost

Written by ` + "`go run ./loadtest/scale`" + ` from the JSON files beside it; do not edit. All five stages, real Kafka with one
broker and one replica; broker, kairos, feeder and reader share the machine. **others** are CPUs that other work took
meanwhile, feeder and reader included: where that is much, trust CPU per event and ratios only.

- **touched/event**: audiences whose counted events an event is one of, on average.
- **heap**: alive after a garbage collection; per audience before there are people, per person after the history.
- **rows**: their bytes and those of their keys, in memory; they grow while people do what is to be kept, which
  endurance bounds by minutes. **Resident** is after the collection that heap is counted behind, **at most** is before.
- **gone after, found in**: until a read-committed reader had the last transition in hand. Each was checked: the time of
  its cause to the millisecond, nobody missing, nobody twice.
- **in balance, longest**: from when a process came or went until all partitions were held again, evenly spread, their
  rows recovered; and from when an event was due to when its transition was seen, in the worst case, from 5 s before
  that until 15 s after it. Every event's transition was seen, and no row was lost. "Killed" is kill -9.
- **idle**: nothing but the time is told; records are those of all topics of kairos, markers of transactions included.
`

// tables makes the tables and figures of what is kept anew.
func tables(context.Context, []string) error { return writeTables(defaults("").Results) }

func writeTables(folder string) error {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return err
	}
	var b bytes.Buffer
	b.WriteString(preface)
	for _, file := range files { // by name
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var r Result
		if err := json.Unmarshal(text, &r); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s, %s, %d CPUs, %s; %d people, %d partitions, seed %d.\n\n```\n%s```\n", r.Name, r.Date.Format(time.DateOnly),
			r.Commit, r.Machine.CPUs, r.Machine.Go, r.People, r.Partitions, r.Seed, strings.TrimLeft(r.table(), "\n"))
		if r.Endurance == nil {
			continue
		}
		fmt.Fprintf(&b, "\n![memory over the minutes](%s.svg)\n", r.Name)
		if err := os.WriteFile(filepath.Join(folder, r.Name+".svg"), []byte(picture(r.Endurance)), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(folder, "README.md"), b.Bytes(), 0o644)
}
