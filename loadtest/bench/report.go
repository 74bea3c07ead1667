package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"kairos/loadtest/rig"
)

// report is the run for people.
func (r *Result) report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Measured on %s\n\nWritten by `make bench` from [the data](%s/%s.json); do not edit. Commit `%s`.\n\n",
		r.Date.Format("2006-01-02, 15:04 UTC"), dataFolder, r.Name, r.Commit)
	m := r.Machine
	fmt.Fprintf(&b, "One machine for everything, brokers, readers and feeders included: %d CPUs (%s), %.0f GB of memory, %s, %s. Load before the start: %.2f. What a machine gives differs; trust ratios.\n",
		m.CPUs, cmp.Or(m.CPU, "unknown"), float64(m.MemoryBytes)/1e9, cmp.Or(m.Kernel, m.OS), m.Go, r.Load)
	if len(r.Left) > 0 {
		b.WriteString("\n**Not measured:**\n\n")
		for _, left := range r.Left {
			fmt.Fprintf(&b, "- %s\n", strings.ReplaceAll(left, "\n", " "))
		}
	}
	r.peersTables(&b)
	r.wholeTables(&b)
	r.curveTables(&b)
	r.basis(&b)
	return b.String()
}

func (r *Result) peersTables(b *strings.Builder) {
	if len(r.Runs) == 0 {
		return
	}
	s := r.Sizes
	fmt.Fprintf(b, "\n## The same job\n\nFrom resolved events to twenty windowed audiences and their exits: %s events of %s people over a month, %d partitions, worked off from a backlog; everybody on a broker of their own, in turn, in another order each round. "+
		"Medians of so many runs, with the least and the most. **wrong**: answers that a look through all events at every instant has otherwise. **others**: CPUs busy with what is not measured, feeder and reader included.\n\n", grouped(s.Events), grouped(s.People), s.Partitions)
	t := table{{"peer", "runs", "events/s", "kairos is", "client us/event", "broker us/event", "bytes/event", "memory MB", "wrong", "others, CPUs"}}
	kairos := r.median("kairos", rateOf)
	for _, name := range r.byRate() {
		least, median, most := r.spreadOf(name, rateOf)
		times := "-"
		if kairos > 0 && name != "kairos" {
			times = fmt.Sprintf("%.2f times that", kairos/median)
		}
		wrong := 0
		for _, one := range r.of(name) {
			wrong += one.Missing + one.Surplus
		}
		t = append(t, []string{name, fmt.Sprint(len(r.of(name))), fmt.Sprintf("%s (%s to %s)", grouped(int(median)), grouped(int(least)), grouped(int(most))), times,
			fmt.Sprintf("%.1f", r.median(name, clientOf)), fmt.Sprintf("%.1f", r.median(name, brokerOf)),
			fmt.Sprintf("%.0f", r.median(name, bytesOf)), fmt.Sprintf("%.0f", r.median(name, memoryOf)), fmt.Sprint(wrong),
			fmt.Sprintf("%.2f", r.median(name, func(one Run) float64 { return one.OthersCPUs }))})
	}
	t.write(b)
	r.latencyTable(b)
}

// What is compared of a run.
func rateOf(one Run) float64   { return one.EventsPerSecond }
func clientOf(one Run) float64 { return one.ClientMicrosPerEvent }
func brokerOf(one Run) float64 { return one.BrokerMicrosPerEvent }
func bytesOf(one Run) float64  { return one.TopicBytesPerEvent }
func memoryOf(one Run) float64 { return float64(one.ResidentBytes) / 1e6 }

// byRate are the peers, the quickest first.
func (r *Result) byRate() []string {
	names := r.names()
	slices.SortStableFunc(names, func(a, b string) int { return -cmp.Compare(r.median(a, rateOf), r.median(b, rateOf)) })
	return names
}

