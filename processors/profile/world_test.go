package profile_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/processors/profile"
	"kairos/processors/stage"
	"kairos/processors/stage/stagetest"
	"kairos/schemas"
	"kairos/topologies"
)

// fatal is what tests and property tests have in common.
type fatal interface {
	Helper()
	Fatalf(format string, args ...any)
}

const (
	second = schemas.Instant(1000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// start is when all stories begin.
var start = schemas.InstantOf(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC))

// world runs the stage on rows in memory: the smallest host there is.
type world struct {
	t       fatal
	runner  *stage.Runner
	rows    map[string][]byte
	loop    map[string][]*schemas.ProfileMessage // by whom they are for, in order
	changes []schemas.Change
	drops   map[string]int
	letters []*schemas.DeadLetter
}

func newWorld(t fatal, plan *definition.Plan) *world {
	t.Helper()
	w := &world{t: t, rows: map[string][]byte{}, loop: map[string][]*schemas.ProfileMessage{}, drops: map[string]int{}}
	w.follow(plan)
	return w
}

// follow changes the plan under the rows.
func (w *world) follow(plan *definition.Plan) {
	w.t.Helper()
	var err error
	w.runner, err = stage.NewRunner(topologies.Group{Name: "kairos.profile", Stages: []topologies.Stage{topologies.Profile}}, profile.New(plan))
	if err != nil {
		w.t.Fatalf("runner: %v", err)
	}
}

func (w *world) Row(table, key string) ([]byte, error) {
	if table != topologies.ProfileTable.Name {
		return nil, fmt.Errorf("profile reads the table %s", table)
	}
	return w.rows[key], nil
}

func (w *world) take(e stage.Effects, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("step: %v", err)
	}
	for _, c := range e.Rows {
		if c.Value == nil {
			delete(w.rows, c.Key)
		} else {
			w.rows[c.Key] = c.Value
		}
	}
	for _, d := range e.Drops {
		w.drops[d.Reason]++
	}
	for _, r := range e.Records {
		w.takeRecord(r)
	}
}

func (w *world) takeRecord(r stage.Record) {
	w.t.Helper()
	switch r.Topic {
	case topologies.Changes.Name:
		c, err := schemas.ChangeCodec.Decode(r.Value)
		if err != nil || c.Person != r.Key {
			w.t.Fatalf("change under key %q: %v, %v", r.Key, c, err)
		}
		w.changes = append(w.changes, *c)
	case topologies.ProfileLoop.Name:
		m, err := schemas.ProfileMessageCodec.Decode(r.Value)
		if err != nil || m.To != r.Key {
			w.t.Fatalf("message under key %q: %v, %v", r.Key, m, err)
		}
		w.loop[m.To] = append(w.loop[m.To], m)
	default:
		letter, err := schemas.DeadLetterCodec.Decode(r.Value)
		if err != nil {
			w.t.Fatalf("record in %s: %v", r.Topic, err)
		}
		w.letters = append(w.letters, letter)
	}
}

// hear lets a person hear m.
func (w *world) hear(m schemas.PersonEvent) {
	w.t.Helper()
	value, err := schemas.PersonEventCodec.Append(nil, &m)
	if err != nil {
		w.t.Fatalf("encode: %v", err)
	}
	w.take(stagetest.Message(w.runner, w, stage.Message{Topic: topologies.PersonEvents.Name, Key: m.Person, Value: value}))
}

// deliver lets the first fragment on its way to person arrive.
func (w *world) deliver(person string) {
	w.t.Helper()
	m := w.loop[person][0]
	w.loop[person] = w.loop[person][1:]
	w.receive(m)
}

func (w *world) receive(m *schemas.ProfileMessage) {
	w.t.Helper()
	value, err := schemas.ProfileMessageCodec.Append(nil, m)
	if err != nil {
		w.t.Fatalf("encode: %v", err)
	}
	w.take(stagetest.Message(w.runner, w, stage.Message{Topic: topologies.ProfileLoop.Name, Key: m.To, Value: value}))
}

// pass lets all wakes up to t happen.
func (w *world) pass(t schemas.Instant) {
	w.t.Helper()
	for _, person := range w.people() {
		for {
			wake := schemas.WakeOf(w.rows[person])
			if wake == 0 || wake > t {
				break
			}
			w.take(w.runner.Wake(w, person, t))
		}
	}
}

func (w *world) people() []string {
	var people []string
	for person := range w.rows {
		people = append(people, person)
	}
	slices.Sort(people)
	return people
}

func (w *world) row(person string) *schemas.ProfileRow {
	w.t.Helper()
	if w.rows[person] == nil {
		return nil
	}
	row, err := schemas.ProfileRowCodec.Decode(w.rows[person])
	if err != nil {
		w.t.Fatalf("row of %s: %v", person, err)
	}
	return row
}

// calm fails if anything was refused.
func (w *world) calm() {
	w.t.Helper()
	if len(w.letters) > 0 {
		w.t.Fatalf("dead letter %s: %s", w.letters[0].Reason, w.letters[0].Detail)
	}
}

