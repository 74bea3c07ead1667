package naive

import (
	"slices"
	"time"

	"kairos/processors/definition"
	"kairos/schemas"
)

// remembered walks through a history, event by event, and lets people without
// a name expire. It returns the events that still say something at t about
// what people did, and those that still say who they are: that is forgotten
// later, for all whom links connect at once.
func remembered(history []schemas.Event, plan *definition.Plan, t schemas.Instant) (did, are []schemas.Event) {
	m := &memory{plan: plan}
	for _, e := range history {
		if e.Received > t {
			continue
		}
		m.pass(e.Received - 1)
		x := entry{event: e}
		if m.by(x) == "" {
			x.copies = m.restsWith(e)
		}
		m.events = append(m.events, x)
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
	copies             []string // of a command: the identifiers that it still rests with
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
	for _, component := range m.components(of) {
		m.fade(component, t)
	}
}

// components lists the sets of known identifiers that links connect, whether
// they count or not.
func (m *memory) components(known map[string]string) [][]string {
	var all [][]string
	connect := func(together []string) {
		var apart [][]string
		for _, component := range all {
			if slices.ContainsFunc(component, func(id string) bool { return slices.Contains(together, id) }) {
				together = append(together, component...)
			} else {
				apart = append(apart, component)
			}
		}
		all = append(apart, together)
	}
	for _, x := range m.events {
		ids := strongestFirst(x.event.Identifiers, m.plan.Identity)
		if x.unknown || len(ids) == 0 {
			continue
		}
		if m.by(x) == "" {
			for _, id := range x.copies {
				connect([]string{id})
			}
			continue
		}
		together := []string{m.by(x)}
		for _, other := range ids[1:] {
			key := keyOf(m.plan.Identity, other, x.event)
			if known[key] != "" && namespace(m.plan.Identity, ids[0].Namespace).Links && namespace(m.plan.Identity, other.Namespace).Links {
				together = append(together, key)
			}
		}
		connect(together)
	}
	return all
}

// fade lets a component be unknown once a day has passed, after the longest
// expiry, since anything was heard of it: of each identifier up to a whole
// eighth of its expiry, in days.
func (m *memory) fade(component []string, t schemas.Instant) {
	last, keep := schemas.Instant(0), nameless(component, m.plan.Identity)
	here := func(id string) bool { return slices.Contains(component, id) }
	of := func(x entry) bool {
		return !x.unknown && (here(m.by(x)) || slices.ContainsFunc(x.copies, here))
	}
	for _, x := range m.events {
		switch {
		case !of(x):
		case x.event.Received > t: // another one of the same instant: it was just heard of
			return
		case m.by(x) == "":
			last = max(last, schemas.Instant((int64(x.event.Received)/day+1)*day))
		default:
			for i, id := range strongestFirst(x.event.Identifiers, m.plan.Identity) {
				if i == 0 || here(keyOf(m.plan.Identity, id, x.event)) {
					last = max(last, m.heardUntil(id, min(x.event.Time, x.event.Received)))
				}
			}
		}
	}
	if keep == 0 || last.Add(keep+24*time.Hour) > t {
		return
	}
	for i := range m.events {
		if x := &m.events[i]; of(*x) {
			x.copies = slices.DeleteFunc(x.copies, here)
			x.forgotten, x.unknown = true, len(x.copies) == 0
		}
	}
}

// heardUntil rounds up when an identifier was heard of.
func (m *memory) heardUntil(id schemas.Identifier, at schemas.Instant) schemas.Instant {
	eighth := max(int64(namespace(m.plan.Identity, id.Namespace).Expires.Hours())/24/8, 1) * day
	return schemas.Instant((int64(at)/eighth + 1) * eighth)
}

// restsWith tells where a word about two identifiers rests: with both, but for
// devices that are bound to sessions.
func (m *memory) restsWith(e schemas.Event) []string {
	var keys []string
	for _, id := range strongestFirst(e.Identifiers, m.plan.Identity) {
		if namespace(m.plan.Identity, id.Namespace).Session == 0 {
			keys = append(keys, id.String())
		}
	}
	return keys
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
