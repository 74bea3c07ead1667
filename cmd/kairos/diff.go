package main

import (
	"strings"

	"kairos/cmd/internal/catalog"
	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/screen"
	"kairos/processors/definition"
)

// diff shows what publishing set would change.
func (c *applyCommand) diff(p *process, client *cluster.Client, set *definition.Set) error {
	published, err := catalog.Read(p, client)
	if err != nil {
		return err
	}
	before, err := definition.FromRecords(published)
	if err != nil {
		return err
	}
	after, err := c.whole(set, published)
	if err != nil {
		return err
	}
	if _, err := after.Compile(); err != nil {
		return c.refused(err)
	}
	differences := definition.Differences(before, after)
	switch {
	case c.JSON:
		if err := printJSON(p, differences); err != nil {
			return err
		}
	case len(differences) == 0:
		p.printf("nothing would change\n")
	default:
		p.printf("%s", differencesText(differences, screen.Paint(p.screen)))
	}
	if len(differences) > 0 {
		return &noError{}
	}
	return nil
}

var whatStyle = map[definition.What]screen.Style{
	definition.New: screen.Green, definition.Changed: screen.Yellow, definition.Withdrawn: screen.Red,
}

func differencesText(differences []definition.Difference, paint screen.Paint) string {
	var b strings.Builder
	kind, name := 0, 0
	for _, d := range differences {
		kind, name = max(kind, len(d.Kind)), max(name, len(d.Name))
	}
	for _, d := range differences {
		line := paint.In(whatStyle[d.What], screen.Left(string(d.What), 9)) + "  " + screen.Left(d.Kind, kind) + "  " + screen.Left(d.Name, name)
		if len(d.Used) > 0 {
			line += "  " + paint.In(screen.Dim, "used by "+strings.Join(d.Used, ", "))
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
		if d.What == definition.Changed && len(d.Fields) == 0 {
			b.WriteString("    " + paint.In(screen.Dim, "only comments or the way it is written") + "\n")
		}
		for _, f := range d.Fields {
			b.WriteString("    " + f.Name + "\n")
			for _, side := range []struct {
				sign, text string
				style      screen.Style
			}{{"-", f.Before, screen.Red}, {"+", f.After, screen.Green}} {
				for line := range strings.Lines(side.text) {
					b.WriteString("      " + paint.In(side.style, side.sign+" "+strings.TrimRight(line, "\n")) + "\n")
				}
			}
		}
	}
	return b.String()
}