func (r *Result) latencyTable(b *strings.Builder) {
	head := []string{"peer", "events/s", "sent/s", "p50 ms", "p99 ms", "p99.9 ms", "timed", "client us/event", "broker us/event", "others, CPUs"}
	t, halves := table{head}, table{head}
	for _, rate := range r.Sizes.Rates {
		for _, name := range r.names() {
			t.addRates(name, r.ratesOf(name, rate))
		}
	}
	for _, name := range r.byRate() {
		halves.addRates(name, r.halvesOf(name))
	}
	if len(t) == 1 {
		return
	}
	warm := ""
	if r.Sizes.Warm {
		warm = ", after as long at the first rate that does not count, in which the broker compiles what serves small requests"
	}
	fmt.Fprintf(b, "\nFrom when an event was due at a fixed rate, %d s of it, until its transition is in a read-committed reader's hands, %s for which events wait for each other included%s; medians of the runs. **timed** transitions in all: a p99.9 of few says little.\n\n", r.Sizes.Seconds, linger, warm)
	t.write(b)
	if len(halves) > 1 {
		b.WriteString("\nThe same at half of what each works off from a backlog:\n\n")
		halves.write(b)
	}
}

func (t *table) addRates(name string, all []rig.Rate) {
	if len(all) == 0 {
		return
	}
	timed := 0
	for _, at := range all {
		timed += at.Beacons
	}
	*t = append(*t, append([]string{name}, rateCells(all, timed)...))
}

func rateCells(all []rig.Rate, timed int) []string {
	of := func(what func(rig.Rate) float64) float64 { return medianOf(all, what) }
	return []string{
		grouped(int(of(func(at rig.Rate) float64 { return float64(at.EventsPerSecond) }))),
		grouped(int(of(func(at rig.Rate) float64 { return at.Sent }) + 0.5)),
		fmt.Sprintf("%.1f", of(func(at rig.Rate) float64 { return at.P50 })),
		fmt.Sprintf("%.1f", of(func(at rig.Rate) float64 { return at.P99 })),
		fmt.Sprintf("%.1f", of(func(at rig.Rate) float64 { return at.P999 })),
		grouped(timed),
		fmt.Sprintf("%.0f", of(func(at rig.Rate) float64 { return at.ClientMicrosPerEvent })),
		fmt.Sprintf("%.0f", of(func(at rig.Rate) float64 { return at.BrokerMicrosPerEvent })),
		fmt.Sprintf("%.2f", of(func(at rig.Rate) float64 { return at.OthersCPUs })),
	}
}

func (r *Result) wholeTables(b *strings.Builder) {
	if len(r.Whole) == 0 {
		return
	}
	b.WriteString("\n## kairos whole\n\nAll five stages from the door on, identity included, with the audiences of `loadtest/definitions`.\n\n")
	t := table{append([]string{"events"}, pointHead...)}
	rates := table{{"events/s", "sent/s", "p50 ms", "p99 ms", "p99.9 ms", "timed", "client us/event", "broker us/event", "others, CPUs"}}
	for _, p := range r.Whole {
		t = append(t, append([]string{grouped(p.Backlog.Events)}, p.cells()...))
		for _, at := range p.Rates {
			rates = append(rates, rateCells([]rig.Rate{at}, at.Beacons))
		}
	}
	t.write(b)
	if len(rates) > 1 {
		b.WriteString("\n")
		rates.write(b)
	}
}

var pointHead = []string{"events/s", "client us/event", "broker us/event", "bytes/event", "alive MB", "memory MB", "transitions/event", "others, CPUs"}

func (p *Point) cells() []string {
	g := p.Backlog
	return []string{grouped(int(g.EventsPerSecond)), fmt.Sprintf("%.1f", g.ClientMicrosPerEvent), fmt.Sprintf("%.1f", g.BrokerMicrosPerEvent),
		fmt.Sprintf("%.0f", g.TopicBytesPerEvent), fmt.Sprintf("%.0f", float64(p.Memory.HeapBytes)/1e6), fmt.Sprintf("%.0f", float64(p.Memory.ResidentBytes)/1e6),
		fmt.Sprintf("%.2f", float64(g.Transitions)/float64(max(1, g.Events))), fmt.Sprintf("%.2f", g.OthersCPUs)}
}

