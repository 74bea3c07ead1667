// Package judge says what must come out of the CDNOW purchases: who is in which
// audience of the demo, and the exact time of every entry and exit.
//
// In: the purchases, and the time up to which a replay goes. Out: an [Outcome],
// and the differences between two. It is written to be believed, not to be fast
// or like kairos, with which it shares no code but the records: it holds
// everybody's whole history, and asks each audience's question anew at every
// instant at which the answer could change. The questions are plain Go, one
// function each (audiences.go), beside the text of the definition that they
// read; definitions that say something else are refused ([Check]).
//
// Not here: how an outcome is brought about; see loadtest/chaos and cmd/kairos.
package judge

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"kairos/loadtest/cdnow"
	"kairos/schemas"
)

// Outcome is everything that is to be said about a set of people.
type Outcome struct {
	Audiences   []Size       // by name
	Transitions []Transition // by person, audience, time
}

// Size is an audience at the end, and how it got there.
type Size struct {
	Name    string
	Size    int
	Entered int
	Exited  int
}

// Transition is one entry or exit.
type Transition struct {
	Person   string
	Audience string
	At       schemas.Instant
	Entered  bool
}

func (t Transition) compare(u Transition) int {
	return cmp.Or(cmp.Compare(t.Person, u.Person), cmp.Compare(t.Audience, u.Audience), cmp.Compare(t.At, u.At))
}

func (t Transition) String() string {
	word := "exited"
	if t.Entered {
		word = "entered"
	}
	return fmt.Sprintf("%s %s %s at %v", t.Person, word, t.Audience, t.At)
}

// Person is the id of somebody of whom one identifier is known, ever: the
// xxhash64 of that identifier, in hexadecimal.
func Person(customer int) string {
	return fmt.Sprintf("%016x", xxhash.Sum64String(fmt.Sprintf("crm_id:%d", customer)))
}

// Expect says what must come out of purchases by the time end, inclusive.
func Expect(purchases []cdnow.Purchase, end schemas.Instant) Outcome {
	histories := map[int]history{}
	for _, p := range purchases {
		if p.Day <= end {
			histories[p.Customer] = append(histories[p.Customer], p)
		}
	}
	var all []Transition
	for customer, h := range histories {
		slices.SortFunc(h, func(a, b cdnow.Purchase) int { return cmp.Compare(a.Day, b.Day) })
		for _, a := range audiences() {
			all = append(all, a.transitions(customer, h, end)...)
		}
	}
	return outcomeOf(all)
}

// transitions asks the audience's question at every instant at which its
// answer can be another one: when somebody buys, and when a purchase leaves a
// window.
func (a audience) transitions(customer int, h history, end schemas.Instant) []Transition {
	instants := map[schemas.Instant]bool{}
	for _, p := range h {
		instants[p.Day] = true
		for _, window := range a.windows {
			instants[p.Day.Add(window)] = true
		}
	}
	var all []Transition
	member := false
	for _, at := range slices.Sorted(maps.Keys(instants)) {
		if at > end {
			break
		}
		if now := a.holds(moment{customer, h, at}); now != member {
			member = now
			all = append(all, Transition{Person(customer), a.name, at, now})
		}
	}
	return all
}

// outcomeOf sorts and counts. Every audience of the table has its line, empty
// ones too.
func outcomeOf(all []Transition) Outcome {
	slices.SortStableFunc(all, Transition.compare)
	sizes := map[string]*Size{}
	for _, a := range audiences() {
		sizes[a.name] = &Size{Name: a.name}
	}
	for _, t := range all {
		s := sizes[t.Audience]
		if s == nil {
			s = &Size{Name: t.Audience}
			sizes[t.Audience] = s
		}
		if t.Entered {
			s.Entered++
			s.Size++
		} else {
			s.Exited++
			s.Size--
		}
	}
	o := Outcome{Transitions: all}
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		o.Audiences = append(o.Audiences, *sizes[name])
	}
	return o
}

// history is what one person bought, oldest first.
type history []cdnow.Purchase

// moment is a person as known at a time.
type moment struct {
	customer int
	life     history // all of it, what comes later included
	at       schemas.Instant
}

// ever is what was bought until now, inclusive.
func (m moment) ever() history { return m.between(0, m.at) }

// within is what was bought in a window: what is exactly as old as the window
// is long no longer counts.
func (m moment) within(window time.Duration) history {
	return m.between(m.at.Add(-window)+1, m.at)
}

func (m moment) between(from, to schemas.Instant) history {
	var found history
	for _, p := range m.life {
		if from <= p.Day && p.Day <= to {
			found = append(found, p)
		}
	}
	return found
}

func (h history) cents() int {
	sum := 0
	for _, p := range h {
		sum += p.Cents
	}
	return sum
}
