package naive

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"kairos/processors/definition"
	"kairos/schemas"
)

const day = 24 * int64(time.Hour/time.Millisecond)

// link is all that events say about two identifiers.
type link struct {
	a, b  string // a < b
	day   int64  // newest on which one named both
	first schemas.Instant
}

// parting is an operator's newest word about two identifiers.
type parting struct {
	link
	undone bool
}

// cluster is a set of identifiers that are one person's.
type cluster map[string]bool

// identities computes who is who from everything that was said until t: the
// person of each identifier that anybody has heard of.
func identities(history []schemas.Event, rules definition.IdentityRules, t schemas.Instant) map[string]string {
	seen := map[string]schemas.Instant{} // by own events
	links := map[[2]string]*link{}
	partings := map[[2]string]*parting{}
	used := uses{}
	for _, e := range history {
		if e.Received > t {
			continue
		}
		ids := strongestFirst(e.Identifiers, rules)
		if len(ids) == 0 {
			continue
		}
		if e.Name == "$unlink" || e.Name == "$relink" {
			part(partings, ids, e)
			continue
		}
		primary := keyOf(rules, ids[0], e)
		used.note(rules, ids[0], e)
		if first, ok := seen[primary]; !ok || first == 0 || e.Received < first {
			seen[primary] = e.Received
		}
		for _, other := range ids[1:] {
			if namespace(rules, ids[0].Namespace).Links && namespace(rules, other.Namespace).Links {
				join(links, primary, keyOf(rules, other, e), e)
				used.note(rules, other, e)
				if _, ok := seen[other.String()]; !ok && namespace(rules, other.Namespace).Session == 0 {
					seen[other.String()] = 0
				}
			}
		}
	}
	used.chain(rules, links, seen)
	return founders(unite(seen, links, partings, rules), seen)
}

func join(links map[[2]string]*link, a, b string, e schemas.Event) {
	pair := [2]string{min(a, b), max(a, b)}
	l := links[pair]
	if l == nil {
		l = &link{pair[0], pair[1], 0, e.Received}
		links[pair] = l
	}
	l.day = max(l.day, int64(min(e.Time, e.Received))/day)
	l.first = min(l.first, e.Received)
}

// part keeps the newest word about a pair; of two at the same moment the one
// that takes back, or else the one that reaches further.
func part(partings map[[2]string]*parting, ids []schemas.Identifier, e schemas.Event) {
	a, b := ids[0].String(), ids[1].String()
	pair := [2]string{min(a, b), max(a, b)}
	word := &parting{link{pair[0], pair[1], int64(min(e.Time, e.Received)) / day, e.Received}, e.Name == "$relink"}
	old := partings[pair]
	further := func() bool { return word.undone == old.undone && word.day > old.day || word.undone && !old.undone }
	if old == nil || old.first < word.first || old.first == word.first && further() {
		partings[pair] = word
	}
}

// strongestFirst leaves out what means nobody.
func strongestFirst(ids []schemas.Identifier, rules definition.IdentityRules) []schemas.Identifier {
	var kept []schemas.Identifier
	for _, id := range ids {
		n := namespace(rules, id.Namespace)
		if id.Value != "" && (n.Blocked == nil || !n.Blocked(id.Value)) && !slices.Contains(kept, id) {
			kept = append(kept, id)
		}
	}
	slices.SortFunc(kept, func(a, b schemas.Identifier) int {
		x, y := namespace(rules, a.Namespace), namespace(rules, b.Namespace)
		if x.Links != y.Links {
			return map[bool]int{true: -1, false: 1}[x.Links]
		}
		return cmp.Or(cmp.Compare(y.Priority, x.Priority), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Value, b.Value))
	})
	return kept
}

func namespace(rules definition.IdentityRules, name string) definition.Namespace {
	for _, n := range rules.Namespaces {
		if n.Name == name {
			return n
		}
	}
	return definition.Namespace{Name: name, Priority: -1 << 62, Links: true}
}

