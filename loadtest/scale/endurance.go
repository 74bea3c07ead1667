package main

import (
	"cmp"
	"context"
	_ "embed"
	"flag"
	"fmt"
	"slices"
	"time"

	"kairos/loadtest/chart"
	"kairos/loadtest/rig"
)

// Stretch is a part of a steady load, and what kairos held meanwhile and at its
// end.
type Stretch struct {
	Rate      rig.Rate   `json:"rate"`
	PeakBytes int64      `json:"peak_resident_bytes"` // meanwhile, looked at every second
	Memory    rig.Memory `json:"memory"`
}

// forgetful are definitions under which all that is kept of people is bounded
// by minutes.
//
//go:embed endurance.yaml
var forgetful string

// endurance lets a load go on over the same people until their rows have long
// ceased to grow: whatever else grew would grow for ever.
func endurance(ctx context.Context, args []string) error {
	c, rate, stretches, length := defaults("endurance"), 3_000, 15, 2*time.Minute
	c.People, c.History = 5_000, 0
	flags := flag.NewFlagSet("scale endurance", flag.ContinueOnError)
	c.Flags(flags)
	flags.StringVar(&c.Name, "name", c.Name, "of the result")
	flags.IntVar(&rate, "rate", rate, "events a second")
	flags.IntVar(&stretches, "stretches", stretches, "of the load: after each, memory is looked at")
	flags.DurationVar(&length, "length", length, "of a stretch")
	if err := flags.Parse(args); err != nil {
		return err
	}
	w, err := begin(ctx, c, forgetful)
	if err != nil {
		return err
	}
	defer w.Close()
	r := newResult(c, "endurance")
	for range stretches {
		var s Stretch
		if s.PeakBytes, err = w.PeakWhile(func() (err error) {
			s.Rate, err = w.KeepUp(ctx, rate, length)
			return err
		}); err != nil {
			return err
		}
		if s.Memory, err = w.Memory(ctx); err != nil {
			return err
		}
		r.Endurance = append(r.Endurance, s)
		fmt.Println(r.table())
	}
	return r.write(c.Results)
}

// flatness is how much the most that was resident in the last third of a load
// is of the most in the third before it: 1 where memory is flat. Rows grow in
// the first.
func flatness(all []Stretch) float64 {
	third := len(all) / 3
	most := func(some []Stretch) float64 {
		return float64(slices.MaxFunc(some, func(a, b Stretch) int { return cmp.Compare(a.PeakBytes, b.PeakBytes) }).PeakBytes)
	}
	return most(all[len(all)-third:]) / most(all[len(all)-2*third:len(all)-third])
}

// picture shows what was held over the minutes of a load.
func picture(all []Stretch) string {
	c := chart.Chart{Title: "Memory through a long load over the same people", Unit: "MB", Across: "minutes"}
	held := []struct {
		name  string
		bytes func(*Stretch) int64
	}{
		{"resident at most", func(s *Stretch) int64 { return s.PeakBytes }},
		{"heap", func(s *Stretch) int64 { return s.Memory.HeapBytes }},
		{"rows", func(s *Stretch) int64 { return s.Memory.StateBytes }},
	}
	for _, h := range held {
		line := chart.Series{Name: h.name}
		for i := range all {
			line.Values = append(line.Values, float64(h.bytes(&all[i]))/1e6)
		}
		c.Series = append(c.Series, line)
	}
	minutes := 0.0
	for i := range all {
		minutes += all[i].Rate.Seconds / 60
		c.Places = append(c.Places, fmt.Sprintf("%.0f", minutes))
	}
	return c.SVG()
}
