// Package population invents people and what they do in a shop, for load: who
// they are, which devices they use, and an endless mix of their events.
//
// In: a size and a seed. Out: schemas.Event, ready for the door's topic. Laws:
// the same size and seed give the same people and the same events; a person's
// identifiers are only ever linked with each other, so the number of people is
// known.
//
// Not here: hostile input (loadtest/chaos), real purchases (loadtest/cdnow).
package population

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"kairos/schemas"
)

// Population is a number of people. Its methods are not safe for concurrent use.
type Population struct {
	people int
	random *rand.Rand
	events int // told so far: the source of event ids
}

// New makes a population.
func New(people int, seed uint64) (*Population, error) {
	if people < 1 {
		return nil, fmt.Errorf("a population of %d people: it needs at least 1", people)
	}
	return &Population{people: people, random: rand.New(rand.NewPCG(seed, 1))}, nil
}

// person is what is fixed about somebody, computed from the number alone.
type person struct {
	number  int
	devices int
	email   bool // most leave one
	crm     bool // some are customers of old
}

func (p *Population) person(number int) person {
	traits := rand.New(rand.NewPCG(uint64(number), 2))
	return person{
		number:  number,
		devices: 1 + min(traits.IntN(4), traits.IntN(4)), // 1 to 4, mostly 1 or 2
		email:   traits.Float64() < 0.7,
		crm:     traits.Float64() < 0.4,
	}
}

func (w person) device(k int) schemas.Identifier {
	return schemas.Identifier{Namespace: "anonymous_id", Value: fmt.Sprintf("device-%d-%d", w.number, k)}
}

// names are the identifiers that a login of a device shows, the strongest
// first, as the door would order them.
func (w person) names(device int) []schemas.Identifier {
	var names []schemas.Identifier
	if w.crm {
		names = append(names, schemas.Identifier{Namespace: "crm_id", Value: fmt.Sprintf("c-%d", w.number)})
	}
	if w.email {
		names = append(names, schemas.Identifier{Namespace: "email", Value: fmt.Sprintf("p%d@example.org", w.number)})
	}
	return append(names, w.device(device))
}

// Arrival is how a person becomes known: a login on each of the devices, which
// links them all.
func (p *Population) Arrival(number int, at schemas.Instant) []*schemas.Event {
	w := p.person(number)
	var logins []*schemas.Event
	for k := range w.devices {
		logins = append(logins, p.login(w, k, at))
	}
	return logins
}

func (p *Population) login(w person, device int, at schemas.Instant) *schemas.Event {
	e := p.event("login", at)
	e.Identifiers = w.names(device)
	e.Attributes = schemas.Properties{
		{Name: "country", Value: schemas.TextOf(pick(w.number, "FR", "DE", "FR", "GB", "ES", "IT"))},
		{Name: "plan", Value: schemas.TextOf(pick(w.number/7, "free", "free", "premium"))},
	}
	return e
}

// late is how far behind the slow part of the events comes.
const late = 10 * time.Minute

// Next is something that somebody does at a time: most of it by few people.
func (p *Population) Next(at schemas.Instant) *schemas.Event {
	w := p.person(int(float64(p.people) * math.Pow(p.random.Float64(), 1.5)))
	device := p.random.IntN(w.devices)
	dice := p.random.Float64()
	if dice < 0.08 {
		return p.login(w, device, at)
	}
	e := p.event("", at)
	e.Identifiers = []schemas.Identifier{w.device(device)}
	if dice < 0.28 { // somebody who is logged in: a link that is known already
		e.Identifiers = w.names(device)
	}
	if p.random.Float64() < 0.03 {
		e.Time = at.Add(-time.Duration(p.random.Int64N(int64(late))))
	}
	e.Name, e.Properties = p.deed()
	return e
}

// deed is mostly looking: few of a shop's visits end in a cart, fewer in a
// purchase.
func (p *Population) deed() (string, schemas.Properties) {
	category := schemas.Property{Name: "category", Value: schemas.TextOf(pick(p.random.IntN(5), "shoes", "coats", "books", "music", "garden"))}
	amount := schemas.NumberOf(float64(100+p.random.IntN(20_000)) / 100)
	switch dice := p.random.Float64(); {
	case dice < 0.85:
		return "view", schemas.Properties{category, {Name: "price", Value: amount}}
	case dice < 0.94:
		return "cart", schemas.Properties{category, {Name: "price", Value: amount}}
	case dice < 0.98:
		return "purchase", schemas.Properties{{Name: "amount", Value: amount}, category,
			{Name: "channel", Value: schemas.TextOf(pick(p.random.IntN(3), "app", "web", "shop"))}}
	case dice < 0.99:
		return "refund", schemas.Properties{{Name: "amount", Value: amount}}
	default:
		return "cancel", schemas.Properties{{Name: "channel", Value: schemas.TextOf(pick(p.random.IntN(2), "callcenter", "web"))}}
	}
}

// Beacon is an event of a person's first device that puts the person into the
// audience "beacon", or takes them out: whoever sees the transition knows how
// long that took.
func (p *Population) Beacon(number int, on bool, at schemas.Instant) *schemas.Event {
	e := p.event("beacon", at)
	e.Identifiers = []schemas.Identifier{p.person(number).device(0)}
	e.Attributes = schemas.Properties{{Name: "beacon", Value: schemas.BooleanOf(on)}}
	return e
}

func (p *Population) event(name string, at schemas.Instant) *schemas.Event {
	p.events++
	return &schemas.Event{ID: "load-" + strconv.Itoa(p.events), Name: name, Time: at, Received: at, Source: "load"}
}

func pick[T any](i int, choice ...T) T { return choice[i%len(choice)] }
