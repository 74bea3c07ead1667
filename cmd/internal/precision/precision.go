// Package precision judges the identity stage by people of whom it is known
// who they are.
//
// In: a population with its truth, and rules. Out: how many pairs of
// identifiers that became one person's truly are, and how many that truly are
// became so. State: none. Laws: the same population and rules give the same
// figures; the events go through the stage itself.
//
// Not here: the people (loadtest/truth), the stage (processors/identity).
package precision

import (
	"context"
	"fmt"

	"kairos/cmd/internal/rehearsal"
	"kairos/loadtest/truth"
	"kairos/processors/definition"
	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// Score says how well clusters fit the truth. A pair is two identifiers; it is
// true if some person truly owns both. What nobody owns (a terminal in a shop,
// the word "null") is in no true pair.
type Score struct {
	Clusters int   `json:"clusters"` // what became people
	Largest  int   `json:"largest"`  // identifiers in the largest one
	Together int64 `json:"together"` // pairs that are one person's, as the stage has it
	Right    int64 `json:"right"`    // those of them that are true
	True     int64 `json:"true"`     // all that are true
}

// Precision is the part of the pairs found that is true; 1 without pairs.
func (s Score) Precision() float64 { return share(s.Right, s.Together) }

// Recall is the part of the true pairs that is found; 1 without true pairs.
func (s Score) Recall() float64 { return share(s.Right, s.True) }

func share(part, of int64) float64 {
	if of == 0 {
		return 1
	}
	return float64(part) / float64(of)
}

// every is how many events or rows pass between two words about progress.
const every = 10_000

// judge lets the identity stage have all events of a population under the
// rules of the first trial, lets it change its mind for each of the others, and
// scores the people that come out of each. Progress hears of events and rows.
//
// That changed rules lead to the same people as rules that were there from the
// start is the stage's promise, as long as the rules let the same evidence in.
func judge(ctx context.Context, p *truth.Population, t *Truth, trials []Trial, progress func(n int)) ([]Score, error) {
	r, err := rehearsal.New(nil, &definition.Plan{Identity: trials[0].Rules}, topologies.Identity.Word)
	if err != nil {
		return nil, err
	}
	if err := live(ctx, r, p, t, progress); err != nil {
		return nil, err
	}
	scores := make([]Score, len(trials))
	if scores[0], err = t.judge(r); err != nil {
		return nil, err
	}
	for i, trial := range trials[1:] {
		again, err := reconsider(ctx, r.Changed, trial.Rules, progress)
		if err != nil {
			return nil, err
		}
		if scores[i+1], err = t.judge(again); err != nil {
			return nil, err
		}
	}
	return scores, nil
}

// live feeds all events.
func live(ctx context.Context, r *rehearsal.Rehearsal, p *truth.Population, t *Truth, progress func(n int)) error {
	n, news := 0, novelty{t.newest, map[string]bool{}}
	for told := range p.Events() {
		if n++; n%every == 0 {
			if progress(every); ctx.Err() != nil {
				return ctx.Err()
			}
		}
		if !news.in(told.Event) {
			continue
		}
		if err := take(r, told.Event); err != nil {
			return err
		}
	}
	return nil
}

// reconsider brings rows to other rules.
func reconsider(ctx context.Context, rows rehearsal.Tables, rules definition.IdentityRules, progress func(n int)) (*rehearsal.Rehearsal, error) {
	r, err := rehearsal.New(rows, &definition.Plan{Identity: rules}, topologies.Identity.Word)
	if err != nil {
		return nil, err
	}
	for i, key := range r.Swept(topologies.Identity.Word) {
		if i%every == every-1 {
			if progress(every); ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
		if err := r.Sweep(topologies.Identity.Word, key, truth.End); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func take(r *rehearsal.Rehearsal, e *schemas.Event) error {
	value, err := schemas.EventCodec.Append(nil, e)
	if err != nil {
		return fmt.Errorf("event %s: %w", e.ID, err)
	}
	return r.Take(stage.Message{Topic: topologies.Events.Name, Key: []byte(e.Identifiers[0].String()), Value: value})
}

// novelty knows which events are evidence, whatever the rules: links are known
// by their newest day and first mention, sightings by the first. So of all
// events that name the same identifiers the first one counts, and the first of
// the newest day. Leaving the others out saves most of the time, and a test
// shows that it changes no score.
type novelty struct {
	newest map[string]int64
	before map[string]bool // named, or even on the newest day
}

func (n novelty) in(e *schemas.Event) bool {
	key := namesOf(e)
	fresh := !n.before[key]
	n.before[key] = true
	if len(e.Identifiers) == 1 || dayOf(e) != n.newest[key] {
		return fresh
	}
	last := !n.before["newest "+key]
	n.before["newest "+key] = true
	return last
}

func namesOf(e *schemas.Event) string {
	key := ""
	for _, id := range e.Identifiers {
		key += id.String() + "\n"
	}
	return key
}

func dayOf(e *schemas.Event) int64 { return int64(e.Time) / 86_400_000 }

// judge scores the people that rows make.
func (t *Truth) judge(r *rehearsal.Rehearsal) (Score, error) {
	clusters := map[string][]int32{}
	for key, encoded := range r.All(topologies.IdentityTable.Name) {
		row, err := schemas.IdentityRowCodec.Decode(encoded)
		if err != nil {
			return Score{}, fmt.Errorf("row of %q: %w", key, err)
		}
		if i, known := t.number[key]; known && row.Arrived {
			clusters[row.Person] = append(clusters[row.Person], i)
		}
	}
	return t.score(clusters), nil
}
