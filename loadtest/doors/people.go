package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
)

// deed is one event: who did what, and the number that it carries.
type deed struct {
	person int
	name   string
	number int
}

// names of events, and where each carries its number.
var names = []string{"view", "view", "view", "view", "view", "view", "cart", "purchase"}

func (d deed) field() string {
	if d.name == "purchase" {
		return "amount"
	}
	return "price"
}

func (d deed) id() string { return fmt.Sprintf("doors-%d", d.number) }

// A person has a device, and an address that is told now and then.
func device(person int) string  { return fmt.Sprintf("device-%d", person) }
func address(person int) string { return fmt.Sprintf("p%d@example.org", person) }

// deedOf is the n-th event of all.
func deedOf(n, people int) deed {
	random := rand.New(rand.NewPCG(uint64(n), 1))
	return deed{random.IntN(people), names[random.IntN(len(names))], n}
}

// request is one post to a door, again and again until it is acknowledged.
type request struct {
	path  string
	body  []byte
	deeds []deed
}

// requestOf is the i-th request: to the collector and to the door of events by
// turns.
func requestOf(i int, c config) (request, error) {
	r := request{path: "/v1/batch"}
	if i%2 == 1 {
		r.path = "/v1/events"
	}
	events := make([]any, c.batch)
	for j := range events {
		d := deedOf(i*c.batch+j, c.people)
		r.deeds = append(r.deeds, d)
		if i%2 == 1 {
			events[j] = d.event()
		} else {
			events[j] = d.call()
		}
	}
	var body any = events
	if i%2 == 0 {
		body = map[string]any{"batch": events}
	}
	var err error
	r.body, err = json.Marshal(body)
	return r, err
}

type object = map[string]any

// named says whether the event names the address too.
func (d deed) named() bool { return d.number%5 == 0 }

func (d deed) event() object {
	identifiers := object{"anonymous_id": device(d.person)}
	if d.named() {
		identifiers["email"] = address(d.person)
	}
	return object{"id": d.id(), "name": d.name, "source": "doors", "identifiers": identifiers, "properties": object{d.field(): d.number, "category": "books"}}
}

func (d deed) call() object {
	c := object{"type": "track", "messageId": d.id(), "event": d.name, "anonymousId": device(d.person), "properties": object{d.field(): d.number, "category": "books"}}
	if d.named() {
		c["context"] = object{"traits": object{"email": address(d.person)}}
	}
	return c
}

// figure is what a profile says of one name.
type figure struct{ count, sum float64 }

// ledger is what was acknowledged of each person. It is safe for concurrent use.
type ledger struct {
	lock   sync.Mutex
	people []map[string]figure
	events int
}

func newLedger(people int) *ledger { return &ledger{people: make([]map[string]figure, people)} }

func (l *ledger) add(deeds []deed) {
	l.lock.Lock()
	defer l.lock.Unlock()
	for _, d := range deeds {
		if l.people[d.person] == nil {
			l.people[d.person] = map[string]figure{}
		}
		f := l.people[d.person][d.name]
		l.people[d.person][d.name] = figure{f.count + 1, f.sum + float64(d.number)}
	}
	l.events += len(deeds)
}

// known is somebody of whom something was acknowledged; -1 if nobody was tried.
func (l *ledger) known(try int) int {
	l.lock.Lock()
	defer l.lock.Unlock()
	if l.people[try] == nil {
		return -1
	}
	return try
}
