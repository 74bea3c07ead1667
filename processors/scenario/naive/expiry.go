package naive

import (
	"slices"
	"time"

	"kairos/processors/definition"
	"kairos/schemas"
)

// remembered walks through a history, event by event, and lets people without
// a name expire. It returns the events that still say something at t about
// what people did, and those that still say who they are: an identifier that
// expires alone takes even its name along.
func remembered(history []schemas.Event, plan *definition.Plan, t schemas.Instant) (did, are []schemas.Event) {
	m := &memory{plan: plan}
	for _, e := range history {
		if e.Received > t {
			continue
		}
		m.pass(e.Received - 1)
		m.events = append(m.events, entry{event: e})
	}
	m.pass(t)
	return m.left(func(x entry) bool { return !x.forgotten }), m.left(func(x entry) bool { return !x.unknown })
}

type memory struct {
	plan   *definition.Plan
	events []entry
}

type entry struct {
	event              schemas.Event
	forgotten, unknown bool
}

func (m *memory) left(keep func(entry) bool) []schemas.Event {
	var left []schemas.Event
	for _, x := range m.events {
		if keep(x) {
			left = append(left, x.event)
		}
	}
	return left
}

// pass lets everybody expire who has to by t.
func (m *memory) pass(t schemas.Instant) {
	if !slices.ContainsFunc(m.plan.Identity.Namespaces, func(n definition.Namespace) bool { return n.Expires > 0 }) {
		return
	}
	of := identities(m.left(func(x entry) bool { return !x.unknown }), m.plan.Identity, t)
	for _, person := range of {
		m.expire(membersOf(of, person), t)
	}
}

func membersOf(of map[string]string, person string) []string {
	var members []string
	for id := range of {
		if of[id] == person {
			members = append(members, id)
		}
	}
	return members
}

func (m *memory) expire(members []string, t schemas.Instant) {
	last, keep := schemas.Instant(-1), nameless(members, m.plan.Identity)
	for _, e := range heard(m.left(func(x entry) bool { return !x.forgotten }), m.plan, t) { // repetitions are no sign of life
		if slices.Contains(members, e.by) {
			last = max(last, e.at)
		}
	}
	if keep == 0 || last < 0 || last.Add(keep) > t {
		return
	}
	for i := range m.events {
		x := &m.events[i]
		if slices.Contains(members, m.by(*x)) {
			x.forgotten = true
			x.unknown = x.unknown || len(members) == 1 && !m.linked(members[0])
		}
	}
}

// nameless is the longest expiry of the namespaces, 0 if one has none.
func nameless(members []string, rules definition.IdentityRules) time.Duration {
	longest := time.Duration(0)
	for _, id := range members {
		expires := namespace(rules, schemas.IdentifierOf(id).Namespace).Expires
		if expires == 0 {
			return 0
		}
		longest = max(longest, expires)
	}
	return longest
}

// by is the identifier that an event counts for; none for a command.
func (m *memory) by(x entry) string {
	ids := strongestFirst(x.event.Identifiers, m.plan.Identity)
	if len(ids) == 0 || x.event.Name == "$unlink" || x.event.Name == "$relink" {
		return ""
	}
	return keyOf(m.plan.Identity, ids[0], x.event)
}

// linked tells whether evidence was ever left with an identifier: a link, or an
// operator's word, which rests with the stronger of the two.
func (m *memory) linked(id string) bool {
	return slices.ContainsFunc(m.events, func(x entry) bool {
		ids := strongestFirst(x.event.Identifiers, m.plan.Identity)
		if m.by(x) == "" {
			return len(ids) == 2 && ids[0].String() == id
		}
		return m.joins(ids, id)
	})
}

// joins tells whether an event's identifiers link one of them with the first.
func (m *memory) joins(ids []schemas.Identifier, id string) bool {
	links := func(i int) bool { return namespace(m.plan.Identity, ids[i].Namespace).Links }
	for i := 1; i < len(ids); i++ {
		if links(0) && links(i) && (ids[0].String() == id || ids[i].String() == id) {
			return true
		}
	}
	return false
}
