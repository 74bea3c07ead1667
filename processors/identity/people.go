package identity

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"kairos/schemas"
)

// The rules that refuse a link, a closed set.
const (
	RuleBlocked     = "blocked"         // one end is a value that means nothing
	RuleNeverLinks  = "never-links"     // one end's namespace joins nobody
	RuleHot         = "hot"             // one end has more links than the rules allow
	RuleUnlinked    = "unlinked"        // an operator took this very link back
	RuleParted      = "parted"          // it would bring two together whom an operator parted
	RulePerPerson   = "per-person"      // the person would have too many of a namespace
	RuleIdentifiers = "max-identifiers" // the person would have too many identifiers
	RuleContested   = "contested"       // it would bring two people together over a device that they share
	RuleSession     = "session"         // one end is a device as it was before sessions bound it
	RuleNotJoined   = "not-joined"      // the other end's component has not come, or one of the two is full
)

// PersonOf is the id of the person that an identifier founds.
func PersonOf(key string) string {
	const digits = "0123456789abcdef"
	var id [16]byte
	h := xxhash.Sum64String(key)
	for i := len(id) - 1; i >= 0; i-- {
		id[i] = digits[h&15]
		h >>= 4
	}
	return string(id[:])
}

// unite computes the people of a component: whose each member is, in the order
// of the members. If decided is not nil it hears of each link in the order in
// which links are taken, with the rule that refused it and what that was about.
//
// Links are taken in a total order, strongest first, and each unites what it
// connects unless a rule forbids. So the result is a function of the set.
func unite(c *schemas.Component, r *rules, decided func(link *schemas.Evidence, rule, detail string)) []string {
	u := newUnion(c, r)
	links := u.inOrder()
	strict := false
	for i, l := range links {
		if l.strict && !strict {
			strict = true
			u.contest(links[i:])
		}
		rule, detail := u.take(l)
		if decided != nil {
			decided(l.evidence, rule, detail)
		}
	}
	return u.founders()
}

// union is a union-find over the members of a component, which keeps per
// cluster what the rules ask for.
type union struct {
	component *schemas.Component
	rules     *rules
	of        []*namespace // per member
	parent    []int32
	size      []int32
	next      []int32           // per member: the cluster as a ring
	strongest []int             // per root: the highest priority in the cluster
	counts    []int32           // per root, a row of len(rules.limited)
	first     []schemas.Instant // per member: when it was first seen, as far as taken links and its own events know
	heard     []schemas.Instant // per member: the same, as far as any link knows that could be taken
	contested []bool            // per member: a strict one whom several known people use
	parted    []parted
}

type parted struct {
	a, b int32
	day  int64
}

type link struct {
	evidence         *schemas.Evidence
	a, b             int32 // members; -1: not one
	strict           bool  // an end is of a strict namespace
	chain            bool  // it is between parts of one device's sessions
	weaker, stronger int
	hash             uint64
	rule, detail     string // why it is out, whatever else is known
}

const never = schemas.Instant(math.MaxInt64)

func newUnion(c *schemas.Component, r *rules) *union {
	n, k := len(c.Members), len(r.limited)
	u := &union{
		component: c, rules: r,
		of: make([]*namespace, n), parent: make([]int32, n), size: make([]int32, n), next: make([]int32, n),
		strongest: make([]int, n), counts: make([]int32, n*k),
		first: make([]schemas.Instant, n), heard: make([]schemas.Instant, n), contested: make([]bool, n),
	}
	for i, m := range c.Members {
		ns := r.of(m.Identifier)
		u.of[i], u.strongest[i] = ns, ns.priority
		u.parent[i], u.size[i], u.next[i], u.first[i] = int32(i), 1, int32(i), m.FirstSeen
		if m.FirstSeen == 0 {
			u.first[i] = never
		}
		if ns.slot >= 0 {
			u.counts[i*k+ns.slot] = 1
		}
	}
	copy(u.heard, u.first)
	for _, p := range c.Partings {
		if p.Undone {
			continue
		}
		for _, a := range u.named(p.A) {
			for _, b := range u.named(p.B) {
				u.parted = append(u.parted, parted{a, b, p.Day})
			}
		}
	}
	return u
}

