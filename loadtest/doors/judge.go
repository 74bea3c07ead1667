package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// wrong are events that profiles do not count as they were acknowledged.
type wrong struct {
	missing, doubled float64 // events
	sums             int     // people whose numbers are others
	people           int
	example          string
}

// count holds everybody's profile to what was acknowledged, until all are right
// or patience ends.
func (l *load) count(ctx context.Context) (wrong, error) {
	ctx, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	var left []int
	for person, deeds := range l.ledger.people {
		if deeds != nil {
			left = append(left, person)
		}
	}
	again := time.NewTicker(500 * time.Millisecond)
	defer again.Stop()
	var last wrong
	for {
		var w wrong
		var still []int
		for begin := 0; begin < len(left); begin += atOnce {
			people := left[begin:min(begin+atOnce, len(left))]
			profiles, err := l.profiles(ctx, people)
			if err != nil && ctx.Err() != nil && last.people > 0 {
				return last, nil
			}
			if err != nil {
				return w, err
			}
			for i, person := range people {
				if w.add(person, l.ledger.people[person], profiles[i]) {
					still = append(still, person)
				}
			}
		}
		left, last = still, w
		if len(left) == 0 || w.doubled > 0 {
			return w, nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return w, nil
		}
	}
}

// add compares one person, and says whether anything is wrong.
func (w *wrong) add(person int, acknowledged, counted map[string]figure) bool {
	bad := false
	for _, name := range []string{"view", "cart", "purchase"} {
		want, have := acknowledged[name], counted[name]
		if want == have {
			continue
		}
		bad = true
		w.missing += max(0, want.count-have.count)
		w.doubled += max(0, have.count-want.count)
		if want.count == have.count {
			w.sums++
		}
		w.example = fmt.Sprintf("%s, %s: acknowledged %v with sum %v, counted %v with sum %v", device(person), name, want.count, want.sum, have.count, have.sum)
	}
	if bad {
		w.people++
	}
	return bad
}

// atOnce is how many profiles one request asks for.
const atOnce = 100

// profiles are the figures of people, by the names of events.
func (l *load) profiles(ctx context.Context, people []int) ([]map[string]figure, error) {
	type identifier struct {
		Namespace string `json:"namespace"`
		Value     string `json:"value"`
	}
	asked := struct {
		Identifiers []identifier `json:"identifiers"`
	}{}
	for _, person := range people {
		asked.Identifiers = append(asked.Identifiers, identifier{"anonymous_id", device(person)})
	}
	body, err := json.Marshal(asked)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+l.kairos.api+"/v1/profiles", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, err := l.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer struct {
		Profiles []*struct {
			Features []struct{ Name, Value string }
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("profiles: %s: %w", response.Status, err)
	}
	if len(answer.Profiles) != len(people) {
		return nil, fmt.Errorf("profiles: %s, %d of %d", response.Status, len(answer.Profiles), len(people))
	}
	all := make([]map[string]figure, len(people))
	for i, profile := range answer.Profiles {
		all[i] = map[string]figure{}
		if profile == nil {
			continue
		}
		of := map[string]float64{}
		for _, f := range profile.Features {
			of[f.Name], _ = strconv.ParseFloat(f.Value, 64) // what has none is 0
		}
		for name, feature := range map[string]string{"view": "views", "cart": "carts", "purchase": "purchases"} {
			if n := of[feature]; n != 0 {
				all[i][name] = figure{n, of[feature+"_sum"]}
			}
		}
	}
	return all, nil
}
