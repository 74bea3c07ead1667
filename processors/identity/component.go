package identity

import (
	"cmp"
	"slices"
	"strings"

	"kairos/schemas"
)

// A component is a set of evidence: everything here is a union of sets, so it
// does not matter in which order, or how often, a piece of it comes.

// maxWeight bounds a component, in bytes as weigh counts them. Past it no link
// and no other component is taken in.
const maxWeight = 192 << 10

// weigh estimates the encoded size of a component.
func weigh(c *schemas.Component) int64 {
	w := 0
	for i := range c.Members {
		w += len(c.Members[i].Identifier) + 32
	}
	for i := range c.Heard {
		w += len(c.Heard[i].Identifier) + 16
	}
	for i := range c.Links {
		w += weighLink(&c.Links[i])
	}
	for i := range c.Partings {
		p := &c.Partings[i]
		w += len(p.A) + len(p.B) + len(p.Source) + len(p.Why) + 24
	}
	return int64(w)
}

func weighLink(e *schemas.Evidence) int { return len(e.A) + len(e.B) + len(e.Source) + 20 }

// upsert puts v into a sorted set: where an equal element is, join makes one
// of both and says whether that changed anything.
func upsert[T any](set []T, v T, compare func(a, b *T) int, join func(into *T, v *T) bool) (all []T, added, changed bool) {
	i, found := slices.BinarySearchFunc(set, v, func(a, b T) int { return compare(&a, &b) })
	if !found {
		return slices.Insert(set, i, v), true, true
	}
	return set, false, join(&set[i], &v)
}

func compareMembers(a, b *schemas.Member) int { return strings.Compare(a.Identifier, b.Identifier) }

func compareLinks(a, b *schemas.Evidence) int {
	return cmp.Or(strings.Compare(a.A, b.A), strings.Compare(a.B, b.B))
}

func comparePartings(a, b *schemas.Parting) int {
	return cmp.Or(strings.Compare(a.A, b.A), strings.Compare(a.B, b.B))
}

// joinMember keeps the earlier first_seen and the heat. The person stays: it
// is what was said last.
func joinMember(into, m *schemas.Member) bool {
	before := *into
	into.FirstSeen = earlier(into.FirstSeen, m.FirstSeen)
	into.Hot = into.Hot || m.Hot
	into.LastSeen = max(into.LastSeen, m.LastSeen)
	return *into != before
}

// joinLink keeps the newest day, with its source, and the earliest mention.
func joinLink(into, e *schemas.Evidence) bool {
	before := *into
	if cmp.Or(cmp.Compare(e.Day, into.Day), strings.Compare(e.Source, into.Source)) > 0 {
		into.Day, into.Source = e.Day, e.Source
	}
	into.First = earlier(into.First, e.First)
	return *into != before
}

// joinParting keeps the newest word; among equals the one that undoes, then
// the one that reaches further.
func joinParting(into, p *schemas.Parting) bool {
	undone := func(p *schemas.Parting) int {
		if p.Undone {
			return 1
		}
		return 0
	}
	if cmp.Or(cmp.Compare(p.Time, into.Time), cmp.Compare(undone(p), undone(into)), cmp.Compare(p.Day, into.Day),
		strings.Compare(p.Source, into.Source), strings.Compare(p.Why, into.Why)) <= 0 {
		return false
	}
	*into = *p
	return true
}

// earlier is the earlier of two instants of which zero is not one.
func earlier(a, b schemas.Instant) schemas.Instant {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// absorb takes all of d into c, and a version above both.
func absorb(c, d *schemas.Component) {
	c.Version = max(c.Version, d.Version) + 1
	c.Members = unionOf(c.Members, d.Members, compareMembers, joinMember)
	c.Heard = recall(c, unionOf(c.Heard, d.Heard, compareMembers, joinMember))
	c.Links = unionOf(c.Links, d.Links, compareLinks, joinLink)
	c.Partings = unionOf(c.Partings, d.Partings, comparePartings, joinParting)
}

// recall applies what was heard of identifiers that are members now, and gives
// what is left.
func recall(c *schemas.Component, heard []schemas.Member) []schemas.Member {
	return slices.DeleteFunc(heard, func(m schemas.Member) bool {
		if !has(c, m.Identifier) {
			return false
		}
		c.Members, _, _ = upsert(c.Members, m, compareMembers, joinMember)
		return true
	})
}

// unionOf merges two sorted sets into a new one.
func unionOf[T any](a, b []T, compare func(x, y *T) int, join func(into, v *T) bool) []T {
	all := make([]T, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch order := compare(&a[0], &b[0]); {
		case order < 0:
			all, a = append(all, a[0]), a[1:]
		case order > 0:
			all, b = append(all, b[0]), b[1:]
		default:
			v := a[0]
			join(&v, &b[0])
			all, a, b = append(all, v), a[1:], b[1:]
		}
	}
	return append(append(all, a...), b...)
}

// has says whether an identifier is a member of c.
func has(c *schemas.Component, key string) bool { return hasMember(c.Members, key) }

func hasMember(members []schemas.Member, key string) bool { return indexOf(members, key) >= 0 }

// indexOf is the place of a member, or -1.
func indexOf(members []schemas.Member, key string) int {
	i, ok := slices.BinarySearchFunc(members, key, func(m schemas.Member, key string) int {
		return strings.Compare(m.Identifier, key)
	})
	if !ok {
		return -1
	}
	return i
}

// pair orders two keys.
func pair(a, b string) (string, string) {
	if a < b {
		return a, b
	}
	return b, a
}