// named gives the members that an operator's word is about: all sessions of a
// device that is bound to them.
func (u *union) named(key string) []int32 {
	if i := u.member(key); i >= 0 {
		return []int32{i}
	}
	id := schemas.IdentifierOf(key)
	if u.rules.namespace(id.Namespace).session == 0 {
		return nil
	}
	var all []int32
	for i, m := range u.component.Members {
		if schemas.IdentifierOf(m.Identifier) == id {
			all = append(all, int32(i))
		}
	}
	return all
}

func (u *union) member(key string) int32 {
	return int32(indexOf(u.component.Members, key))
}

// inOrder gives the links as they are taken: those of strict devices last, and
// the chains of sessions after them, the oldest first, so that a part that two
// people's parts lie around is that of the one before. Among others the one
// whose weaker end is stronger first, then by the stronger end, the newest day,
// the hash.
func (u *union) inOrder() []link {
	links := make([]link, len(u.component.Links))
	for i := range links {
		e := &u.component.Links[i]
		l := &links[i]
		*l = link{evidence: e, a: u.member(e.A), b: u.member(e.B), hash: hashOfPair(e.A, e.B)}
		a, b := u.rules.of(e.A), u.rules.of(e.B)
		l.weaker, l.stronger, l.strict = min(a.priority, b.priority), max(a.priority, b.priority), a.strict || b.strict
		l.chain = l.strict && sameDevice(e.A, e.B)
		if l.rule, l.detail = u.ineligible(l, a, b); l.rule == "" {
			u.heard[l.a], u.heard[l.b] = min(u.heard[l.a], e.First), min(u.heard[l.b], e.First)
		}
	}
	slices.SortFunc(links, func(x, y link) int {
		if x.strict != y.strict {
			if x.strict {
				return 1
			}
			return -1
		}
		switch {
		case x.chain && y.chain:
			return strings.Compare(x.evidence.A, y.evidence.A)
		case x.chain:
			return 1
		case y.chain:
			return -1
		}
		return cmp.Or(cmp.Compare(y.weaker, x.weaker), cmp.Compare(y.stronger, x.stronger), cmp.Compare(y.evidence.Day, x.evidence.Day),
			cmp.Compare(x.hash, y.hash), strings.Compare(x.evidence.A, y.evidence.A), strings.Compare(x.evidence.B, y.evidence.B))
	})
	return links
}

func hashOfPair(a, b string) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.WriteString(a) // never fails
	_, _ = d.WriteString("\n")
	_, _ = d.WriteString(b)
	return d.Sum64()
}

// ineligible says why a link counts for nothing, whatever else is known.
func (u *union) ineligible(l *link, a, b *namespace) (rule, detail string) {
	e := l.evidence
	switch {
	case u.rules.blocks(e.A):
		return RuleBlocked, e.A
	case u.rules.blocks(e.B):
		return RuleBlocked, e.B
	case !a.links:
		return RuleNeverLinks, e.A
	case !b.links:
		return RuleNeverLinks, e.B
	case a.session > 0 && !schemas.IsSession(e.A):
		return RuleSession, e.A
	case b.session > 0 && !schemas.IsSession(e.B):
		return RuleSession, e.B
	case l.a < 0:
		return RuleNotJoined, e.A
	case l.b < 0:
		return RuleNotJoined, e.B
	case u.component.Members[l.a].Hot:
		return RuleHot, e.A
	case u.component.Members[l.b].Hot:
		return RuleHot, e.B
	}
	for _, p := range u.parted {
		if (p.a == l.a && p.b == l.b || p.a == l.b && p.b == l.a) && e.Day <= p.day {
			return RuleUnlinked, ""
		}
	}
	return "", ""
}

// take unites the ends of a link, or says which rule forbids it.
func (u *union) take(l link) (rule, detail string) {
	if l.rule != "" {
		return l.rule, l.detail
	}
	a, b := u.root(l.a), u.root(l.b)
	if a != b {
		if rule, detail = u.forbidden(a, b, l); rule != "" {
			return rule, detail
		}
		u.merge(a, b)
	}
	u.first[l.a] = min(u.first[l.a], l.evidence.First)
	u.first[l.b] = min(u.first[l.b], l.evidence.First)
	return "", ""
}

