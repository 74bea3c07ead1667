// Package portrait shows a person to people: who they are, what is known of
// them, where they stand, and why.
//
// In: the rows of all stages about one person, and a plan. Out: a [Portrait],
// an [Explanation], each as data and as text. State: none. Laws: nothing is
// computed otherwise than the stages compute it.
//
// Not here: where the rows come from (cmd/internal/lookup).
package portrait

import (
	"cmp"
	"slices"
	"time"

	"kairos/cmd/internal/lookup"
	"kairos/processors/definition"
	"kairos/processors/identity"
	"kairos/processors/profile"
	"kairos/schemas"
)

// Portrait is everything that is known of a person.
type Portrait struct {
	Person       string        `json:"person"`
	At           When          `json:"at"` // the newest moment that the person's row has seen
	Identifiers  []Identifier  `json:"identifiers"`
	Attributes   []Attribute   `json:"attributes"`
	Audiences    []Standing    `json:"audiences"` // ever entered
	Scores       []Score       `json:"scores"`
	Features     []Feature     `json:"features"`
	Groups       []Group       `json:"groups"`
	Destinations []Destination `json:"destinations"` // who knows the person as a member of what
	Timeline     []Moment      `json:"timeline"`     // newest first
	Links        []Link        `json:"links"`        // why the identifiers are one person, or are not
}

// When is a time: RFC 3339 for machines, shorter for people.
type When schemas.Instant

// MarshalText writes w in RFC 3339.
func (w When) MarshalText() ([]byte, error) { return []byte(schemas.Instant(w).String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (w *When) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.RFC3339Nano, string(text))
	*w = When(schemas.InstantOf(t))
	return err
}

// String is w for people, in UTC, as exact as it needs to be.
func (w When) String() string {
	t := schemas.Instant(w).Time()
	switch {
	case w == 0:
		return "-"
	case t.Equal(t.Truncate(24 * time.Hour)):
		return t.Format("2 Jan 2006")
	}
	return t.Format("2 Jan 2006 15:04:05")
}

// Identifier is one name of the person.
type Identifier struct {
	Namespace string   `json:"namespace"`
	Value     string   `json:"value"`
	Device    bool     `json:"device"`
	FirstSeen When     `json:"first_seen"`
	LastSeen  When     `json:"last_seen"`
	Events    int64    `json:"events"`
	Sources   []string `json:"sources"`
}

// Attribute is what is believed, and on whose word.
type Attribute struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Source string `json:"source"`
	Since  When   `json:"since"`
}

// Standing is the person's place in one audience.
type Standing struct {
	Audience string `json:"audience"`
	Member   bool   `json:"member"`
	Since    When   `json:"since"`
	Because  string `json:"because"`
	EventID  string `json:"event_id,omitempty"`
	Revision int64  `json:"revision"`
}

// Score is what a model says.
type Score struct {
	Model   string   `json:"model"`
	Value   float64  `json:"value"`
	Reasons []Reason `json:"reasons"`
}

// Reason is one input's part in a score.
type Reason struct {
	Input string  `json:"input"`
	Value string  `json:"value"`
	Part  float64 `json:"part"` // log-odds
}

// Feature is a named figure.
type Feature struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Since When   `json:"since,omitzero"` // events before were not all kept
}

// Group is one that the person is in.
type Group struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Since   When   `json:"since"`
	Crowded bool   `json:"crowded"` // it has more members than its limit, so it counts for nothing
}

// Destination is one that knows the person as a member.
type Destination struct {
	Name     string `json:"name"`
	Audience string `json:"audience"`
	Revision int64  `json:"revision"`
}

// Moment is one event of the person.
type Moment struct {
	Time       When       `json:"time"`
	Event      string     `json:"event"`
	ID         string     `json:"id"`
	Source     string     `json:"source"`
	Identifier string     `json:"identifier"`
	Properties []Property `json:"properties"`
}

// Property is a named value, as text.
type Property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Link is one decision about two identifiers.
type Link struct {
	A       string `json:"a"`
	B       string `json:"b"`
	Taken   bool   `json:"taken"`
	Because string `json:"because"`
}

