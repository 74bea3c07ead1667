package portrait

import (
	"fmt"
	"strings"

	"kairos/cmd/internal/screen"
)

// text builds aligned sections.
type text struct {
	strings.Builder
	paint screen.Paint
}

func (t *text) title(s string) { fmt.Fprintf(t, "\n  %s\n", t.paint.In(screen.Bold, s)) }

func (t *text) dim(s string) string { return t.paint.In(screen.Dim, s) }

// rows writes lines of columns, aligned.
func (t *text) rows(rows [][]string) {
	for _, line := range screen.Columns(rows) {
		t.WriteString(strings.TrimRight("    "+line, " ") + "\n")
	}
}

// MostMoments is how many lines of the timeline the text shows.
const MostMoments = 12

// Text shows the portrait to people.
func (p Portrait) Text(paint screen.Paint) string {
	t := &text{paint: paint}
	fmt.Fprintf(t, "\n  %s %s  %s\n", paint.In(screen.Bold, "Person "+p.Person), name(p), t.dim("as of "+p.At.String()))
	t.identities(p.Identifiers)
	t.attributes(p)
	t.groups(p.Groups)
	t.audiences(p)
	t.scores(p)
	t.timeline(p.Timeline)
	t.links(p.Links)
	t.WriteString("\n")
	return t.String()
}

func name(p Portrait) string {
	var parts []string
	for _, wanted := range []string{"first_name", "last_name"} {
		for _, a := range p.Attributes {
			if a.Name == wanted {
				parts = append(parts, a.Value)
			}
		}
	}
	return strings.Join(parts, " ")
}

func (t *text) identities(all []Identifier) {
	t.title("Identifiers")
	var rows [][]string
	for _, id := range all {
		device := ""
		if id.Device {
			device = "device"
		}
		events, since := "named by others only", ""
		if id.Events > 0 {
			events, since = plural(id.Events, "event")+from(strings.Join(id.Sources, ", ")), "since "+id.FirstSeen.String()
		}
		rows = append(rows, []string{id.Namespace, t.paint.In(screen.Cyan, id.Value), device, t.dim(events), t.dim(since)})
	}
	t.rows(rows)
}

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func from(source string) string {
	if source == "" {
		return ""
	}
	return " from " + source
}

func (t *text) attributes(p Portrait) {
	if len(p.Attributes)+len(p.Features) == 0 {
		return
	}
	t.title("Attributes and figures")
	var rows [][]string
	for _, a := range p.Attributes {
		rows = append(rows, []string{a.Name, a.Value, t.dim("since " + a.Since.String() + from(a.Source))})
	}
	for _, f := range p.Features {
		since := ""
		if f.Since != 0 {
			since = "events before " + f.Since.String() + " were not all kept"
		}
		rows = append(rows, []string{f.Name, f.Value, t.dim(since)})
	}
	t.rows(rows)
}

func (t *text) groups(all []Group) {
	if len(all) == 0 {
		return
	}
	t.title("Groups")
	var rows [][]string
	for _, g := range all {
		crowded := ""
		if g.Crowded {
			crowded = "too many members: it counts for nothing"
		}
		rows = append(rows, []string{g.Kind, t.paint.In(screen.Cyan, g.Name), t.dim("since " + g.Since.String()), crowded})
	}
	t.rows(rows)
}

func (t *text) audiences(p Portrait) {
	t.title("Audiences")
	var rows [][]string
	for _, s := range p.Audiences {
		mark := t.paint.In(screen.Green, "in")
		if !s.Member {
			mark = t.dim("out")
		}
		rows = append(rows, []string{mark, s.Audience, t.dim("since " + s.Since.String()), "because " + s.Because, t.dim(told(p, s))})
	}
	if len(rows) == 0 {
		rows = [][]string{{t.dim("none so far")}}
	}
	t.rows(rows)
}

func told(p Portrait, s Standing) string {
	var names []string
	for _, d := range p.Destinations {
		if d.Audience == s.Audience {
			names = append(names, d.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "told to " + strings.Join(names, ", ")
}

func (t *text) scores(p Portrait) {
	if len(p.Scores) == 0 {
		return
	}
	t.title("Scores")
	var rows [][]string
	for _, s := range p.Scores {
		var reasons []string
		for _, r := range s.Reasons {
			reasons = append(reasons, fmt.Sprintf("%s=%s %+.2f", r.Input, r.Value, r.Part))
		}
		rows = append(rows, []string{s.Model, fmt.Sprintf("%.1f %%", 100*s.Value), t.dim(strings.Join(reasons, " · "))})
	}
	t.rows(rows)
}

func (t *text) timeline(moments []Moment) {
	t.title("Timeline")
	var rows [][]string
	for _, m := range moments[:min(len(moments), MostMoments)] {
		rows = append(rows, []string{t.dim(m.Time.String()), m.Event, m.Source, t.dim(m.Identifier), properties(m)})
	}
	t.rows(rows)
	if more := len(moments) - MostMoments; more > 0 {
		fmt.Fprintf(t, "    %s\n", t.dim(fmt.Sprintf("and %d before", more)))
	}
}

func properties(m Moment) string {
	var parts []string
	for _, q := range m.Properties {
		parts = append(parts, q.Name+"="+q.Value)
	}
	return strings.Join(parts, " ")
}

func (t *text) links(links []Link) {
	if len(links) == 0 {
		return
	}
	t.title("Links")
	var rows [][]string
	for _, l := range links {
		mark := t.paint.In(screen.Green, "=")
		if !l.Taken {
			mark = t.paint.In(screen.Red, "≠")
		}
		rows = append(rows, []string{l.A, mark, l.B, t.dim(l.Because)})
	}
	t.rows(rows)
}

// Text shows the explanation to people.
func (x Explanation) Text(paint screen.Paint) string {
	t := &text{paint: paint}
	verdict := paint.In(screen.Green, "is in")
	if !x.Member {
		verdict = paint.In(screen.Red, "is not in")
	}
	fmt.Fprintf(t, "\n  Person %s %s %s\n  %s\n", x.Person, verdict, paint.In(screen.Bold, x.Audience), t.dim(x.Description))
	switch {
	case x.Standing == nil:
		fmt.Fprintf(t, "  and never was\n")
	default:
		word := "Entered"
		if !x.Member {
			word = "Exited"
		}
		fmt.Fprintf(t, "  %s %s because %s %s\n", word, x.Standing.Since, x.Standing.Because, t.dim(fmt.Sprintf("revision %d", x.Standing.Revision)))
	}
	if x.Event != nil {
		t.rows([][]string{{"by", t.dim(x.Event.Time.String()), x.Event.Event, x.Event.Source, t.dim(x.Event.Identifier), properties(*x.Event)}})
	}
	t.title("Condition")
	for _, line := range strings.Split(strings.TrimSpace(x.When), "\n") {
		fmt.Fprintf(t, "    %s\n", paint.In(screen.Cyan, line))
	}
	t.groups(x.Groups)
	t.title("As it stands now")
	for _, part := range x.Parts {
		t.rows([][]string{{part.Asks, "=", paint.In(screen.Bold, part.Value)}})
		for _, m := range part.Events {
			fmt.Fprintf(t, "        %s  %s %s %s\n", t.dim(m.Time.String()), m.Event, m.Source, properties(m))
		}
	}
	t.WriteString("\n")
	return t.String()
}
