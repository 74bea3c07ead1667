package naive

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"kairos/processors/definition"
	"kairos/schemas"
)

// Listed says what stands in a destination's list about p: for each audience
// that p is in and the destination wants, the line of what it may see; nothing
// without consent.
func (p *Person) Listed(d *definition.Destination) map[string]string {
	listed := map[string]string{}
	for _, purpose := range d.Consent {
		switch word := p.Attributes.Get("consent." + purpose); {
		case word.True():
		case word.Kind == schemas.Null && d.Presumed:
		default:
			return listed
		}
	}
	var sees []string
	for _, namespace := range d.Identifiers {
		for _, key := range p.Identifiers {
			id := schemas.IdentifierOf(key)
			if id.Namespace != namespace {
				continue
			}
			if slices.Contains(d.Hash, namespace) {
				id.Value = fmt.Sprintf("%x", sha256.Sum256([]byte(strings.ToLower(strings.TrimSpace(id.Value)))))
			}
			sees = append(sees, id.String())
		}
	}
	for _, name := range slices.Sorted(slices.Values(d.Attributes)) {
		if v := p.Attributes.Get(name); v.Kind != schemas.Null {
			sees = append(sees, name+"="+v.String())
		}
	}
	for _, audience := range d.Audiences {
		if slices.Contains(p.Audiences, audience) {
			listed[audience] = strings.Join(sees, " ")
		}
	}
	return listed
}
