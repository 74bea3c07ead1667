package scenario

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"kairos/processors/profile"
	"kairos/schemas"
	"kairos/topologies"
)

// show reads the tables: `person NAMESPACE=VALUE`, `people`, `audience NAME`.
func (p *player) show(text string) error {
	what, rest, _ := strings.Cut(text, " ")
	switch what {
	case "person":
		return p.showPerson(rest)
	case "people":
		return p.showPeople()
	case "audience":
		return p.showAudience(rest)
	}
	return fmt.Errorf("show %q: say person NAMESPACE=VALUE, people, or audience NAME", what)
}

func (p *player) say(format string, args ...string) {
	filled := make([]any, len(args))
	for i, a := range args {
		filled[i] = a
	}
	p.shown = append(p.shown, strings.TrimRight(p.people.readable(fmt.Sprintf(format, filled...)), " "))
}

// rowsOf decodes a whole table.
func rowsOf[R any](w World, table topologies.Table[R]) (map[string]*R, error) {
	encoded, err := w.Rows(table.Name)
	if err != nil {
		return nil, err
	}
	rows := map[string]*R{}
	for key, value := range encoded {
		if rows[key], err = table.Codec.Decode(value); err != nil {
			return nil, fmt.Errorf("row %q of %s: %w", key, table.Name, err)
		}
	}
	return rows, nil
}

// showPeople says who goes by which identifiers.
func (p *player) showPeople() error {
	rows, err := rowsOf(p.world, topologies.IdentityTable)
	if err != nil {
		return err
	}
	known := map[string][]string{}
	for key, row := range rows {
		if row.Arrived {
			name := p.people.name(row.Person)
			known[name] = append(known[name], key)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		p.say("person %s: %s", name, strings.Join(slices.Sorted(slices.Values(known[name])), " "))
	}
	return nil
}

func (p *player) showAudience(audience string) error {
	rows, err := rowsOf(p.world, topologies.SegmentTable)
	if err != nil {
		return err
	}
	var members []string
	for person, row := range rows {
		for _, s := range row.Standings {
			if s.Audience == audience && s.Member {
				members = append(members, p.people.name(person))
			}
		}
	}
	slices.Sort(members)
	p.say("audience %s: %s", audience, fmt.Sprint(len(members))+" "+strings.Join(members, " "))
	return nil
}

func (p *player) showPerson(text string) error {
	id, err := parsePair(text)
	if err != nil {
		return err
	}
	identities, err := rowsOf(p.world, topologies.IdentityTable)
	if err != nil {
		return err
	}
	row := identities[id.String()]
	if row == nil {
		p.say("nobody goes by %s", id.String())
		return nil
	}
	p.say("person %s", p.people.name(row.Person))
	profiles, err := rowsOf(p.world, topologies.ProfileTable)
	if err != nil {
		return err
	}
	segments, err := rowsOf(p.world, topologies.SegmentTable)
	if err != nil {
		return err
	}
	p.showProfile(row.Person, profiles[row.Person], segments[row.Person])
	if segments[row.Person] != nil {
		p.showStandings(segments[row.Person])
	}
	scores, err := rowsOf(p.world, topologies.PropensityTable)
	if err == nil && scores[row.Person] != nil {
		for _, s := range scores[row.Person].Scores {
			p.say("  score %s = %s", s.Model, fmt.Sprintf("%.4f", s.Value))
		}
	}
	return err
}

// showProfile says what is known of a person, and of which terms more than
// nothing.
func (p *player) showProfile(person string, row *schemas.ProfileRow, inputs *schemas.SegmentRow) {
	view := profile.View(person, row, p.plan, p.clock)
	for _, id := range view.Identities {
		p.say("  %s: %s events, last at %s", id.String(), fmt.Sprint(id.Events), showMoment(id.LastSeen, p.teller.today))
	}
	for _, a := range view.Attributes {
		p.say("  p.%s = %s, said by %s at %s", a.Name, a.Value.String(), a.Source, showMoment(a.Time, p.teller.today))
	}
	for _, g := range view.Groups {
		word := "of"
		if g.Crowded {
			word = "of the too large"
		}
		p.say("  %s %s %s, since %s", word, g.Kind, g.Name, showMoment(g.Since, p.teller.today))
	}
	for _, f := range view.Features {
		p.say("  feature %s = %s", f.Name, f.Value.String())
	}
	if inputs == nil {
		return
	}
	var lines []string
	for _, f := range inputs.Features {
		for _, term := range p.plan.Terms {
			if term.ID == f.ID {
				lines = append(lines, fmt.Sprintf("  %s = %s", term.Canonical, f.Value))
			}
		}
	}
	slices.Sort(lines)
	p.shown = append(p.shown, lines...)
}

func (p *player) showStandings(row *schemas.SegmentRow) {
	for _, s := range row.Standings {
		word := "out of"
		if s.Member {
			word = "in"
		}
		p.say("  %s %s, rev=%s, since %s%s", word, s.Audience, fmt.Sprint(s.Revision), showMoment(s.Since, p.teller.today), because(s.Reason))
	}
}
