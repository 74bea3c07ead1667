// Package truth invents people of whom it is known who they are, and what they
// leave behind in a year: so that clusters of identifiers can be judged.
//
// In: a size and a seed. Out: events in the order of time, each with the person
// who caused it, and which of its identifiers are truly that person's. Laws:
// the same size and seed give the same events; a person's own identifiers are
// nobody else's but where people truly share them.
//
// What goes wrong here is what goes wrong in a shop: devices and landlines that
// a family shares, browsing long before the login, browsers that forget who
// they are, slips in e-mail addresses and phone numbers (some hit somebody
// else's), phone numbers that are given to another customer, terminals that
// half a town uses, and forms filled with nothing.
//
// Not here: load (loadtest/population), and what is made of the events
// (cmd/internal/precision).
package truth

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"kairos/schemas"
)

// Config says how large a population is.
type Config struct {
	People int
	Events int // of all of them in a year
	Seed   uint64
}

// Told is one event and the truth about it.
type Told struct {
	Event  *schemas.Event
	Person int    // who caused it
	Owns   []bool // per identifier of the event: it is the person's own
}

// Days is how long it all takes, End when it is over.
const Days = 365

const (
	start schemas.Instant = 1_767_225_600_000 // 2026-01-01
	End                   = start + Days*schemas.Instant(24*time.Hour/time.Millisecond)
)

// Population is invented people. It is safe for concurrent use.
type Population struct {
	config Config
	people []person
	taken  map[string]bool // e-mail addresses and phone numbers that are somebody's
	kiosks int             // public terminals
}

// New invents people.
func New(c Config) (*Population, error) {
	if c.People < 1 || c.Events < 1 {
		return nil, fmt.Errorf("a population of %d people with %d events: it needs at least one of each", c.People, c.Events)
	}
	p := &Population{config: c, people: make([]person, c.People), taken: map[string]bool{}, kiosks: 1 + c.People/20_000}
	p.settle(rand.New(rand.NewPCG(c.Seed, Days)))
	return p, nil
}

// Events tells everything that happens, in the order of time.
func (p *Population) Events() iter.Seq[Told] {
	return func(yield func(Told) bool) {
		told := 0
		for day := range Days {
			for _, t := range p.day(day) {
				told++
				t.Event.ID = "truth-" + strconv.Itoa(told)
				if !yield(t) {
					return
				}
			}
		}
	}
}

// day invents the events of a day from the seed and its number alone, so that
// no day has to be kept.
func (p *Population) day(day int) []Told {
	most := p.config.Events*(day+1)/Days - p.config.Events*day/Days
	d := &diary{Population: p, random: rand.New(rand.NewPCG(p.config.Seed, uint64(day))), day: day}
	for len(d.told) < most {
		d.person = d.random.IntN(len(p.people))
		if d.random.Float64() < 0.85 {
			d.visit()
		} else {
			d.call()
		}
	}
	d.told = d.told[:most]
	slices.SortStableFunc(d.told, func(a, b Told) int { return int(a.Event.Received - b.Event.Received) })
	return d.told
}

// diary is a day on its way.
type diary struct {
	*Population
	random *rand.Rand
	day    int
	person int // whose deeds are told
	told   []Told
}

// name is an identifier and whether it is truly of who uses it.
type name struct {
	schemas.Identifier
	own bool
}

func (d *diary) tell(at schemas.Instant, event, source string, names ...name) {
	t := Told{Person: d.person, Event: &schemas.Event{Name: event, Time: at, Received: at, Source: source}}
	for _, n := range names {
		t.Event.Identifiers = append(t.Event.Identifiers, n.Identifier)
		t.Owns = append(t.Owns, n.own)
	}
	d.told = append(d.told, t)
}

// moment is some time of the day that leaves room for a visit.
func (d *diary) moment() schemas.Instant {
	return start + schemas.Instant(d.day)*schemas.Instant(24*time.Hour/time.Millisecond) + schemas.Instant(d.random.IntN(80_000_000))
}

// visit is somebody with a device. They look around unknown, and may log in.
func (d *diary) visit() {
	who := &d.people[d.person]
	with := who.devices[d.random.IntN(len(who.devices))]
	if d.random.Float64() < 0.005 {
		with = kiosk(d.random.IntN(d.kiosks))
	}
	names := []name{with.name(), with.browser(d.day)}
	anonymous, known := 1+d.random.IntN(5), 0
	if d.day >= with.login && d.random.Float64() < 0.6 {
		known = 1 + d.random.IntN(5)
	}
	at := d.moment()
	for i := range anonymous + known {
		event := "view"
		if i == anonymous {
			names, event = append(d.login(), names...), "login"
		}
		d.tell(at.Add(time.Duration(i)*time.Minute), event, "web", names...)
	}
}

// login is what somebody types to be known, slips included.
func (d *diary) login() []name {
	who := &d.people[d.person]
	names := []name{d.typed("email", pick(d.random, who.emails), 0.01, 0.002)}
	if who.customer && d.random.Float64() < 0.5 {
		names = append(names, d.customer())
	}
	return names
}

// call is somebody at a counter or on the phone, where a clerk types.
func (d *diary) call() {
	who := &d.people[d.person]
	var names []name
	if who.customer && d.random.Float64() < 0.7 {
		names = append(names, d.customer())
	}
	if number := who.phone(d.random, d.day); number != "" {
		names = append(names, d.typed("phone", number, 0.02, 0.01))
	}
	if len(names) == 0 || d.random.Float64() < 0.6 {
		names = append(names, d.typed("email", pick(d.random, who.emails), 0.02, 0.01))
	}
	d.tell(d.moment(), "call", "callcenter", names...)
}

func (d *diary) customer() name {
	return name{schemas.Identifier{Namespace: "crm_id", Value: fmt.Sprintf("c-%d", d.person)}, true}
}

// typed is a value as it is typed: now and then with a slip, or a form's
// nothing in place of it.
func (d *diary) typed(namespace, value string, slips, nothing float64) name {
	own := true
	switch dice := d.random.Float64(); {
	case dice < nothing:
		value, own = pick(d.random, nothings[namespace]), false
	case dice < nothing+slips:
		value = slip(d.random, value)
		own = !d.taken[value] // a slip that is nobody's address names only who made it
	}
	return name{schemas.Identifier{Namespace: namespace, Value: value}, own}
}

// nothings is what forms hold where somebody did not want to say.
var nothings = map[string][]string{
	"email": {"null", "test@example.com", "noreply@example.com", "unknown", "no@mail.example"},
	"phone": {"0000000000", "unknown", "+33000000000", "n/a"},
}

func pick[T any](random *rand.Rand, choice []T) T { return choice[random.IntN(len(choice))] }