// Of paints a person.
func Of(p *lookup.Person, plan *definition.Plan) Portrait {
	at := moment(p)
	view := profile.View(p.ID, p.Profile, plan, at)
	portrait := Portrait{
		Person: p.ID, At: When(at), Identifiers: []Identifier{}, Attributes: []Attribute{}, Audiences: []Standing{},
		Scores: scores(p), Features: []Feature{}, Groups: groupsOf(view), Destinations: destinations(p), Timeline: []Moment{}, Links: links(p, plan),
	}
	for _, id := range view.Identities {
		device := slices.ContainsFunc(view.Devices, func(d profile.Identity) bool { return d.Identifier == id.Identifier })
		portrait.Identifiers = append(portrait.Identifiers, Identifier{id.Namespace, id.Value, device,
			When(id.FirstSeen), When(id.LastSeen), id.Events, slices.Clone(id.Sources)})
	}
	for _, a := range view.Attributes {
		portrait.Attributes = append(portrait.Attributes, Attribute{a.Name, a.Value.String(), a.Source, When(a.Time)})
	}
	for _, f := range view.Features {
		portrait.Features = append(portrait.Features, Feature{f.Name, f.Value.String(), When(f.Since)})
	}
	for _, m := range view.Timeline {
		portrait.Timeline = append(portrait.Timeline, momentOf(m))
	}
	if p.Segment != nil {
		for _, s := range p.Segment.Standings {
			portrait.Audiences = append(portrait.Audiences, standingOf(s))
		}
	}
	slices.SortStableFunc(portrait.Audiences, func(a, b Standing) int {
		return cmp.Or(cmp.Compare(rank(a.Member), rank(b.Member)), cmp.Compare(a.Audience, b.Audience))
	})
	return portrait
}

func groupsOf(view profile.Profile) []Group {
	all := []Group{}
	for _, g := range view.Groups {
		all = append(all, Group{g.Kind, g.Name, When(g.Since), g.Crowded})
	}
	return all
}

// moment is the newest time that any row of the person has seen. Until the next
// event or wake nothing about them changes.
func moment(p *lookup.Person) schemas.Instant {
	at := schemas.Instant(0)
	if p.Profile != nil {
		at = max(at, p.Profile.Now)
	}
	if p.Segment != nil {
		at = max(at, p.Segment.Now)
	}
	return at
}

func rank(member bool) int {
	if member {
		return 0
	}
	return 1
}

func standingOf(s schemas.Standing) Standing {
	return Standing{s.Audience, s.Member, When(s.Since), s.Reason, s.EventID, s.Revision}
}

func momentOf(m profile.TimelineMoment) Moment {
	shown := Moment{Time: When(m.Time), Event: m.Name, ID: m.ID, Source: m.Source, Identifier: m.Identifier.String(), Properties: []Property{}}
	for _, q := range m.Properties {
		shown.Properties = append(shown.Properties, Property{q.Name, q.Value.String()})
	}
	return shown
}

func scores(p *lookup.Person) []Score {
	all := []Score{}
	if p.Propensity == nil {
		return all
	}
	for _, s := range p.Propensity.Scores {
		score := Score{Model: s.Model, Value: s.Value, Reasons: []Reason{}}
		for _, r := range s.Reasons {
			score.Reasons = append(score.Reasons, Reason{r.Input, r.Value.String(), r.Part})
		}
		all = append(all, score)
	}
	return all
}

func destinations(p *lookup.Person) []Destination {
	all := []Destination{}
	if p.Destination == nil {
		return all
	}
	for _, s := range p.Destination.Said {
		all = append(all, Destination{s.Destination, s.Audience, s.Revision})
	}
	return all
}

func links(p *lookup.Person, plan *definition.Plan) []Link {
	all := []Link{}
	if p.Component == nil {
		return all
	}
	for _, d := range identity.Explain(p.Component, plan.Identity).Decisions {
		because := d.Link.Source
		if !d.Accepted() {
			because = d.Rule
			if d.Detail != "" {
				because += " (" + d.Detail + ")"
			}
		}
		all = append(all, Link{d.Link.A, d.Link.B, d.Accepted(), because})
	}
	return all
}
