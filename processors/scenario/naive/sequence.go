package naive

import (
	"cmp"
	"slices"
	"time"

	"kairos/processors/expression"
	"kairos/schemas"
)

// sequence computes the term of a sequence at t: it tries every event for
// every step.
func sequence(term *expression.Term, events []told, t schemas.Instant) schemas.Value {
	known := slices.DeleteFunc(slices.Clone(events), func(e told) bool { return e.at > t })
	slices.SortFunc(known, func(a, b told) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.event.ID, b.event.ID)) })
	plays := func(e told, role int) bool {
		r := &term.Series.Roles[role]
		event := e.event
		event.Time = e.at
		return (r.Event == "" || r.Event == event.Name) && (r.Match == nil || r.Match(&event))
	}
	// clean reports that nothing that must not come came between two places.
	clean := func(step expression.Step, after, before int) bool {
		for _, w := range step.Without {
			for _, e := range known[after+1 : before] {
				if plays(e, w.Role) && (w.For == 0 || e.at <= known[after].at.Add(w.For)) {
					return false
				}
			}
		}
		return true
	}
	steps := term.Sequence.Steps
	// reachable lists where the first steps may end, if the first event is at begin.
	reachable := func(begin int) []int {
		places := []int{begin}
		for k := 1; k < len(steps); k++ {
			var next []int
			for place := range known {
				if slices.ContainsFunc(places, func(before int) bool {
					return before < place && clean(steps[k-1], before, place) &&
						(steps[k].Within == 0 || known[place].at <= known[before].at.Add(steps[k].Within))
				}) && plays(known[place], steps[k].Role) {
					next = append(next, place)
				}
			}
			places = next
		}
		return places
	}
	ends := map[int]bool{}
	for begin, e := range known {
		if !plays(e, steps[0].Role) || !within(e.at, t, term.Window) {
			continue
		}
		for _, end := range reachable(begin) {
			waited := true
			for _, wait := range waits(term) {
				waited = waited && known[end].at.Add(wait) <= t
			}
			if waited && clean(steps[len(steps)-1], end, len(known)) {
				ends[end] = true
			}
		}
	}
	return term.Compared(aggregate(term.Aggregate, len(ends), nil))
}

// waits are the times that must pass after the last event.
func waits(term *expression.Term) []time.Duration {
	if term.Sequence == nil {
		return nil
	}
	var all []time.Duration
	for _, w := range term.Sequence.Steps[len(term.Sequence.Steps)-1].Without {
		all = append(all, w.For)
	}
	return all
}