// forbidden says why two clusters must not become one by a link.
func (u *union) forbidden(a, b int32, l link) (rule, detail string) {
	if u.size[a]+u.size[b] > u.rules.maxIdentifiers {
		return RuleIdentifiers, ""
	}
	k := len(u.rules.limited)
	for slot, name := range u.rules.limited {
		if u.counts[int(a)*k+slot]+u.counts[int(b)*k+slot] > u.rules.names[name].limit {
			return RulePerPerson, name
		}
	}
	for _, ns := range u.rules.windowed {
		if u.crowded(ns, a, b) {
			return RulePerPerson, ns.name
		}
	}
	if l.chain && (u.contested[l.a] || u.contested[l.b]) {
		return RuleContested, ""
	}
	if l.strict && (u.shared(l.a, a, b) || u.shared(l.b, b, a)) {
		return RuleContested, ""
	}
	for _, p := range u.parted {
		if p.day < l.evidence.Day {
			continue
		}
		if x, y := u.root(p.a), u.root(p.b); x == a && y == b || x == b && y == a {
			return RuleParted, u.component.Members[p.a].Identifier + " from " + u.component.Members[p.b].Identifier
		}
	}
	return "", ""
}

// crowded says whether two clusters together hold more of a namespace first
// heard of within a window than the rules allow.
func (u *union) crowded(ns *namespace, a, b int32) bool {
	var times []schemas.Instant
	for _, root := range []int32{a, b} {
		for i := u.next[root]; ; i = u.next[i] {
			if u.of[i] == ns {
				times = append(times, u.heard[i])
			}
			if i == root {
				break
			}
		}
	}
	slices.Sort(times)
	n := int(ns.limit)
	for i := n; i < len(times); i++ {
		if times[i]-times[i-n] < ns.window {
			return true
		}
	}
	return false
}

// shared says whether the member d is of a strict namespace and would bring
// its cluster to another one that a stronger identifier names, though it is
// contested or its own cluster is named by one as well.
func (u *union) shared(d, its, other int32) bool {
	ns := u.of[d]
	return ns.strict && u.strongest[other] > ns.priority && (u.contested[d] || u.strongest[its] > ns.priority)
}

// contest finds the strict members that several people use: those whose links
// lead to more than one cluster that a stronger identifier names. It runs once
// all links of others are taken.
func (u *union) contest(links []link) {
	user := make([]int32, len(u.parent)) // 1 + the first one's root
	for i := range links {
		l := &links[i]
		if l.rule != "" {
			continue
		}
		for _, ends := range [][2]int32{{l.a, l.b}, {l.b, l.a}} {
			d, other := ends[0], u.root(ends[1])
			switch ns := u.of[d]; {
			case !ns.strict || u.strongest[other] <= ns.priority:
			case user[d] == 0:
				user[d] = 1 + other
			case user[d] != 1+other:
				u.contested[d] = true
			}
		}
	}
}

func (u *union) merge(a, b int32) {
	if u.size[a] < u.size[b] {
		a, b = b, a
	}
	u.parent[b] = a
	u.size[a] += u.size[b]
	u.next[a], u.next[b] = u.next[b], u.next[a] // two rings become one
	u.strongest[a] = max(u.strongest[a], u.strongest[b])
	k := len(u.rules.limited)
	for slot := range k {
		u.counts[int(a)*k+slot] += u.counts[int(b)*k+slot]
	}
}

func (u *union) root(i int32) int32 {
	for u.parent[i] != i {
		u.parent[i] = u.parent[u.parent[i]]
		i = u.parent[i]
	}
	return i
}

// founders names each member's person after the member of its cluster that was
// seen first; among equals the smaller key.
func (u *union) founders() []string {
	n := len(u.parent)
	founder := slices.Repeat([]int32{-1}, n)
	for i := range n { // rising keys, so that the smaller one stays among equals
		if r := u.root(int32(i)); founder[r] < 0 || u.first[i] < u.first[founder[r]] {
			founder[r] = int32(i)
		}
	}
	ids := make([]string, n)
	people := make([]string, n)
	for i := range n {
		r := u.root(int32(i))
		if ids[r] == "" {
			ids[r] = PersonOf(u.component.Members[founder[r]].Identifier)
		}
		people[i] = ids[r]
	}
	return people
}
