package portrait

import (
	"cmp"
	"fmt"
	"slices"

	"kairos/cmd/internal/lookup"
	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/processors/profile"
	"kairos/schemas"
)

// Explanation says why a person is in an audience, or not.
type Explanation struct {
	Person      string    `json:"person"`
	Audience    string    `json:"audience"`
	Description string    `json:"description"`
	When        string    `json:"when"` // the condition, as written
	Member      bool      `json:"member"`
	Standing    *Standing `json:"standing"` // null: never entered
	Event       *Moment   `json:"event"`    // that caused the standing, if it is still in the timeline
	Groups      []Group   `json:"groups"`   // of the person, of the kinds whose members the condition asks
	Parts       []Part    `json:"parts"`    // of the condition, as they stand now
}

// Part is one thing that the condition asks for.
type Part struct {
	Asks   string   `json:"asks"`
	Value  string   `json:"value"`
	Events []Moment `json:"events"` // of the person that count for it now, newest first, at most five
}

// UnknownAudienceError names the audiences that there are.
type UnknownAudienceError struct {
	Name  string
	Known []string
}

func (e *UnknownAudienceError) Error() string {
	return fmt.Sprintf("there is no audience %q; %s", e.Name, expression.Suggest(e.Name, e.Known))
}

// IdleAudienceError says that an audience is evaluated for nobody.
type IdleAudienceError struct {
	Name  string
	State definition.State
}

func (e *IdleAudienceError) Error() string {
	next := ""
	if e.State == definition.Draft {
		next = "; `kairos audience preview " + e.Name + "` says who would be in it"
	}
	return fmt.Sprintf("audience %q is %s: it is evaluated for nobody%s", e.Name, e.State, next)
}

// Explain explains a person's standing in one audience.
func Explain(p *lookup.Person, plan *definition.Plan, audience string) (Explanation, error) {
	i := slices.IndexFunc(plan.Audiences, func(a definition.Audience) bool { return a.Name == audience })
	if a := plan.Audience(audience); i < 0 && a != nil {
		return Explanation{}, &IdleAudienceError{a.Name, a.State}
	}
	if i < 0 {
		var known []string
		for _, a := range plan.Audiences {
			known = append(known, a.Name)
		}
		return Explanation{}, &UnknownAudienceError{audience, known}
	}
	a := plan.Audiences[i]
	x := Explanation{Person: p.ID, Audience: a.Name, Description: a.Description, When: a.Expression.Source, Parts: []Part{}}
	at := moment(p)
	view := profile.View(p.ID, p.Profile, plan, at)
	timeline := view.Timeline
	x.Groups = slices.DeleteFunc(groupsOf(view), func(g Group) bool {
		return !slices.ContainsFunc(a.Expression.Terms, func(t *expression.Term) bool { return t.Kind == g.Kind })
	})
	if s := p.Standing(audience); s != nil {
		standing := standingOf(*s)
		x.Standing, x.Member = &standing, s.Member
		x.Event = eventBy(timeline, s.EventID)
	}
	known := inputs(p, a.UsesScores)
	for _, t := range a.Expression.Terms {
		x.Parts = append(x.Parts, Part{t.Canonical, known.term(t).String(), counting(timeline, t, at)})
	}
	for _, name := range a.Expression.Attributes {
		x.Parts = append(x.Parts, Part{"p." + name, known.attributes.Get(name).String(), []Moment{}})
	}
	for _, name := range a.Expression.Scores {
		x.Parts = append(x.Parts, Part{"scores." + name, known.scores.Get(name).String(), []Moment{}})
	}
	for _, name := range a.Expression.Audiences {
		member := false
		if s := p.Standing(name); s != nil {
			member = s.Member
		}
		x.Parts = append(x.Parts, Part{fmt.Sprintf("in(%q)", name), schemas.BooleanOf(member).String(), []Moment{}})
	}
	return x, nil
}

func eventBy(timeline []profile.TimelineMoment, id string) *Moment {
	for _, m := range timeline {
		if id != "" && m.ID == id {
			shown := momentOf(m)
			return &shown
		}
	}
	return nil
}

// counting lists the events of the timeline that a term counts at a time, newest
// first: of a sequence those that are a step of a complete one, of a dwell those
// that its audience counts.
func counting(timeline []profile.TimelineMoment, t *expression.Term, at schemas.Instant) []Moment {
	const most = 5
	counted := map[int]bool{}
	for _, part := range t.Parts() {
		for _, i := range countedBy(timeline, part, at) {
			counted[i] = true
		}
	}
	all := []Moment{}
	for i := range timeline {
		if counted[i] && len(all) < most {
			all = append(all, momentOf(timeline[i]))
		}
	}
	return all
}

// countedBy lists the places of the events that a term counts, newest first.
func countedBy(timeline []profile.TimelineMoment, t *expression.Term, at schemas.Instant) []int {
	var places []int
	for i := range timeline {
		if t.Sequence != nil && timeline[i].Time <= at || counts(t, timeline[i], at) {
			places = append(places, i)
		}
	}
	switch {
	case t.Sequence != nil:
		return matching(timeline, places, t, at)
	case t.Limit > 0:
		return places[:min(t.Limit, len(places))]
	case t.Limit < 0:
		return places[max(0, len(places)+t.Limit):]
	case t.Aggregate == expression.Recency || t.Aggregate == expression.Elapsed:
		return places[:min(1, len(places))]
	}
	return places
}

// matching leaves the places of the events that are a step of a sequence.
func matching(timeline []profile.TimelineMoment, places []int, t *expression.Term, at schemas.Instant) []int {
	slices.SortFunc(places, func(a, b int) int {
		return cmp.Or(cmp.Compare(timeline[a].Time, timeline[b].Time), cmp.Compare(timeline[a].ID, timeline[b].ID))
	})
	events := make([]*schemas.Event, len(places))
	for i, place := range places {
		events[i] = eventOf(timeline[place])
	}
	var matched []int
	for i, takesPart := range t.Matching(events, at) {
		if takesPart {
			matched = append(matched, places[i])
		}
	}
	return matched
}

// counts reports whether a term counts a moment at a time.
func counts(t *expression.Term, m profile.TimelineMoment, at schemas.Instant) bool {
	if t.Window != 0 && m.Time <= at.Add(-t.Window) || m.Time > at {
		return false
	}
	if c := t.Series.Calendar; c != nil && !c.At(m.Time).Holds(at) {
		return false
	}
	if t.Series.Event != "" && t.Series.Event != m.Name {
		return false
	}
	return t.Series.Match == nil || t.Series.Match(eventOf(m))
}

func eventOf(m profile.TimelineMoment) *schemas.Event {
	return &schemas.Event{ID: m.ID, Name: m.Name, Time: m.Time, Received: m.Received, Source: m.Source,
		Identifiers: []schemas.Identifier{m.Identifier}, Properties: m.Properties}
}

// asked is what segment knew when it last looked.
type asked struct {
	features   []schemas.Feature
	attributes schemas.Properties
	scores     schemas.Properties
}

func inputs(p *lookup.Person, usesScores bool) asked {
	switch {
	case p.Segment == nil:
		return asked{}
	case usesScores && p.Segment.Scored != nil:
		return asked{p.Segment.Scored.Features, p.Segment.Scored.Attributes, p.Segment.Scored.Scores}
	}
	return asked{features: p.Segment.Features, attributes: p.Segment.Attributes}
}

func (a asked) term(t *expression.Term) schemas.Value {
	for _, f := range a.features {
		if f.ID == t.ID {
			return f.Value
		}
	}
	return t.Empty()
}
