package precision

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"text/tabwriter"

	"golang.org/x/sync/errgroup"

	"kairos/cmd/internal/screen"
	"kairos/loadtest/truth"
)

// Result is what the protections are worth on one population.
type Result struct {
	People      int    `json:"people"`
	Events      int    `json:"events"`
	Seed        uint64 `json:"seed"`
	Identifiers int    `json:"identifiers"`
	Trials      []Line `json:"trials"`
}

// Line is one trial's score.
type Line struct {
	Rules     string  `json:"rules"`
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
	Score
}

// Run tries all trials on a population, with as many goroutines as asked for.
// Progress hears of the part that is done, from 0 to 1, from several of them.
func Run(ctx context.Context, c truth.Config, trials []Trial, goroutines int, progress func(float64)) (Result, error) {
	p, err := truth.New(c)
	if err != nil {
		return Result{}, err
	}
	groups := grouped(trials)
	known, err := TruthOf(ctx, p, func(n int) { progress(0) })
	if err != nil {
		return Result{}, err
	}
	r := Result{People: c.People, Events: c.Events, Seed: c.Seed, Identifiers: len(known.owners), Trials: make([]Line, len(trials))}
	all := float64(len(groups)*c.Events + (len(trials)-len(groups))*r.Identifiers)
	var done atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(goroutines)
	for _, places := range groups {
		group.Go(func() error {
			alike := make([]Trial, len(places))
			for i, place := range places {
				alike[i] = trials[place]
			}
			scores, err := judge(ctx, p, known, alike, func(n int) { progress(min(1, float64(done.Add(int64(n)))/all)) })
			for i, s := range scores {
				r.Trials[places[i]] = Line{alike[i].Name, s.Precision(), s.Recall(), s}
			}
			return err
		})
	}
	return r, group.Wait()
}

// grouped lists the places of trials that let the same evidence in.
func grouped(trials []Trial) [][]int {
	var groups [][]int
	at := map[string]int{}
	for i, t := range trials {
		g, known := at[t.lets]
		if !known {
			g, at[t.lets] = len(groups), len(groups)
			groups = append(groups, nil)
		}
		groups[g] = append(groups[g], i)
	}
	return groups
}

// Text is the result as a table.
func (r Result) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s people, %s events, %s identifiers, seed %d. A pair is two identifiers of one person.\n\n",
		screen.Number(r.People), screen.Number(r.Events), screen.Number(r.Identifiers), r.Seed)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "precision\trecall\tpairs found\tof them right\tright in all\tpeople found\tlargest\t  rules\n")
	for _, l := range r.Trials {
		fmt.Fprintf(w, "%.4f\t%.4f\t%s\t%s\t%s\t%s\t%s\t  %s\n", l.Precision, l.Recall,
			screen.Number(l.Together), screen.Number(l.Right), screen.Number(l.True), screen.Number(l.Clusters), screen.Number(l.Largest), l.Rules)
	}
	w.Flush()
	return b.String()
}
