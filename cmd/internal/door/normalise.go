package door

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"kairos/processors/definition"
	"kairos/processors/identity"
	"kairos/schemas"
)

// Problem is one thing that is wrong with an event.
type Problem struct {
	Path     string `json:"path"` // JSON pointer; the first part is the event's number
	What     string `json:"what"` // with the next move
	TooLarge bool   `json:"-"`
}

// Problems is why events were refused.
type Problems []Problem

func (p Problems) Error() string {
	parts := make([]string, len(p))
	for i, problem := range p {
		parts[i] = cmp.Or(problem.Path, "/") + ": " + problem.What
	}
	return strings.Join(parts, "\n")
}

// Limits of one event.
const (
	MaxIdentifiers = 32
	MaxProperties  = 512
	maxName        = 128
	maxIdentifier  = 512
)

// normalise completes e and brings it into the form that stages rely on:
// identifiers in one spelling, each once, the strongest namespace first;
// properties sorted by name; a time that is not later than its receipt.
func normalise(e *schemas.Event, now schemas.Instant, rules definition.IdentityRules) *Problem {
	e.Received = now
	if e.Time == 0 || e.Time > now {
		e.Time = now // nothing has happened that is yet to come
	}
	if e.ID == "" {
		e.ID = newID()
	}
	if p := wrongText("/id", e.ID, maxIdentifier); p != nil {
		return p
	}
	if p := wrongText("/name", e.Name, maxName); p != nil {
		return p
	}
	if len(e.Source) > maxName || !printable(e.Source) {
		return &Problem{Path: "/source", What: fmt.Sprintf("at most %d printable characters, please", maxName)}
	}
	if p := normaliseIdentifiers(e, rules); p != nil {
		return p
	}
	for _, list := range []struct {
		path   string
		values *schemas.Properties
	}{{"/properties", &e.Properties}, {"/attributes", &e.Attributes}} {
		if p := normaliseProperties(list.path, list.values); p != nil {
			return p
		}
	}
	return nil
}

func normaliseIdentifiers(e *schemas.Event, rules definition.IdentityRules) *Problem {
	const move = `say who it is about, such as {"email": "sarah@example.org"}`
	if len(e.Identifiers) == 0 {
		return &Problem{Path: "/identifiers", What: "an event needs at least one: " + move}
	}
	if len(e.Identifiers) > MaxIdentifiers {
		return &Problem{Path: "/identifiers", What: fmt.Sprintf("%d are too many, at most %d: one event is about one person", len(e.Identifiers), MaxIdentifiers)}
	}
	for i, id := range e.Identifiers {
		normal, err := Identifier(id.Namespace, id.Value)
		if err != nil {
			return &Problem{Path: "/identifiers/" + id.Namespace, What: err.Error()}
		}
		e.Identifiers[i] = normal
	}
	slices.SortFunc(e.Identifiers, func(a, b schemas.Identifier) int {
		return cmp.Or(cmp.Compare(priority(rules, b), priority(rules, a)), cmp.Compare(a.String(), b.String()))
	})
	e.Identifiers = slices.Compact(e.Identifiers)
	return nil
}

func priority(rules definition.IdentityRules, id schemas.Identifier) int {
	for _, n := range rules.Namespaces {
		if n.Name == id.Namespace {
			if n.Blocked != nil && n.Blocked(id.Value) {
				return math.MinInt // known to be many people's: never primary if there is another
			}
			return n.Priority
		}
	}
	return math.MinInt + 1
}

// Identifier brings one identifier into the spelling under which it is kept:
// see [identity.Normalise].
func Identifier(namespace, value string) (schemas.Identifier, error) {
	if !validNamespace(namespace) {
		return schemas.Identifier{}, fmt.Errorf("%q cannot be a namespace: use a-z, 0-9 and _, at most 40 characters", namespace)
	}
	value = identity.Normalise(schemas.Identifier{Namespace: namespace, Value: value}).Value
	if value == "" || len(value) > maxIdentifier || !printable(value) {
		return schemas.Identifier{}, fmt.Errorf("an identifier is 1 to %d printable characters; leave %s out if it is not known", maxIdentifier, namespace)
	}
	return schemas.Identifier{Namespace: namespace, Value: value}, nil
}

func validNamespace(s string) bool {
	return s != "" && len(s) <= 40 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

func normaliseProperties(path string, p *schemas.Properties) *Problem {
	if len(*p) > MaxProperties {
		return &Problem{Path: path, What: fmt.Sprintf("%d are too many, at most %d", len(*p), MaxProperties)}
	}
	slices.SortStableFunc(*p, func(a, b schemas.Property) int { return cmp.Compare(a.Name, b.Name) })
	for i, q := range *p {
		if q.Name == "" || len(q.Name) > maxName || !printable(q.Name) {
			return &Problem{Path: path + "/" + q.Name, What: fmt.Sprintf("a name is 1 to %d printable characters", maxName)}
		}
		if i > 0 && (*p)[i-1].Name == q.Name {
			return &Problem{Path: path + "/" + q.Name, What: "is there twice: give it once"}
		}
		if math.IsNaN(q.Value.Number) || math.IsInf(q.Value.Number, 0) {
			return &Problem{Path: path + "/" + q.Name, What: "is not a finite number: leave it out"}
		}
		if !utf8.ValidString(q.Value.Text) {
			return &Problem{Path: path + "/" + q.Name, What: "is not valid UTF-8"}
		}
	}
	return nil
}

func wrongText(path, s string, most int) *Problem {
	if s == "" || len(s) > most || !printable(s) {
		return &Problem{Path: path, What: fmt.Sprintf("must be 1 to %d printable characters", most)}
	}
	return nil
}

func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}

// newID makes an id for an event whose sender gave none. Such an event cannot
// be recognised when it is sent again.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
