package identity

import (
	"math"
	"strings"

	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/schemas"
)

// What stands in for a bound that the rules leave at zero: nothing here may
// grow without end.
const (
	defaultMaxIdentifiers = 100
	defaultMaxLinks       = 1000
)

// rules are the definition's rules, prepared for being asked often.
type rules struct {
	names          map[string]*namespace
	limited        []string     // names of the namespaces with a limit for ever, by slot
	windowed       []*namespace // those with a limit within a window
	maxIdentifiers int32
	maxLinks       int
	maxWeight      int64
	events         map[string]map[string]expression.Type // what defined events may hold
	attributes     map[string]expression.Type            // what attributes must be
	sources        map[string]*definition.Source         // with a tracking plan
}

type namespace struct {
	priority int
	name     string
	slot     int // in limited; -1: no limit for ever
	limit    int32
	window   schemas.Instant
	links    bool
	session  schemas.Instant // the gap that ends a session, in whole minutes; 0: not bound to sessions
	strict   bool            // never joins two people whom stronger identifiers name: so with all that is bound to sessions
	expires  schemas.Instant // 0: never
	country  definition.Country
	blocked  func(string) bool
}

// unlisted is any namespace that the rules do not name: weaker than all that
// they do, and it links.
var unlisted = &namespace{priority: math.MinInt, slot: -1, links: true}

func prepare(d definition.IdentityRules, events map[string]map[string]expression.Type, attributes map[string]expression.Type) *rules {
	r := &rules{attributes: attributes, names: make(map[string]*namespace, len(d.Namespaces)), maxIdentifiers: defaultMaxIdentifiers, maxLinks: defaultMaxLinks, maxWeight: maxWeight, events: events}
	if d.MaxIdentifiers > 0 {
		r.maxIdentifiers = int32(min(d.MaxIdentifiers, math.MaxInt32))
	}
	if d.MaxLinks > 0 {
		r.maxLinks = d.MaxLinks
	}
	for _, n := range d.Namespaces {
		ns := &namespace{
			name: n.Name, priority: n.Priority, slot: -1, limit: int32(min(n.PerPerson, math.MaxInt32)),
			window: schemas.Instant(n.Window.Milliseconds()), links: n.Links, blocked: n.Blocked,
			expires: schemas.Instant(n.Expires.Milliseconds()), country: n.Country,
			strict: n.Strict || n.Session > 0, session: schemas.Instant(n.Session.Milliseconds()),
		}
		switch {
		case n.PerPerson <= 0:
		case ns.window > 0:
			r.windowed = append(r.windowed, ns)
		default:
			ns.slot = len(r.limited)
			r.limited = append(r.limited, n.Name)
		}
		r.names[n.Name] = ns
	}
	return r
}

// planned holds the sources to their tracking plans.
func (r *rules) planned(sources []definition.Source) *rules {
	r.sources = map[string]*definition.Source{}
	for i := range sources {
		r.sources[sources[i].Name] = &sources[i]
	}
	return r
}

func (r *rules) namespace(name string) *namespace {
	if ns := r.names[name]; ns != nil {
		return ns
	}
	return unlisted
}

// of is the namespace of an identifier's key.
func (r *rules) of(key string) *namespace {
	name, _, _ := strings.Cut(key, ":")
	name, _, _ = strings.Cut(name, "@")
	return r.namespace(name)
}

func (n *namespace) blocks(value string) bool { return n.blocked != nil && n.blocked(value) }

// blocks says whether the identifier with this key is worth nothing. Rules may
// have become stricter since it was let in.
func (r *rules) blocks(key string) bool {
	id := schemas.IdentifierOf(key)
	return r.namespace(id.Namespace).blocks(id.Value)
}
