package scenario

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"kairos/schemas"
)

// people gives persons the names that a story uses. A person's id is the hash
// of the identifier that founded it, so whoever has heard all identifiers
// knows all persons: sarah is email=sarah@example.org.
type people struct {
	names map[string]string // by person id
	taken map[string]bool
}

func newPeople() *people { return &people{names: map[string]string{}, taken: map[string]bool{}} }

// founded is the id of the person that an identifier founds.
func founded(key string) string { return fmt.Sprintf("%016x", xxhash.Sum64String(key)) }

// hear remembers an identifier by its key. The first of two with the same short
// name keeps it.
func (p *people) hear(key string) {
	person := founded(key)
	if p.names[person] != "" {
		return
	}
	id := schemas.IdentifierOf(key)
	name, _, _ := strings.Cut(id.Value, "@")
	if name == "" || strings.Contains(name, " ") || p.taken[name] {
		name = key
	}
	if _, start, ok := schemas.SessionOf(key); ok {
		name = id.Value + start.Time().Format("@15:04")
	}
	p.names[person], p.taken[name] = name, true
}

func (p *people) name(person string) string {
	if name := p.names[person]; name != "" {
		return name
	}
	return "<" + person + ">"
}

// readable writes names for ids wherever they stand in a text.
func (p *people) readable(text string) string {
	var pairs []string
	for _, person := range slices.Sorted(maps.Keys(p.names)) {
		pairs = append(pairs, person, p.names[person])
	}
	return strings.NewReplacer(pairs...).Replace(text)
}
