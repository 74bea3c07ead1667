package identity_test

import (
	"kairos/schemas"
)

// profile is the least that profile must do with what identity says: it keeps
// fragments, lets them move, and lets wait what comes before its fragment.
type profile struct {
	t        fataler
	queues   map[profileRoute][]told
	routes   []profileRoute                  // non-empty queues
	people   map[string]map[string]*fragment // person -> identifier
	parked   map[string][]*schemas.PersonEvent
	moves    int
	arrivals map[string]int
}

// profileRoute is a queue: what one partition says about any person arrives at
// the person in order.
type profileRoute struct {
	from   int
	person string
}

type told struct {
	event *schemas.PersonEvent
	moved *fragment
}

type fragment struct {
	identifier string
	epoch      int64
	events     []string
}

func newProfile(t fataler) *profile {
	return &profile{
		t: t, queues: map[profileRoute][]told{}, people: map[string]map[string]*fragment{},
		parked: map[string][]*schemas.PersonEvent{}, arrivals: map[string]int{},
	}
}

func (p *profile) take(from int, key string, e *schemas.PersonEvent) {
	if key != e.Person {
		p.t.Fatalf("%q's word lies under %q", e.Person, key)
	}
	if e.Cause == 0 {
		p.t.Fatalf("word without a time: %+v", e)
	}
	if e.Event == nil && e.MoveTo == "" && !e.Erased {
		p.arrivals[e.Identifier]++
	}
	r := profileRoute{from, e.Person}
	p.enqueue(r, told{event: e})
}

// rest delivers all that was said, in an order that pick chooses.
func (p *profile) rest(pick func(n int) int) {
	for len(p.routes) > 0 {
		i := pick(len(p.routes))
		r := p.routes[i]
		next := p.queues[r][0]
		if p.queues[r] = p.queues[r][1:]; len(p.queues[r]) == 0 {
			delete(p.queues, r)
			last := len(p.routes) - 1
			p.routes[i], p.routes = p.routes[last], p.routes[:last]
		}
		if next.moved != nil {
			p.settle(r.person, next.moved)
		} else {
			p.handle(next.event)
		}
	}
	for key, waiting := range p.parked {
		if len(waiting) > 0 {
			p.t.Fatalf("%s: %d words wait for ever, the first is %+v", key, len(waiting), waiting[0])
		}
	}
}

func (p *profile) enqueue(r profileRoute, word told) {
	if len(p.queues[r]) == 0 {
		p.routes = append(p.routes, r)
	}
	p.queues[r] = append(p.queues[r], word)
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (p *profile) handle(e *schemas.PersonEvent) {
	if e.Erased && e.Epoch < 0 { // about whoever may hold nothing any more
		return
	}
	place := e.Person + " " + e.Identifier
	f := p.people[e.Person][e.Identifier]
	epoch := e.Epoch
	if e.MoveTo != "" {
		epoch-- // it carries the epoch that begins
	}
	if f == nil && epoch == 0 {
		f = &fragment{identifier: e.Identifier}
		p.hold(e.Person, f)
	}
	if f == nil || f.epoch < epoch {
		p.parked[place] = append(p.parked[place], e)
		return
	}
	if f.epoch > epoch {
		p.t.Fatalf("a word of epoch %d to %s, which holds epoch %d: %+v", epoch, place, f.epoch, e)
	}
	switch {
	case e.MoveTo != "":
		p.moves++
		delete(p.people[e.Person], e.Identifier)
		f.epoch = e.Epoch
		r := profileRoute{-2 - int(hash32(e.Person)), e.MoveTo}
		p.enqueue(r, told{moved: f})
	case e.Erased:
		delete(p.people[e.Person], e.Identifier)
	case e.Event != nil:
		f.events = append(f.events, e.Event.ID)
	}
}

func (p *profile) hold(person string, f *fragment) {
	if p.people[person] == nil {
		p.people[person] = map[string]*fragment{}
	}
	if p.people[person][f.identifier] != nil {
		p.t.Fatalf("%s has two fragments of %s", person, f.identifier)
	}
	p.people[person][f.identifier] = f
}

// settle takes a fragment in, and then what waited for it.
func (p *profile) settle(person string, f *fragment) {
	p.hold(person, f)
	place := person + " " + f.identifier
	waiting := p.parked[place]
	delete(p.parked, place)
	for _, e := range waiting {
		p.handle(e)
	}
}

// holders gives each identifier's person and what was heard of it.
func (p *profile) holders() (people map[string]string, heard map[string][]string) {
	people, heard = map[string]string{}, map[string][]string{}
	for person, fragments := range p.people {
		for key, f := range fragments {
			if people[key] != "" {
				p.t.Fatalf("%s is with two people: %s and %s", key, people[key], person)
			}
			people[key] = person
			heard[key] = f.events
		}
	}
	return people, heard
}
