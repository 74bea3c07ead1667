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
	Partings  []schemas.Parting // operators' newest words, those taken back too
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
	people := unite(c, prepare(d, nil, nil), func(e *schemas.Evidence, rule, detail string) {
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
	x.Partings = slices.Clone(c.Partings)
	return x
}

// Meaning says in words why a rule refuses a link.
func Meaning(rule string) string {
	switch rule {
	case RuleBlocked:
		return "one of the two is a value that means nobody"
	case RuleNeverLinks:
		return "the rules let the namespace join nobody"
	case RuleHot:
		return "one of the two has more neighbours than max_links, and joins nobody any more"
	case RuleUnlinked:
		return "an operator took this very link back"
	case RuleParted:
		return "it would bring two together whom an operator parted"
	case RulePerPerson:
		return "the person would have more of the namespace than per_person allows"
	case RuleIdentifiers:
		return "the person would have more than max_identifiers"
	case RuleContested:
		return "it would join two known people over a device that they share"
	case RuleSession:
		return "the link is from before the device was bound to sessions"
	case RuleNotJoined:
		return "the evidence of the other one has not arrived, or there is no room for it"
	}
	return ""
}