func (r *Result) curveTables(b *strings.Builder) {
	var against []string
	for _, p := range r.Curves {
		if !slices.Contains(against, p.Against) {
			against = append(against, p.Against)
		}
	}
	if len(against) == 0 {
		return
	}
	s := r.Sizes
	fmt.Fprintf(b, "\n## Curves\n\nkairos whole, %s people with a history of %d events each, 20 audiences of `loadtest/crowd`, %d partitions, nothing added to events, where it is not said otherwise; a backlog of %s events.\n",
		grouped(s.CurvePeople), s.CurveHistory, s.Partitions, grouped(s.CurveEvents))
	for _, a := range against {
		fmt.Fprintf(b, "\n![events a second against %s](%s/%s)\n\n", curves[a].head, plotFolder, r.curveFile(a))
		head, recovery := append([]string{curves[a].head}, pointHead...), false
		for _, p := range r.Curves {
			recovery = recovery || p.Against == a && p.Recovery != nil
		}
		if recovery {
			head = append(head, "tables MB on Kafka", "start s (CPU)", "start without a disk s (CPU)")
		}
		t := table{head}
		for _, p := range r.Curves {
			if p.Against != a {
				continue
			}
			row := append([]string{grouped(p.At)}, p.cells()...)
			if p.Recovery != nil {
				row = append(row, fmt.Sprintf("%.0f", float64(p.Recovery.TableBytes)/1e6), fmt.Sprintf("%.1f (%.1f)", p.Recovery.KeptSeconds, p.Recovery.KeptCPU), fmt.Sprintf("%.1f (%.1f)", p.Recovery.LostSeconds, p.Recovery.LostCPU))
			}
			t = append(t, row)
		}
		t.write(b)
	}
}

// basis is what it takes to judge the figures.
func (r *Result) basis(b *strings.Builder) {
	b.WriteString("\n## Versions and tuning\n\n")
	t := table{{"what", "version"}}
	for _, v := range r.Versions {
		t = append(t, v[:])
	}
	t.write(b)
	b.WriteString("\n")
	t = table{{"who", "tuned how"}}
	for _, v := range r.Tuning {
		t = append(t, v[:])
	}
	t.write(b)
}

// table is rows of cells, the first being the head.
type table [][]string

// write aligns the columns, so that the source reads as well as the page:
// figures, which begin with a digit or a dash in the first row, to the right.
func (t table) write(b *strings.Builder) {
	widths := make([]int, len(t[0]))
	for _, row := range t {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	right := make([]bool, len(widths))
	for i := range right {
		right[i] = len(t) > 1 && i < len(t[1]) && t[1][i] != "" && strings.ContainsRune("0123456789-", rune(t[1][i][0]))
	}
	for n, row := range t {
		for i, width := range widths {
			cell := ""
			if i < len(row) {
				cell = row[i]
			}
			pad := strings.Repeat(" ", width-utf8.RuneCountInString(cell))
			if right[i] {
				fmt.Fprintf(b, "| %s%s ", pad, cell)
			} else {
				fmt.Fprintf(b, "| %s%s ", cell, pad)
			}
		}
		b.WriteString("|\n")
		if n > 0 {
			continue
		}
		for i, width := range widths {
			if right[i] {
				fmt.Fprintf(b, "|%s:", strings.Repeat("-", width+1))
			} else {
				fmt.Fprintf(b, "|%s", strings.Repeat("-", width+2))
			}
		}
		b.WriteString("|\n")
	}
}

// grouped writes 1234567 as 1,234,567.
func grouped(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// label names a run on a figure.
func (r *Result) label() string {
	commit, _, _ := strings.Cut(r.Commit, "-")
	return cmp.Or(commit, r.Date.Format(time.DateOnly))
}
