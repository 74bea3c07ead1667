package whatif

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"kairos/cmd/internal/screen"
)

// text builds sections of aligned columns.
type text struct {
	strings.Builder
	paint screen.Paint
}

func (t *text) title(s string) { fmt.Fprintf(t, "\n  %s\n", t.paint.In(screen.Bold, s)) }

// rows writes lines of columns.
func (t *text) rows(indent int, rows [][]string) {
	w := tabwriter.NewWriter(t, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, strings.Repeat(" ", indent)+strings.Join(row, "\t"))
	}
	w.Flush()
}

// most is how many identifiers of a part are shown, and links of a group.
const most = 4

// Text is the report for people.
func (r Report) Text(paint screen.Paint) string {
	t := &text{paint: paint}
	if len(r.Changed) == 0 {
		return "\n  These definitions are the published ones: nothing would change.\n\n"
	}
	t.title("If these definitions were published")
	for _, c := range r.Changed {
		fmt.Fprintf(t, "    %s %s, version %d\n", c.Kind, c.Name, c.Version)
	}
	t.title("People")
	t.rows(4, [][]string{
		{"people", number(r.People.Before), "would be", number(r.People.After)},
		{"identifiers", number(r.Identifiers), "of which move", number(r.Moved)},
		{"merges", number(r.Merges.Count), "of so many people", number(r.Merges.People)},
		{"splits", number(r.Splits.Count), "into so many people", number(r.Splits.People)},
		{"renamed", number(r.Renamed), "else unchanged"},
	})
	t.groups("Largest merges", "would be made of", r.Merges.Examples)
	t.groups("Largest splits", "would become", r.Splits.Examples)
	t.audiences(r.Audiences)
	if r.UnderWay > 0 {
		t.title("Careful")
		fmt.Fprintf(t, "    %d rows were read while something was on its way between two people: figures about them may be off. Ask again when less happens.\n", r.UnderWay)
	}
	t.WriteString("\n")
	return t.String()
}

func number(n int) string { return screen.Number(n) }

func (t *text) groups(title, verb string, groups []Group) {
	if len(groups) == 0 {
		return
	}
	t.title(title)
	for _, g := range groups {
		fmt.Fprintf(t, "    %s, %d identifiers, %s\n", t.paint.In(screen.Cyan, g.Person), g.Identifiers, verb)
		var rows [][]string
		for _, p := range g.Parts[:min(len(g.Parts), most)] {
			rows = append(rows, []string{p.Person, shortened(p.Identifiers)})
		}
		t.rows(8, rows)
		t.more(len(g.Parts)-most, "people")
		rows = nil
		for _, d := range g.Because[:min(len(g.Because), most)] {
			rows = append(rows, []string{"because", d.A + " = " + d.B, d.After, "before: " + d.Before, d.Source})
		}
		t.rows(8, rows)
		t.more(len(g.Because)-most, "links")
	}
}

func (t *text) more(n int, what string) {
	if n > 0 {
		fmt.Fprintf(t, "        and %d more %s\n", n, what)
	}
}

func shortened(identifiers []string) string {
	shown := strings.Join(identifiers[:min(len(identifiers), most)], " ")
	if more := len(identifiers) - most; more > 0 {
		shown += fmt.Sprintf(" and %d more", more)
	}
	return shown
}

func (t *text) audiences(all []Audience) {
	t.title("Audiences")
	moving := slices.DeleteFunc(slices.Clone(all), func(a Audience) bool { return a.Enter+a.Leave == 0 })
	if len(moving) == 0 {
		fmt.Fprintf(t, "    nobody would enter or leave any of %d\n", len(all))
		return
	}
	rows := [][]string{{"", "members", "would be", "enter", "leave", "of these merged away"}}
	for _, a := range moving {
		rows = append(rows, []string{a.Name, number(a.Members.Before), number(a.Members.After), number(a.Enter), number(a.Leave), number(a.Gone)})
	}
	t.rows(4, rows)
	if still := len(all) - len(moving); still > 0 {
		fmt.Fprintf(t, "    and %d that nobody would enter or leave\n", still)
	}
	rows = nil
	for _, a := range moving {
		rows = append(rows, examples("enters", a.Name, a.Entering)...)
		rows = append(rows, examples("leaves", a.Name, a.Leaving)...)
	}
	t.title("Some of them")
	t.rows(4, rows)
}

func examples(verb, audience string, members []Member) (rows [][]string) {
	for _, m := range members {
		rows = append(rows, []string{m.Person, m.Identifier, verb + " " + audience, "because " + m.Because})
	}
	return rows
}
