package identity

import (
	"slices"
	"strings"

	"kairos/processors/definition"
	"kairos/schemas"
)

// Explanation says why the identifiers of a component are the people that they
// are.
type Explanation struct {
	People    []Person
	Decisions []Decision        // in the order in which the links were taken
	Partings  []schemas.Parting // in force
}

// Person is one person of a component.
type Person struct {
	ID          string
	Identifiers []string // sorted
}

// Decision is what became of one link.
type Decision struct {
	Link   schemas.Evidence
	Rule   string // that refused it; empty: it was taken
	Detail string // what the rule was about: an identifier, a namespace, whom from whom
}

// Accepted says whether the link was taken.
func (d Decision) Accepted() bool { return d.Rule == "" }

// String says the decision as a person would.
func (d Decision) String() string {
	what := d.Link.A + " = " + d.Link.B
	if d.Accepted() {
		return what + " taken"
	}
	if d.Detail == "" {
		return what + " refused: " + d.Rule
	}
	return what + " refused: " + d.Rule + " (" + d.Detail + ")"
}

// Explain computes the people of a component under rules, which need not be
// those in force, and tells of every decision on the way.
func Explain(c *schemas.Component, d definition.IdentityRules) Explanation {
	var x Explanation
	people := unite(c, prepare(d, nil), func(e *schemas.Evidence, rule, detail string) {
		x.Decisions = append(x.Decisions, Decision{*e, rule, detail})
	})
	at := map[string]int{}
	for i, id := range people {
		if _, ok := at[id]; !ok {
			at[id] = len(x.People)
			x.People = append(x.People, Person{ID: id})
		}
		p := &x.People[at[id]]
		p.Identifiers = append(p.Identifiers, c.Members[i].Identifier)
	}
	slices.SortFunc(x.People, func(a, b Person) int { return strings.Compare(a.ID, b.ID) })
	for _, p := range c.Partings {
		if !p.Undone {
			x.Partings = append(x.Partings, p)
		}
	}
	return x
}
