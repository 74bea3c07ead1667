package identity_test

import (
	"fmt"
	"sort"
	"time"

	"github.com/cespare/xxhash/v2"

	"kairos/processors/definition"
	"kairos/processors/identity"
	"kairos/schemas"
)

// naive computes the people of a whole history at once, from nothing but the
// events: the law that the rows must come to, however they talk. It is slow,
// knows no components, and shares no code with what it judges. It wants
// events whose identifiers are normalised, strongest first, and worth something.
func naive(events []*schemas.Event, rules definition.IdentityRules) map[string]string {
	rule := func(key string) definition.Namespace {
		for _, n := range rules.Namespaces {
			if n.Name == schemas.IdentifierOf(key).Namespace {
				return n
			}
		}
		return definition.Namespace{Priority: -1 << 62, Links: true}
	}
	own := map[string]int64{}
	known := map[string]bool{}
	links := map[string]*naiveLink{}
	words := map[string]naiveWord{}
	uses := map[string][]int64{} // device -> minutes
	for _, e := range events {
		day := int64(e.Time) / 86_400_000
		keys := []string{}
		for _, i := range e.Identifiers {
			keys = append(keys, i.String())
		}
		if e.Name == identity.Unlink || e.Name == identity.Relink {
			sort.Strings(keys)
			w := naiveWord{int64(e.Received), e.Name == identity.Relink, day}
			old, ok := words[keys[0]+" "+keys[1]]
			if !ok || w.at > old.at || w.at == old.at && w.undone && !old.undone || w.at == old.at && w.undone == old.undone && w.day > old.day {
				words[keys[0]+" "+keys[1]] = w
			}
			continue
		}
		for i := range keys {
			if gap := naiveGap(rule(keys[i])); gap > 0 {
				uses[keys[i]] = append(uses[keys[i]], int64(e.Time)/60_000)
				keys[i] = naivePart(keys[i], int64(e.Time)/60_000/gap*gap)
			}
		}
		known[keys[0]] = true
		if at := own[keys[0]]; at == 0 || int64(e.Received) < at {
			own[keys[0]] = int64(e.Received)
		}
		for _, other := range keys[1:] {
			if !rule(keys[0]).Links || !rule(other).Links {
				continue
			}
			if naiveGap(rule(other)) == 0 {
				known[other] = true
			}
			a, b := keys[0], other
			if b < a {
				a, b = b, a
			}
			l := links[a+" "+b]
			if l == nil {
				l = &naiveLink{a, b, day, int64(e.Received)}
				links[a+" "+b] = l
			}
			l.day, l.at = max(l.day, day), min(l.at, int64(e.Received))
		}
	}
	for device, minutes := range uses {
		gap := naiveGap(rule(device))
		for _, m := range minutes {
			for _, later := range minutes {
				if part := later / gap * gap; later-m < gap && part == m/gap*gap+gap {
					a, b := naivePart(device, m/gap*gap), naivePart(device, part)
					known[a], known[b] = true, true
					links[a+" "+b] = &naiveLink{a, b, part / 1440, 1 << 62}
				}
			}
		}
	}
	people := map[string]string{}
	n := newNaive(rule, rules, own, words, links, known)
	for key := range known {
		n.cluster[key], n.first[key] = key, 1<<62
		if own[key] > 0 {
			n.first[key] = own[key]
		}
	}
	n.take()
	for key, c := range n.cluster {
		founder := ""
		for other, d := range n.cluster {
			if c == d && (founder == "" || n.first[other] < n.first[founder] || n.first[other] == n.first[founder] && other < founder) {
				founder = other
			}
		}
		people[key] = fmt.Sprintf("%016x", xxhash.Sum64String(founder))
	}
	return people
}

// naiveGap is the minutes of rest that end a session.
func naiveGap(n definition.Namespace) int64 { return int64(n.Session / time.Minute) }

// naivePart names the part of a device's sessions that begins at a minute.
func naivePart(device string, minute int64) string {
	id := schemas.IdentifierOf(device)
	return id.Namespace + "@" + time.Unix(minute*60, 0).UTC().Format("20060102T1504") + ":" + id.Value
}

// naivePlain is the identifier of which a key is a part.
func naivePlain(key string) string { return schemas.IdentifierOf(key).String() }

type naiveLink struct {
	a, b string
	day  int64
	at   int64
}

type naiveWord struct {
	at     int64
	undone bool
	day    int64
}

type naiveUnion struct {
	rule    func(string) definition.Namespace
	rules   definition.IdentityRules
	words   map[string]naiveWord
	order   []*naiveLink      // those that could be taken
	heard   map[string]int64  // by own events and by those links
	cluster map[string]string // identifier -> any name of its cluster
	first   map[string]int64  // by own events and by links taken
}