// event makes an event of a person's identifier, accepted when it happened.
func event(person, identifier, name, id string, at schemas.Instant, properties ...schemas.Property) schemas.PersonEvent {
	return schemas.PersonEvent{Person: person, Identifier: identifier, Cause: at, Event: &schemas.Event{
		ID: id, Name: name, Time: at, Received: at, Source: "web",
		Identifiers: []schemas.Identifier{schemas.IdentifierOf(identifier)}, Properties: properties,
	}}
}

func number(name string, f float64) schemas.Property {
	return schemas.Property{Name: name, Value: schemas.NumberOf(f)}
}

func text(name, s string) schemas.Property {
	return schemas.Property{Name: name, Value: schemas.TextOf(s)}
}

// field is the value function of a series.
func field(name string) func(*schemas.Event) schemas.Value {
	return func(e *schemas.Event) schemas.Value { return e.Properties.Get(name) }
}

// asking makes a series.
func asking(event, name string) *expression.Series {
	s := &expression.Series{Event: event, Canonical: event}
	if name != "" {
		s.Canonical += " take " + name
		s.Value = field(name)
	}
	s.ID = int64(xxhash.Sum64String(s.Canonical))
	return s
}

// about makes a term; the series learns how long to keep events from [planOf].
func about(s *expression.Series, aggregate expression.Aggregate, window time.Duration) *expression.Term {
	words := [...]string{"any", "none", "count", "sum", "avg", "min", "max", "first", "last", "unique"}
	t := &expression.Term{Series: s, Aggregate: aggregate, Window: window, Short: "events(" + s.Event + ")"}
	t.Canonical = fmt.Sprintf("%s within %v %s", s.Canonical, window, words[aggregate])
	t.ID = int64(xxhash.Sum64String(t.Canonical))
	return t
}

// compared makes a term that is compared.
func compared(t *expression.Term, c expression.Comparison, operand float64) *expression.Term {
	t.Compare, t.Operand = c, operand
	t.Canonical += fmt.Sprintf(" %d %v", c, operand)
	t.ID = int64(xxhash.Sum64String(t.Canonical))
	return t
}

// planOf makes a plan of terms.
func planOf(terms ...*expression.Term) *definition.Plan {
	plan := &definition.Plan{Profile: definition.ProfileRules{
		TimelineEvents: 100, DuplicateWindow: 7 * 24 * time.Hour, ExactPoints: 64,
		Survivorship:   map[string]definition.Survivorship{},
		SourcePriority: map[string]int{},
	}}
	keep := map[*expression.Series]time.Duration{}
	for _, t := range terms {
		if t.Dwell != nil {
			continue
		}
		if longest, known := keep[t.Series]; known && longest == 0 || t.Window == 0 {
			keep[t.Series] = 0
		} else {
			keep[t.Series] = max(longest, t.Window)
		}
	}
	for s, longest := range keep {
		s.Keep = longest
		plan.Series = append(plan.Series, s)
	}
	slices.SortFunc(plan.Series, func(a, b *expression.Series) int { return slices.Compare([]int64{a.ID}, []int64{b.ID}) })
	plan.Terms = slices.Clone(terms)
	slices.SortFunc(plan.Terms, func(a, b *expression.Term) int { return slices.Compare([]int64{a.ID}, []int64{b.ID}) })
	return plan
}

// told says what a person's changes add up to.
type told struct {
	features    map[int64]schemas.Value
	attributes  map[string]schemas.Value
	identifiers []schemas.Identifier
}

func (w *world) told(plan *definition.Plan, person string) told {
	w.t.Helper()
	var x told
	forget := func() {
		x = told{map[int64]schemas.Value{}, map[string]schemas.Value{}, nil}
		for _, t := range plan.Terms {
			x.features[t.ID] = t.Empty()
		}
	}
	forget()
	last := schemas.Instant(0)
	for _, c := range w.changes {
		if c.Person != person {
			continue
		}
		if c.Cause < last {
			w.t.Fatalf("%s changed at %v after it had changed at %v", person, c.Cause, last)
		}
		last = c.Cause
		if c.Gone {
			forget()
		}
		retold := c.Reason == profile.ReasonDefinition // to those who ask since then
		for _, f := range c.Features {
			if before, planned := x.features[f.ID]; planned && before == f.Value && !retold {
				w.t.Fatalf("%s at %v because %s: feature %d is still %v, so it did not change", person, c.Cause, c.Reason, f.ID, f.Value)
			}
			x.features[f.ID] = f.Value
		}
		for _, a := range c.Attributes {
			if x.attributes[a.Name] == a.Value && !retold {
				w.t.Fatalf("%s at %v because %s: attribute %s did not change", person, c.Cause, c.Reason, a.Name)
			}
			x.attributes[a.Name] = a.Value
			if a.Value.Kind == schemas.Null {
				delete(x.attributes, a.Name)
			}
		}
		if len(c.Identifiers) > 0 {
			x.identifiers = c.Identifiers
		}
	}
	return x
}
