package crowd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kairos/cmd/internal/portrait"
	"kairos/cmd/internal/screen"
)

// table builds aligned lines: a heading, then rows.
type table struct {
	paint screen.Paint
	rows  [][]string
}

func newTable(paint screen.Paint, heading ...string) *table {
	for i := range heading {
		heading[i] = paint.In(screen.Dim, heading[i])
	}
	return &table{paint, [][]string{heading}}
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// String aligns numbers on the right: cells that numbers wrote.
func (t *table) String() string {
	widest := map[int]int{}
	for _, row := range t.rows {
		for i, cell := range row {
			widest[i] = max(widest[i], screen.Width(cell))
		}
	}
	for _, row := range t.rows {
		for i, cell := range row {
			if isNumber(cell) {
				row[i] = screen.Right(cell, widest[i])
			}
		}
	}
	return strings.Join(screen.Columns(t.rows), "\n") + "\n"
}

func isNumber(cell string) bool {
	if cell == "" || cell == "-" {
		return cell == "-"
	}
	_, err := strconv.ParseFloat(strings.TrimRight(strings.ReplaceAll(cell, ",", ""), " %x"), 64)
	return err == nil
}

func number(n int) string { return screen.Number(n) }

func percent(part, whole int) string {
	if whole == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(whole))
}

// ListText shows audiences to people.
func ListText(all []Audience, paint screen.Paint) string {
	if len(all) == 0 {
		return "no audience is published; `kairos apply -f DIR` publishes some\n"
	}
	t := newTable(paint, "AUDIENCE", "STATE", "PEOPLE", "VERSION", "OWNER", "TIME", "DESCRIPTION")
	for _, a := range all {
		t.add(a.Name, a.State, number(a.Size), strconv.FormatInt(a.Version, 10), a.Owner, span(a.From, a.Until), paint.In(screen.Dim, a.Description))
	}
	return t.String()
}

func span(from, until portrait.When) string {
	switch {
	case from != 0 && until != 0:
		return from.String() + " to " + until.String()
	case from != 0:
		return "from " + from.String()
	case until != 0:
		return "until " + until.String()
	}
	return ""
}

// SizesText shows sizes only.
func SizesText(all []Audience, paint screen.Paint) string {
	t := newTable(paint, "AUDIENCE", "PEOPLE")
	for _, a := range all {
		t.add(a.Name, number(a.Size))
	}
	return t.String()
}

// Text shows the page to people.
func (p Page) Text(paint screen.Paint) string {
	t := newTable(paint, "PERSON", "SINCE", "BECAUSE", "IDENTIFIERS")
	for _, m := range p.Members {
		t.add(m.Person, m.Since.String(), m.Because, paint.In(screen.Cyan, strings.Join(m.Identifiers, " ")))
	}
	text := t.String() + fmt.Sprintf("%s of %s people in %s\n", number(len(p.Members)), number(p.Size), p.Audience)
	if p.Next != "" {
		text += paint.In(screen.Dim, "the next ones: --after="+p.Next) + "\n"
	}
	return text
}

// Text shows the overlap as a matrix: people in both, and Jaccard's measure.
func (o Overlap) Text(paint screen.Paint) string {
	heading := []string{"PEOPLE IN BOTH"}
	for i := range o.Audiences {
		heading = append(heading, strconv.Itoa(i+1))
	}
	counts := newTable(paint, heading...)
	similar := newTable(paint, slices.Concat([]string{"JACCARD"}, heading[1:])...)
	for i, name := range o.Audiences {
		label := fmt.Sprintf("%2d %s", i+1, name)
		both, alike := []string{label}, []string{label}
		for j := range o.Audiences {
			both = append(both, number(o.both[i][j]))
			alike = append(alike, fmt.Sprintf("%.3f", o.jaccard(i, j)))
		}
		counts.add(both...)
		similar.add(alike...)
	}
	return counts.String() + "\n" + similar.String()
}

// ChurnText shows hours, the oldest first.
func ChurnText(all []Hour, paint screen.Paint) string {
	if len(all) == 0 {
		return "nobody entered or exited\n"
	}
	t := newTable(paint, "HOUR (UTC)", "AUDIENCE", "ENTERED", "EXITED", "NET")
	for _, h := range all {
		t.add(h.From.String(), h.Audience, number(h.Entered), number(h.Exited), fmt.Sprintf("%+d", h.Entered-h.Exited))
	}
	return t.String()
}

// Text shows the distinction to people.
func (d Distinction) Text(paint screen.Paint) string {
	text := fmt.Sprintf("%s of %s people are in %s\n", number(d.Members), number(d.People), d.Audience)
	if len(d.Traits) == 0 {
		text += "nothing is more frequent among them\n"
	} else {
		t := newTable(paint, "TRAIT", "LIFT", "MEMBERS", "OF MEMBERS", "PEOPLE", "OF PEOPLE")
		for _, r := range d.Traits {
			t.add(r.Trait, fmt.Sprintf("%.2f x", r.Lift), number(r.Members), percent(r.Members, d.Members), number(r.People), percent(r.People, d.People))
		}
		text += t.String()
	}
	if len(d.LeftOut) > 0 {
		text += paint.In(screen.Dim, fmt.Sprintf("more than %d different values, not compared: %s", mostValues, strings.Join(d.LeftOut, ", "))) + "\n"
	}
	return text
}

// Text shows the preview to people.
func (view Preview) Text(paint screen.Paint) string {
	text := fmt.Sprintf("%s of %s people (%s) would be in %s as of %s\n", paint.In(screen.Bold, number(view.Size)), number(view.People),
		percent(view.Size, view.People), view.Audience, view.At)
	if view.Log != 0 {
		text += "by all events since " + view.Log.String() + "\n"
	}
	if view.Exit > 0 || view.Enter != view.Size {
		text += fmt.Sprintf("%s would enter, %s would exit\n", number(view.Enter), number(view.Exit))
	}
	if when := span(view.From, view.Until); when != "" {
		text += "its schedule is set aside here: " + when + "\n"
	}
	if len(view.Members) > 0 {
		t := newTable(paint, "PERSON", "IDENTIFIERS")
		for _, m := range view.Members {
			t.add(m.Person, paint.In(screen.Cyan, strings.Join(m.Identifiers, " ")))
		}
		text += t.String()
	}
	if view.Doubtful > 0 {
		text += fmt.Sprintf("of %s people older events may count that were not kept\n", number(view.Doubtful))
	}
	for _, u := range view.Unknown {
		text += fmt.Sprintf("%s %s: %s\n", paint.In(screen.Yellow, "not known in full:"), u.Asks, u.Why)
	}
	return text
}
