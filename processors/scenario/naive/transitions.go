package naive

import (
	"cmp"
	"maps"
	"slices"

	"kairos/processors/definition"
	"kairos/schemas"
)

// Transition is an entry or exit that must have happened.
type Transition struct {
	Person   string
	Audience string
	Entered  bool
	Revision int64
	At       schemas.Instant
}

// Transitions lists all entries and exits until t of a history in which nobody
// ever merges or parts and nothing is told out of order: by person, audience
// and revision. It looks at everybody after each of her events, and at each
// instant at which an event leaves some window, or has been waited for long enough.
func Transitions(history []schemas.Event, plan *definition.Plan, t schemas.Instant) []Transition {
	byIdentifier, again := map[string][]told{}, map[string][]moment{}
	for _, e := range messages(history, plan, t) {
		if e.again { // it counts for nothing, but whoever gets it looks at the clock
			again[e.by] = append(again[e.by], moment{e.event.Received, len(byIdentifier[e.by])})
			continue
		}
		byIdentifier[e.by] = append(byIdentifier[e.by], e)
	}
	var all []Transition
	for _, id := range slices.Sorted(maps.Keys(byIdentifier)) {
		events := byIdentifier[id]
		person := &Person{ID: founders([]cluster{{id: true}}, nil)[id]}
		revisions, members := map[string]int64{}, map[string]bool{}
		for _, m := range moments(events, again[id], plan, t) {
			person.become(plan, events[:m.events], m.at)
			for i := range plan.Audiences {
				name := plan.Audiences[i].Name
				if now := slices.Contains(person.Audiences, name); now != members[name] {
					members[name] = now
					revisions[name]++
					all = append(all, Transition{person.ID, name, now, revisions[name], m.at})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b Transition) int {
		return cmp.Or(cmp.Compare(a.Person, b.Person), cmp.Compare(a.Audience, b.Audience), cmp.Compare(a.Revision, b.Revision))
	})
	return all
}

// moment is an instant at which something may change, and how many events are
// known then.
type moment struct {
	at     schemas.Instant
	events int
}

// moments are those of events, those at which time changes something, and
// others, in order.
func moments(events []told, others []moment, plan *definition.Plan, t schemas.Instant) []moment {
	all := slices.Clone(others)
	for i, e := range events {
		all = append(all, moment{e.event.Received, i + 1})
		for _, term := range plan.Terms {
			instants := lapses(term, e.at, t)
			for _, wait := range changesAfter(term) {
				if wait != 0 {
					instants = append(instants, e.at.Add(wait))
				}
			}
			for _, at := range instants {
				if at <= e.event.Received || at > t {
					continue
				}
				known := 0
				for _, f := range events {
					if f.event.Received <= at {
						known++
					}
				}
				all = append(all, moment{at, known})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b moment) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.events, b.events)) })
	return slices.Compact(all)
}