func newNaive(rule func(string) definition.Namespace, rules definition.IdentityRules, own map[string]int64, words map[string]naiveWord, links map[string]*naiveLink, known map[string]bool) *naiveUnion {
	n := &naiveUnion{rule: rule, rules: rules, words: words, heard: map[string]int64{}, cluster: map[string]string{}, first: map[string]int64{}}
	neighbours := map[string]map[string]bool{}
	for _, l := range links {
		for _, ends := range [][2]string{{l.a, l.b}, {l.b, l.a}} {
			if neighbours[ends[0]] == nil {
				neighbours[ends[0]] = map[string]bool{}
			}
			if naivePlain(ends[0]) != naivePlain(ends[1]) {
				neighbours[ends[0]][naivePlain(ends[1])] = true
			}
		}
	}
	for key, at := range own {
		n.heard[key] = at
	}
	for _, l := range links {
		plain := []string{naivePlain(l.a), naivePlain(l.b)}
		sort.Strings(plain)
		w, ok := words[plain[0]+" "+plain[1]]
		if ok && !w.undone && w.day >= l.day || len(neighbours[l.a]) > rules.MaxLinks || len(neighbours[l.b]) > rules.MaxLinks || !known[l.a] || !known[l.b] {
			continue
		}
		n.order = append(n.order, l)
		for _, key := range []string{l.a, l.b} {
			if at := n.heard[key]; at == 0 || l.at < at {
				n.heard[key] = l.at
			}
		}
	}
	rank := func(l *naiveLink) string { // as text that sorts like the order
		strengths := []int{rule(l.a).Priority, rule(l.b).Priority}
		sort.Ints(strengths)
		if naivePlain(l.a) == naivePlain(l.b) {
			return "true, and last: " + l.a
		}
		return fmt.Sprintf("%v %020d %020d %020d %020d", n.strict(l), strengthDown(strengths[0]), strengthDown(strengths[1]), 1<<40-l.day, xxhash.Sum64String(l.a+"\n"+l.b))
	}
	sort.Slice(n.order, func(i, j int) bool { return rank(n.order[i]) < rank(n.order[j]) })
	return n
}

func strengthDown(priority int) int { return 1<<62 - max(priority, 0) - min(1, max(priority+1, 0)) }

func (n *naiveUnion) strict(l *naiveLink) bool { return n.device(l.a) || n.device(l.b) }

func (n *naiveUnion) device(key string) bool { return n.rule(key).Strict || n.rule(key).Session > 0 }

func (n *naiveUnion) take() {
	for _, l := range n.order {
		if !n.strict(l) {
			n.unite(l, nil)
		}
	}
	contested := map[string]bool{}
	for key := range n.cluster {
		if !n.device(key) {
			continue
		}
		users := map[string]bool{}
		for _, l := range n.order {
			if l.a == key && n.stronger(l.b, key) {
				users[n.cluster[l.b]] = true
			}
			if l.b == key && n.stronger(l.a, key) {
				users[n.cluster[l.a]] = true
			}
		}
		contested[key] = len(users) > 1
	}
	for _, l := range n.order {
		if n.strict(l) {
			n.unite(l, contested)
		}
	}
}

// stronger says whether somebody in the cluster of a key is of a stronger
// namespace than a device.
func (n *naiveUnion) stronger(key, device string) bool {
	for other, c := range n.cluster {
		if c == n.cluster[key] && n.rule(other).Priority > n.rule(device).Priority {
			return true
		}
	}
	return false
}

func (n *naiveUnion) unite(l *naiveLink, contested map[string]bool) {
	if n.cluster[l.a] != n.cluster[l.b] {
		if !n.allowed(l, contested) {
			return
		}
		gone, stays := n.cluster[l.b], n.cluster[l.a]
		for key, c := range n.cluster {
			if c == gone {
				n.cluster[key] = stays
			}
		}
	}
	n.first[l.a], n.first[l.b] = min(n.first[l.a], l.at), min(n.first[l.b], l.at)
}

func (n *naiveUnion) allowed(l *naiveLink, contested map[string]bool) bool {
	var together []string
	for key, c := range n.cluster {
		if c == n.cluster[l.a] || c == n.cluster[l.b] {
			together = append(together, key)
		}
	}
	if len(together) > n.rules.MaxIdentifiers {
		return false
	}
	for _, ns := range n.rules.Namespaces {
		if ns.PerPerson == 0 {
			continue
		}
		for _, start := range together {
			count := 0
			for _, key := range together {
				late := n.heard[key] - n.heard[start]
				if schemas.IdentifierOf(key).Namespace == ns.Name && (ns.Window == 0 || late >= 0 && late < ns.Window.Milliseconds()) {
					count++
				}
			}
			if count > ns.PerPerson {
				return false
			}
		}
	}
	for _, ends := range [][2]string{{l.a, l.b}, {l.b, l.a}} {
		device, other := ends[0], ends[1]
		if naivePlain(device) == naivePlain(other) && contested[device] {
			return false
		}
		if n.device(device) && n.stronger(other, device) && (contested[device] || n.stronger(device, device)) {
			return false
		}
	}
	for pair, w := range n.words {
		var x, y string
		_, _ = fmt.Sscanf(pair, "%s %s", &x, &y)
		if w.undone || w.day < l.day {
			continue
		}
		if n.holds(l.a, x) && n.holds(l.b, y) || n.holds(l.b, x) && n.holds(l.a, y) {
			return false
		}
	}
	return true
}

// holds says whether the cluster of a key holds an identifier, or a part of it.
func (n *naiveUnion) holds(key, plain string) bool {
	for other, c := range n.cluster {
		if c == n.cluster[key] && naivePlain(other) == plain {
			return true
		}
	}
	return false
}
