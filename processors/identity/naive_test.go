package identity_test

import (
	"fmt"
	"sort"

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
	type link struct {
		a, b string
		day  int64
		at   int64
	}
	type word struct {
		at     int64
		undone bool
		day    int64
	}
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
	links := map[string]*link{}
	words := map[string]word{}
	for _, e := range events {
		day := int64(e.Time) / 86_400_000
		keys := []string{}
		for _, i := range e.Identifiers {
			keys = append(keys, i.String())
		}
		if e.Name == identity.Unlink || e.Name == identity.Relink {
			sort.Strings(keys)
			w := word{int64(e.Received), e.Name == identity.Relink, day}
			old, ok := words[keys[0]+" "+keys[1]]
			if !ok || w.at > old.at || w.at == old.at && w.undone && !old.undone || w.at == old.at && w.undone == old.undone && w.day > old.day {
				words[keys[0]+" "+keys[1]] = w
			}
			continue
		}
		known[keys[0]] = true
		if at := own[keys[0]]; at == 0 || int64(e.Received) < at {
			own[keys[0]] = int64(e.Received)
		}
		for _, other := range keys[1:] {
			if !rule(keys[0]).Links || !rule(other).Links {
				continue
			}
			known[other] = true
			a, b := keys[0], other
			if b < a {
				a, b = b, a
			}
			l := links[a+" "+b]
			if l == nil {
				l = &link{a, b, day, int64(e.Received)}
				links[a+" "+b] = l
			}
			l.day, l.at = max(l.day, day), min(l.at, int64(e.Received))
		}
	}
	degree := map[string]int{}
	var order []*link
	for _, l := range links {
		degree[l.a]++
		degree[l.b]++
		order = append(order, l)
	}
	sort.Slice(order, func(i, j int) bool {
		x, y := order[i], order[j]
		xs := []int{rule(x.a).Priority, rule(x.b).Priority}
		ys := []int{rule(y.a).Priority, rule(y.b).Priority}
		sort.Ints(xs)
		sort.Ints(ys)
		if xs[0] != ys[0] {
			return xs[0] > ys[0]
		}
		if xs[1] != ys[1] {
			return xs[1] > ys[1]
		}
		if x.day != y.day {
			return x.day > y.day
		}
		return xxhash.Sum64String(x.a+"\n"+x.b) < xxhash.Sum64String(y.a+"\n"+y.b)
	})
	cluster := map[string]string{} // identifier -> any name of its cluster
	for key := range known {
		cluster[key] = key
	}
	first := map[string]int64{}
	for key := range known {
		first[key] = 1 << 62
		if own[key] > 0 {
			first[key] = own[key]
		}
	}
	allowed := func(l *link) bool {
		if cluster[l.a] == cluster[l.b] {
			return true
		}
		var together []string
		for key, c := range cluster {
			if c == cluster[l.a] || c == cluster[l.b] {
				together = append(together, key)
			}
		}
		if len(together) > rules.MaxIdentifiers {
			return false
		}
		count := map[string]int{}
		for _, key := range together {
			count[schemas.IdentifierOf(key).Namespace]++
		}
		for _, n := range rules.Namespaces {
			if n.PerPerson > 0 && count[n.Name] > n.PerPerson {
				return false
			}
		}
		for pair, w := range words {
			var x, y string
			_, _ = fmt.Sscanf(pair, "%s %s", &x, &y)
			if w.undone || w.day < l.day {
				continue
			}
			if cluster[x] == cluster[l.a] && cluster[y] == cluster[l.b] || cluster[x] == cluster[l.b] && cluster[y] == cluster[l.a] {
				return false
			}
		}
		return true
	}
	for _, l := range order {
		if degree[l.a] > rules.MaxLinks || degree[l.b] > rules.MaxLinks {
			continue
		}
		if w, ok := words[l.a+" "+l.b]; ok && !w.undone && w.day >= l.day {
			continue
		}
		if !allowed(l) {
			continue
		}
		gone := cluster[l.b]
		for key, c := range cluster {
			if c == gone {
				cluster[key] = cluster[l.a]
			}
		}
		first[l.a], first[l.b] = min(first[l.a], l.at), min(first[l.b], l.at)
	}
	people := map[string]string{}
	for key, c := range cluster {
		founder := ""
		for other, d := range cluster {
			if c == d && (founder == "" || first[other] < first[founder] || first[other] == first[founder] && other < founder) {
				founder = other
			}
		}
		people[key] = fmt.Sprintf("%016x", xxhash.Sum64String(founder))
	}
	return people
}
