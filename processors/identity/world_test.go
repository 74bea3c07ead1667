package identity_test

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"testing"

	"kairos/processors/definition"
	"kairos/processors/identity"
	"kairos/processors/stage"
	"kairos/processors/stage/stagetest"
	"kairos/schemas"
	"kairos/topologies"
)

// world runs the stage on rows in memory and carries what rows say to each
// other, in any order that Kafka would allow: what one partition says to
// another arrives in order, all else does not.
type world struct {
	t          fataler
	runner     *stage.Runner
	partitions uint32
	rules      definition.IdentityRules
	rows       map[string][]byte
	queues     map[route][]stage.Message
	routes     []route // non-empty queues, sorted: so that a seed means something
	profile    *profile
	drops      map[string]int
	letters    []schemas.DeadLetter
	steps      int
	said       int // loop messages
	bytes      int // of the rows that steps were given
	returned   int // components that did not fit
}

type fataler interface {
	Fatalf(format string, args ...any)
}

// route is a queue: from the door (-1) or a partition, to a partition.
type route struct{ from, to int }

func newWorld(t fataler, partitions uint32, rules definition.IdentityRules) *world {
	w := &world{
		t: t, partitions: partitions, rows: map[string][]byte{}, queues: map[route][]stage.Message{},
		drops: map[string]int{}, profile: newProfile(t),
	}
	w.follow(rules)
	return w
}

// follow puts other rules in force.
func (w *world) follow(rules definition.IdentityRules) {
	group := topologies.Group{Name: "kairos.identity", Stages: []topologies.Stage{topologies.Identity}}
	runner, err := stage.NewRunner(group, identity.New(&definition.Plan{Identity: rules}))
	if err != nil {
		w.t.Fatalf("runner: %v", err)
	}
	w.runner, w.rules = runner, rules
}

func (w *world) sweep(t schemas.Instant) {
	for _, key := range w.keys() {
		effects, err := w.runner.Sweep(w, "identity", key, t)
		w.apply(key, effects, err)
	}
}

