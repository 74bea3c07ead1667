package precision

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"kairos/loadtest/truth"
	"kairos/processors/definition"
	"kairos/processors/flow"
	"kairos/processors/identity"
	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// evidence is what the identity stage reads out of events: the set that people
// are a function of. The stage itself says what an event links, row by empty
// row; only that events which name the same identifiers link the same is known
// here, which saves most of the time.
type evidence struct {
	runner *stage.Runner
	seen   map[string]schemas.Instant // identifiers that are somebody's, and when an event was first theirs; 0: none was
	links  map[[2]string]*schemas.Evidence
	named  map[string][]*schemas.Evidence // what events that name the same identifiers link
}

func newEvidence(rules definition.IdentityRules) (*evidence, error) {
	t, err := topologies.New(topologies.DefaultConfig())
	if err != nil {
		return nil, err
	}
	runner, err := flow.Runner(t.Groups[0], &definition.Plan{Identity: rules})
	if err != nil {
		return nil, err
	}
	return &evidence{runner, map[string]schemas.Instant{}, map[[2]string]*schemas.Evidence{}, map[string][]*schemas.Evidence{}}, nil
}

// nobody gives the stage no rows: all that an event says is news then.
type nobody struct{}

func (nobody) Row(string, string) ([]byte, error) { return nil, nil }

// take adds what an event says. Events come in the order of time.
func (v *evidence) take(e *schemas.Event, names string) error {
	if links, known := v.named[names]; known {
		for _, l := range links {
			l.Day = max(l.Day, dayOf(e))
		}
		return nil
	}
	value, err := schemas.EventCodec.Append(nil, e)
	if err != nil {
		return fmt.Errorf("event %s: %w", e.ID, err)
	}
	v.named[names] = nil
	return v.hear(stage.Message{Topic: topologies.Events.Name, Key: e.Identifiers[0].String(), Value: value}, names)
}

// hear lets the stage have a message and takes in what it says, to others and
// to itself.
func (v *evidence) hear(m stage.Message, names string) error {
	effects, err := v.runner.Message(nobody{}, m)
	if err != nil {
		return err
	}
	for _, r := range effects.Records {
		switch r.Topic {
		case topologies.PersonEvents.Name:
			told, err := schemas.PersonEventCodec.Decode(r.Value)
			if err != nil {
				return err
			}
			if v.seen[told.Identifier] == 0 {
				v.seen[told.Identifier] = told.Cause
			}
		case topologies.IdentityLoop.Name:
			said, err := schemas.IdentityMessageCodec.Decode(r.Value)
			if err != nil {
				return err
			}
			if said.Event != nil { // under a foreign key
				return v.hear(stage.Message{Topic: r.Topic, Key: r.Key, Value: r.Value}, names)
			}
			if said.Link != nil {
				v.link(said.Link, names)
			}
		}
	}
	return nil
}

func (v *evidence) link(e *schemas.Evidence, names string) {
	pair := [2]string{e.A, e.B}
	l := v.links[pair]
	if l == nil {
		l = e
		v.links[pair] = e
	}
	l.Day = max(l.Day, e.Day)
	v.named[names] = append(v.named[names], l)
	for _, end := range pair {
		if _, known := v.seen[end]; !known {
			v.seen[end] = 0
		}
	}
}

// components gathers what links connect, as roots of the stage do, but without
// their bound.
func (v *evidence) components() []*schemas.Component {
	root := map[string]string{}
	find := func(key string) string {
		for root[key] != key {
			root[key] = root[root[key]]
			key = root[key]
		}
		return key
	}
	keys := slices.Sorted(maps.Keys(v.seen))
	for _, key := range keys {
		root[key] = key
	}
	for pair := range v.links {
		root[find(pair[1])] = find(pair[0])
	}
	at := map[string]*schemas.Component{}
	var all []*schemas.Component
	for _, key := range keys {
		c := at[find(key)]
		if c == nil {
			c = &schemas.Component{}
			at[find(key)] = c
			all = append(all, c)
		}
		c.Members = append(c.Members, schemas.Member{Identifier: key, FirstSeen: v.seen[key]})
	}
	for pair, l := range v.links {
		c := at[find(pair[0])]
		c.Links = append(c.Links, *l)
	}
	for _, c := range all {
		slices.SortFunc(c.Links, func(a, b schemas.Evidence) int {
			if a.A != b.A {
				return strings.Compare(a.A, b.A)
			}
			return strings.Compare(a.B, b.B)
		})
	}
	return all
}

// heat marks the members with more neighbours than the rules allow.
func heat(c *schemas.Component, most int) {
	degree := map[string]int{}
	for i := range c.Links {
		degree[c.Links[i].A]++
		degree[c.Links[i].B]++
	}
	for i := range c.Members {
		c.Members[i].Hot = degree[c.Members[i].Identifier] > most
	}
}

// judge scores the people that components are under rules.
func (t *Truth) judge(ctx context.Context, components []*schemas.Component, rules definition.IdentityRules, progress func(n int)) (Score, error) {
	s := Score{True: t.pairs}
	for _, c := range components {
		if progress(len(c.Members)); ctx.Err() != nil {
			return Score{}, ctx.Err()
		}
		heat(c, rules.MaxLinks)
		for _, person := range identity.Explain(c, rules).People {
			t.add(&s, person.Identifiers)
		}
	}
	return s, nil
}

// gather reads the evidence out of all events of a population, once for each
// of the rules, which must let different evidence in; and what the population
// knows.
func gather(ctx context.Context, p *truth.Population, rules []definition.IdentityRules, progress func(n int)) (*Truth, []*evidence, error) {
	var all []*evidence
	for _, r := range rules {
		v, err := newEvidence(r)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, v)
	}
	t, n := &Truth{number: map[string]int32{}}, 0
	for told := range p.Events() {
		if n++; n%every == 0 {
			if progress(every); ctx.Err() != nil {
				return nil, nil, ctx.Err()
			}
		}
		for i, id := range told.Event.Identifiers {
			t.note(id, int32(told.Person), told.Owns[i])
		}
		names := namesOf(told.Event)
		for _, v := range all {
			if err := v.take(told.Event, names); err != nil {
				return nil, nil, err
			}
		}
	}
	t.countPairs()
	return t, all, nil
}

func namesOf(e *schemas.Event) string {
	key := ""
	for _, id := range e.Identifiers {
		key += id.String() + "\n"
	}
	return key
}

func dayOf(e *schemas.Event) int64 { return int64(e.Time) / 86_400_000 }
