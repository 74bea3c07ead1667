package main

import (
	"fmt"
	"slices"

	"kairos/schemas"
)

// answer is that somebody entered or left an audience at a time.
type answer struct {
	person   int32
	audience int16
	entered  bool
	at       schemas.Instant
}

// other is that the same happened the other way round.
func (a answer) other() answer {
	a.entered = !a.entered
	return a
}

// lasting leaves out who leaves and comes back within one instant, or the other
// way round: a window that closes on the very millisecond of an event may be
// told as two answers or as none.
func lasting(answers map[answer]int) map[answer]int {
	last := map[answer]int{}
	for a, n := range answers {
		if n -= answers[a.other()]; n > 0 {
			last[a] = n
		}
	}
	return last
}

// deed is what the judge keeps of an event.
type deed struct {
	time, received schemas.Instant
	terms          uint64 // that it counts for, a bit each
}

// judge finds the right answers by looking through all that a person did, at
// every instant at which something can change.
type judge struct {
	job    *job
	people [][]deed
}

func newJudge(j *job, people int) *judge { return &judge{j, make([][]deed, people)} }

// hear notes an event, in the order in which they are told.
func (j *judge) hear(person int, e *schemas.Event) {
	d := deed{time: min(e.Time, e.Received), received: e.Received}
	for i, t := range j.job.terms {
		if t.matches(e) {
			d.terms |= 1 << i
		}
	}
	j.people[person] = append(j.people[person], d)
}

// answers are all until the end, with how often each was given.
func (j *judge) answers(end schemas.Instant) map[answer]int {
	right := map[answer]int{}
	for person, deeds := range j.people {
		in := make([]bool, len(j.job.audiences))
		look := func(known []deed, at schemas.Instant) {
			for a := range in {
				if is := j.holds(j.job.audiences[a], known, at); is != in[a] {
					in[a] = is
					right[answer{int32(person), int16(a), is, at}]++
				}
			}
		}
		var now schemas.Instant
		for i, d := range deeds {
			until := max(now, d.received)
			for _, closing := range j.closings(deeds[:i], now, until) {
				look(deeds[:i], closing)
			}
			now = until
			if d.terms != 0 {
				look(deeds[:i+1], now)
			}
		}
		for _, closing := range j.closings(deeds, now, end) {
			look(deeds, closing)
		}
	}
	return right
}

// closings are the instants after one and until another at which a window
// closes behind an event.
func (j *judge) closings(deeds []deed, after, until schemas.Instant) []schemas.Instant {
	var all []schemas.Instant
	for _, d := range deeds {
		for i, t := range j.job.terms {
			if closes := d.time.Add(t.window); d.terms&(1<<i) != 0 && closes > after && closes <= until {
				all = append(all, closes)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (j *judge) holds(a audience, deeds []deed, at schemas.Instant) bool {
	for _, t := range a.all {
		if !j.enough(t, deeds, at) {
			return false
		}
	}
	for _, t := range a.none {
		if j.enough(t, deeds, at) {
			return false
		}
	}
	return true
}

func (j *judge) enough(t int, deeds []deed, at schemas.Instant) bool {
	count := 0
	for _, d := range deeds {
		if d.terms&(1<<t) != 0 && d.time.Add(j.job.terms[t].window) > at {
			count++
		}
	}
	return count >= j.job.terms[t].count
}

// differences is how many answers are missing, how many nobody should have
// given, and a few of them for whoever looks for the reason.
func (j *judge) differences(right, given map[answer]int) (missing, surplus int, examples []string) {
	const most = 10
	note := func(what string, a answer) {
		if len(examples) < most {
			name := "?"
			if a.audience >= 0 {
				name = j.job.audiences[a.audience].name
			}
			examples = append(examples, fmt.Sprintf("%s: person-%d %s entered=%t at %d", what, a.person, name, a.entered, a.at))
		}
	}
	right, given = lasting(right), lasting(given)
	for a, n := range right {
		if n > given[a] {
			missing += n - given[a]
			note("missing", a)
		}
	}
	for a, n := range given {
		if n > right[a] {
			surplus += n - right[a]
			note("surplus", a)
		}
	}
	slices.Sort(examples)
	return missing, surplus, examples
}
