package portrait

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"kairos/cmd/internal/lookup"
	"kairos/cmd/internal/screen"
	"kairos/processors/definition"
	"kairos/processors/identity"
	"kairos/schemas"
)

// Evidence says why identifiers are the people that they are: all evidence that
// touches what was asked for, in the order in which it is taken.
type Evidence struct {
	Asked    string     `json:"asked"`
	Person   string     `json:"person"`
	People   []People   `json:"people"`    // the person first; others whom refused links touch after
	Links    []Decision `json:"links"`     // strongest first, as they are taken
	Operator []Word     `json:"operators"` // what operators said
}

// People are the identifiers of one person.
type People struct {
	Person      string   `json:"person"`
	Identifiers []string `json:"identifiers"`
}

// Decision is what became of one link, and by which rule.
type Decision struct {
	A       string `json:"a"`
	B       string `json:"b"`
	Newest  string `json:"newest"` // day on which an event last named both
	Source  string `json:"source"` // who said so on that day
	First   When   `json:"first,omitzero"`
	Rule    string `json:"rule,omitempty"` // that refused it; empty: it was taken
	About   string `json:"about,omitempty"`
	Because string `json:"because,omitempty"`
}

// Word is an operator's word about two identifiers: the newest about them.
type Word struct {
	A      string `json:"a"`
	B      string `json:"b"`
	Undone bool   `json:"undone"` // a relink
	Until  string `json:"until"`  // the last day of the links that it is about
	At     When   `json:"at"`
	Source string `json:"source"`
	Why    string `json:"why"`
}

// EvidenceOf explains the identifiers of a person.
func EvidenceOf(p *lookup.Person, plan *definition.Plan) Evidence {
	e := Evidence{Asked: p.Asked.String(), Person: p.ID, People: []People{}, Links: []Decision{}, Operator: []Word{}}
	c := p.Component
	if c == nil && p.Identity != nil { // no link was ever seen
		c = &schemas.Component{Members: []schemas.Member{{Identifier: p.Asked.String(), FirstSeen: p.Identity.FirstSeen, Person: p.ID}}}
	}
	if c == nil {
		return e
	}
	x := identity.Explain(c, plan.Identity)
	for _, person := range x.People {
		e.People = append(e.People, People{person.ID, person.Identifiers})
	}
	slices.SortStableFunc(e.People, func(a, b People) int { return rank(a.Person == p.ID) - rank(b.Person == p.ID) })
	for _, d := range x.Decisions {
		link := Decision{A: d.Link.A, B: d.Link.B, Newest: dayOf(d.Link.Day), Source: d.Link.Source, Rule: d.Rule, About: d.Detail, Because: identity.Meaning(d.Rule)}
		if d.Link.First < math.MaxInt64 {
			link.First = When(d.Link.First)
		}
		e.Links = append(e.Links, link)
	}
	for _, w := range x.Partings {
		e.Operator = append(e.Operator, Word{w.A, w.B, w.Undone, dayOf(w.Day), When(w.Time), w.Source, w.Why})
	}
	return e
}

// dayOf writes a day since 1970.
func dayOf(day int64) string {
	if day == math.MaxInt64 {
		return "always"
	}
	return schemas.Instant(day * 24 * 3600 * 1000).Time().Format("2006-01-02")
}

// Text shows the evidence to people.
func (e Evidence) Text(paint screen.Paint) string {
	t := &text{paint: paint}
	fmt.Fprintf(t, "\n  %s is %s\n", paint.In(screen.Cyan, e.Asked), paint.In(screen.Bold, "person "+e.Person))
	t.title("People that this evidence is about")
	for _, p := range e.People {
		fmt.Fprintf(t, "    %s  %s\n", p.Person, strings.Join(p.Identifiers, "  "))
	}
	t.title("Links, in the order in which they are taken: strongest first, then the newest day")
	rows := [][]string{}
	for i, d := range e.Links {
		verdict := paint.In(screen.Green, "taken")
		if d.Rule != "" {
			verdict = "refused: " + d.Rule
			if d.About != "" {
				verdict += " (" + d.About + ")"
			}
		}
		rows = append(rows, []string{fmt.Sprintf("%d.", i+1), d.A + " = " + d.B, t.dim(d.Newest + from(d.Source)), verdict, t.dim(d.Because)})
	}
	if len(rows) == 0 {
		rows = [][]string{{t.dim("none: no event named it together with another identifier that links")}}
	}
	t.rows(rows)
	t.words(e.Operator)
	t.WriteString("\n")
	return t.String()
}

func (t *text) words(all []Word) {
	if len(all) == 0 {
		return
	}
	t.title("What operators said")
	var rows [][]string
	for _, w := range all {
		said := "unlinked " + w.A + " and " + w.B
		if w.Undone {
			said = "relinked " + w.A + " and " + w.B
		}
		about := "links until " + w.Until
		if w.Until == "always" {
			about = "for always"
		}
		rows = append(rows, []string{said, t.dim(about), w.Why, t.dim(w.At.String() + from(w.Source))})
	}
	t.rows(rows)
}