func (w *world) keys() []string {
	keys := make([]string, 0, len(w.rows))
	for key := range w.rows {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func (w *world) Row(table, key string) ([]byte, error) {
	if table != topologies.IdentityTable.Name {
		w.t.Fatalf("row of %s asked", table)
	}
	w.bytes += len(w.rows[key])
	return w.rows[key], nil
}

func (w *world) partition(key string) int {
	if w.partitions == 0 { // each key its own
		return int(hash32(key))
	}
	return int(hash32(key) % w.partitions)
}

func hash32(key string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return h.Sum32()
}

// put sends an event to the door's topic, under its own first identifier.
func (w *world) put(e *schemas.Event) { w.putUnder(e.Identifiers[0].String(), e) }

func (w *world) putUnder(key string, e *schemas.Event) {
	value, err := schemas.EventCodec.Append(nil, e)
	if err != nil {
		w.t.Fatalf("encode: %v", err)
	}
	w.enqueue(-1, stage.Message{Topic: topologies.Events.Name, Key: key, Value: value})
}

func (w *world) enqueue(from int, m stage.Message) {
	r := route{from, w.partition(m.Key)}
	if len(w.queues[r]) == 0 {
		i, _ := slices.BinarySearchFunc(w.routes, r, compareRoutes)
		w.routes = slices.Insert(w.routes, i, r)
	}
	w.queues[r] = append(w.queues[r], m)
}

func compareRoutes(a, b route) int {
	if a.from != b.from {
		return a.from - b.from
	}
	return a.to - b.to
}

// step delivers the first message of the i-th queue that has any.
func (w *world) step(i int) {
	r := w.routes[i]
	m := w.queues[r][0]
	if w.queues[r] = w.queues[r][1:]; len(w.queues[r]) == 0 {
		w.routes = slices.Delete(w.routes, i, i+1)
	}
	w.steps++
	if w.steps > 2_000_000 {
		w.t.Fatalf("the rows never come to rest")
	}
	read := w.bytes
	effects, err := stagetest.Message(w.runner, w, m)
	w.bytes = read + (w.bytes-read)/2 // it runs twice
	w.apply(m.Key, effects, err)
}

func (w *world) apply(key string, effects stage.Effects, err error) {
	if err != nil {
		w.t.Fatalf("step on %q: %v", key, err)
	}
	for _, change := range effects.Rows {
		if w.rows[change.Key] = change.Value; change.Value == nil {
			delete(w.rows, change.Key)
		}
	}
	for _, drop := range effects.Drops {
		w.drops[drop.Reason]++
	}
	for _, record := range effects.Records {
		switch record.Topic {
		case topologies.IdentityLoop.Name:
			w.said++
			if m, err := schemas.IdentityMessageCodec.Decode(record.Value); err != nil || m.Cause == 0 {
				w.t.Fatalf("a word without a time, or no word: %v", err)
			} else if m.Return != nil {
				w.returned++
			}
			w.enqueue(w.partition(key), stage.Message{Topic: record.Topic, Key: record.Key, Value: record.Value})
		case topologies.PersonEvents.Name:
			e, err := schemas.PersonEventCodec.Decode(record.Value)
			if err != nil {
				w.t.Fatalf("decode: %v", err)
			}
			w.profile.take(w.partition(key), record.Key, e)
		default:
			letter, err := schemas.DeadLetterCodec.Decode(record.Value)
			if err != nil {
				w.t.Fatalf("decode: %v", err)
			}
			w.letters = append(w.letters, *letter)
			if strings.HasSuffix(letter.Reason, stage.ReasonPanic) {
				w.t.Fatalf("%s", letter.Detail)
			}
		}
	}
}

// rest delivers all, choosing by pick among n queues.
func (w *world) rest(pick func(n int) int) {
	for len(w.routes) > 0 {
		w.step(pick(len(w.routes)))
	}
	w.profile.rest(pick)
}

// loopFirst lets the loop come to rest before the door's next event.
func loopFirst(n int) int { return n - 1 }

// doorFirst takes in all events before any word of a row.
func doorFirst(int) int { return 0 }

// pseudo picks by a small generator of its own.
func pseudo(seed uint64) func(int) int {
	return func(n int) int {
		seed ^= seed << 13
		seed ^= seed >> 7
		seed ^= seed << 17
		return int(seed % uint64(n))
	}
}

func (w *world) row(key string) *schemas.IdentityRow {
	r, err := schemas.IdentityRowCodec.Decode(w.rows[key])
	if err != nil {
		w.t.Fatalf("row %q: %v", key, err)
	}
	return r
}

// component is the evidence that rests at the root of key.
func (w *world) component(key string) *schemas.Component {
	for {
		r := w.row(key)
		if r.Root == "" {
			c, err := identity.ComponentOf(key, r)
			if err != nil {
				w.t.Fatalf("%v", err)
			}
			return c
		}
		key = r.Root
	}
}

// people gives each identifier's person, as its row has it.
func (w *world) people() map[string]string {
	people := map[string]string{}
	for key := range w.rows {
		if r := w.row(key); r.Arrived {
			people[key] = r.Person
		}
	}
	return people
}

func show(people map[string]string) string {
	var lines []string
	for key, person := range people {
		lines = append(lines, person+" "+key)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

var _ fataler = (*testing.T)(nil)

// event is what tests send: received at minute n of 2026, under identifiers
// written "namespace:value".
func event(id string, minute int, identifiers ...string) *schemas.Event {
	at := instant(minute)
	e := &schemas.Event{ID: id, Name: "visit", Time: at, Received: at, Source: "test"}
	for _, key := range identifiers {
		e.Identifiers = append(e.Identifiers, schemas.IdentifierOf(key))
	}
	return e
}

func command(name, id string, minute int, a, b string) *schemas.Event {
	e := event(id, minute, a, b)
	e.Name = name
	e.Properties = schemas.Properties{{Name: identity.Why, Value: schemas.TextOf("a test says so")}}
	return e
}

const minutesOfDay = 24 * 60

func instant(minute int) schemas.Instant { return 1_767_225_600_000 + schemas.Instant(minute)*60_000 }

func id(n int) string { return fmt.Sprintf("e%03d", n) }
