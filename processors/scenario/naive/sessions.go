package naive

import (
	"time"

	"kairos/processors/definition"
	"kairos/schemas"
)

// Devices that are bound to sessions are one identifier for each part of a
// session: a span that begins at a multiple of the gap.

// keyOf is the identifier as which an event counts for id.
func keyOf(rules definition.IdentityRules, id schemas.Identifier, e schemas.Event) string {
	gap := namespace(rules, id.Namespace).Session.Milliseconds()
	if gap == 0 {
		return id.String()
	}
	at := int64(min(e.Time, e.Received))
	return id.Namespace + "@" + time.UnixMilli(at/gap*gap).UTC().Format("20060102T1504") + ":" + id.Value
}

func isNoSession(key string) bool { return !schemas.IsSession(key) }

// uses are the minutes in which devices were used.
type uses map[schemas.Identifier][]int64

func (u uses) note(rules definition.IdentityRules, id schemas.Identifier, e schemas.Event) {
	if namespace(rules, id.Namespace).Session > 0 {
		u[id] = append(u[id], int64(min(e.Time, e.Received))/60_000)
	}
}

// chain links the parts that a use not long before the next one connects.
func (u uses) chain(rules definition.IdentityRules, links map[[2]string]*link, seen map[string]schemas.Instant) {
	for id, minutes := range u {
		gap := int64(namespace(rules, id.Namespace).Session / time.Minute)
		for _, m := range minutes {
			for _, later := range minutes {
				if later-m >= gap || later/gap != m/gap+1 {
					continue
				}
				at := func(part int64) string {
					return keyOf(rules, id, schemas.Event{Time: schemas.Instant(part * gap * 60_000), Received: 1 << 60})
				}
				a, b := at(m/gap), at(later/gap)
				links[[2]string{a, b}] = &link{a: a, b: b, day: later / gap * gap / 1440}
				for _, part := range []string{a, b} {
					if _, ok := seen[part]; !ok {
						seen[part] = 0
					}
				}
			}
		}
	}
}

// has tells whether a cluster holds an identifier, or a part of its sessions.
func (c cluster) has(id string) bool {
	for key := range c {
		if key == id || schemas.IdentifierOf(key).String() == id {
			return true
		}
	}
	return false
}

// strongest is the highest priority in a cluster.
func (c cluster) strongest(rules definition.IdentityRules) int {
	best := -1 << 62
	for key := range c {
		best = max(best, namespace(rules, schemas.IdentifierOf(key).Namespace).Priority)
	}
	return best
}

func device(rules definition.IdentityRules, key string) (priority int, is bool) {
	n := namespace(rules, schemas.IdentifierOf(key).Namespace)
	return n.Priority, n.Strict || n.Session > 0
}

// lateness is 1 for links of devices, 2 for those between parts of one's
// sessions.
func (l *link) lateness(rules definition.IdentityRules) int {
	switch {
	case schemas.IdentifierOf(l.a) == schemas.IdentifierOf(l.b):
		return 2
	case l.strict(rules):
		return 1
	}
	return 0
}

func (l *link) strict(rules definition.IdentityRules) bool {
	_, a := device(rules, l.a)
	_, b := device(rules, l.b)
	return a || b
}

// contestedBy lists the devices whose links lead to several people whom a
// stronger identifier names.
func contestedBy(links []*link, clusters []cluster, rules definition.IdentityRules) map[string]bool {
	users := map[string]map[int]bool{}
	for _, l := range links {
		for _, ends := range [][2]string{{l.a, l.b}, {l.b, l.a}} {
			priority, is := device(rules, ends[0])
			for i, c := range clusters {
				if is && c[ends[1]] && c.strongest(rules) > priority {
					if users[ends[0]] == nil {
						users[ends[0]] = map[int]bool{}
					}
					users[ends[0]][i] = true
				}
			}
		}
	}
	contested := map[string]bool{}
	for key, of := range users {
		contested[key] = len(of) > 1
	}
	return contested
}

// contested tells whether l would bring people together over a device that
// they share.
func (l *link) contested(a, b cluster, contested map[string]bool, rules definition.IdentityRules) bool {
	if l.lateness(rules) == 2 && (contested[l.a] || contested[l.b]) {
		return true
	}
	shared := func(key string, its, other cluster) bool {
		priority, is := device(rules, key)
		return is && other.strongest(rules) > priority && (contested[key] || its.strongest(rules) > priority)
	}
	return l.strict(rules) && (shared(l.a, a, b) || shared(l.b, b, a))
}