// unite takes the links in order and lets each join two clusters unless a rule
// forbids it.
func unite(seen map[string]schemas.Instant, links map[[2]string]*link, partings map[[2]string]*parting, rules definition.IdentityRules) []cluster {
	var clusters []cluster
	for id := range seen {
		clusters = append(clusters, cluster{id: true})
	}
	contested := map[string]bool{}
	ordered := inOrder(links, seen, partings, rules)
	for k, l := range ordered {
		if l.strict(rules) && (k == 0 || !ordered[k-1].strict(rules)) {
			contested = contestedBy(ordered[k:], clusters, rules)
		}
		i := slices.IndexFunc(clusters, func(c cluster) bool { return c[l.a] })
		j := slices.IndexFunc(clusters, func(c cluster) bool { return c[l.b] })
		if i != j {
			if !allowed(clusters[i], clusters[j], l.day, partings, rules) || l.contested(clusters[i], clusters[j], contested, rules) {
				continue
			}
			maps.Copy(clusters[i], clusters[j])
			clusters = slices.Delete(clusters, j, j+1)
		}
		for _, id := range []string{l.a, l.b} { // a link that counts tells when somebody was first heard of
			if first := seen[id]; l.first != 0 && (first == 0 || l.first < first) {
				seen[id] = l.first
			}
		}
	}
	return clusters
}

// inOrder lists the links that may count as they are taken.
func inOrder(links map[[2]string]*link, seen map[string]schemas.Instant, partings map[[2]string]*parting, rules definition.IdentityRules) []*link {
	priority := func(key string) int { return namespace(rules, schemas.IdentifierOf(key).Namespace).Priority }
	all := slices.DeleteFunc(slices.Collect(maps.Values(links)), func(l *link) bool {
		a, b := schemas.IdentifierOf(l.a).String(), schemas.IdentifierOf(l.b).String()
		p := partings[[2]string{min(a, b), max(a, b)}]
		_, knowsA := seen[l.a]
		_, knowsB := seen[l.b]
		return p != nil && !p.undone && l.day <= p.day || !knowsA || !knowsB
	})
	return slices.SortedFunc(slices.Values(all), func(x, y *link) int {
		if late := cmp.Compare(x.lateness(rules), y.lateness(rules)); late != 0 || x.lateness(rules) == 2 {
			return cmp.Or(late, cmp.Compare(x.a, y.a))
		}
		xa, xb, ya, yb := priority(x.a), priority(x.b), priority(y.a), priority(y.b)
		return cmp.Or(cmp.Compare(min(ya, yb), min(xa, xb)), cmp.Compare(max(ya, yb), max(xa, xb)), cmp.Compare(y.day, x.day),
			cmp.Compare(xxhash.Sum64String(x.a+"\n"+x.b), xxhash.Sum64String(y.a+"\n"+y.b)), cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b))
	})
}

func allowed(a, b cluster, day int64, partings map[[2]string]*parting, rules definition.IdentityRules) bool {
	both := maps.Clone(a)
	maps.Copy(both, b)
	if rules.MaxIdentifiers > 0 && len(both) > rules.MaxIdentifiers {
		return false
	}
	count := map[string]int{}
	for id := range both {
		count[schemas.IdentifierOf(id).Namespace]++
	}
	for _, n := range rules.Namespaces {
		if n.PerPerson > 0 && count[n.Name] > n.PerPerson {
			return false
		}
	}
	for _, p := range partings {
		if !p.undone && day <= p.day && (a.has(p.a) && b.has(p.b) || a.has(p.b) && b.has(p.a)) {
			return false
		}
	}
	return true
}

// founders names each person after who of them was seen first.
func founders(clusters []cluster, seen map[string]schemas.Instant) map[string]string {
	people := map[string]string{}
	for _, c := range clusters {
		founder := ""
		for _, id := range slices.Sorted(maps.Keys(c)) {
			if founder == "" || earlier(seen[id], seen[founder]) {
				founder = id
			}
		}
		for id := range c {
			people[id] = fmt.Sprintf("%016x", xxhash.Sum64String(founder))
		}
	}
	return people
}

// earlier says whether a comes before b; 0 is never.
func earlier(a, b schemas.Instant) bool { return a != 0 && (b == 0 || a < b) }
