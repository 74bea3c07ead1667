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
	"kairos/processors/definition"
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

// gathering is about how much of the time it takes to read events.
const gathering = 0.6

// Run tries all trials on a population. Progress hears of the part that is
// done, from 0 to 1, from several goroutines.
func Run(ctx context.Context, c truth.Config, trials []Trial, progress func(float64)) (Result, error) {
	p, err := truth.New(c)
	if err != nil {
		return Result{}, err
	}
	groups := grouped(trials)
	var rules []definition.IdentityRules
	for _, places := range groups {
		rules = append(rules, trials[places[0]].Rules)
	}
	var read, judged atomic.Int64
	known, all, err := gather(ctx, p, rules, func(n int) { progress(gathering * float64(read.Add(int64(n))) / float64(c.Events)) })
	if err != nil {
		return Result{}, err
	}
	r := Result{People: c.People, Events: c.Events, Seed: c.Seed, Identifiers: len(known.owners), Trials: make([]Line, len(trials))}
	step := func(n int) {
		progress(gathering + (1-gathering)*float64(judged.Add(int64(n)))/float64(len(trials)*r.Identifiers))
	}
	group, ctx := errgroup.WithContext(ctx)
	for g, places := range groups {
		group.Go(func() error {
			components := all[g].components()
			for _, place := range places {
				score, err := known.judge(ctx, components, trials[place].Rules, step)
				if err != nil {
					return err
				}
				r.Trials[place] = Line{trials[place].Name, score.Precision(), score.Recall(), score}
			}
			return nil
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
