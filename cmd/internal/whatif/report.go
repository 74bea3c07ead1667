package whatif

import (
	"cmp"
	"slices"
	"strings"

	"kairos/schemas"
	"kairos/topologies"
)

// Report is what would become different. Lists of examples hold the largest.
type Report struct {
	At          schemas.Instant `json:"at_ms"`
	Changed     []Changed       `json:"changed"` // definitions
	People      Count           `json:"people"`
	Identifiers int             `json:"identifiers"`
	Moved       int             `json:"moved"` // identifiers that would be another person's
	Merges      Merges          `json:"merges"`
	Splits      Splits          `json:"splits"`
	Renamed     int             `json:"renamed"` // people who would be the same under another id
	Audiences   []Audience      `json:"audiences"`
	UnderWay    int             `json:"under_way"` // rows that were read while something was on its way between people: figures about them may be off
}

// Changed is one definition that would be published.
type Changed struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Version int64  `json:"version"`
}

// Count is how many there are, and would be.
type Count struct {
	Before int `json:"before"`
	After  int `json:"after"`
}

// Merges are people who would be made of several.
type Merges struct {
	Count    int     `json:"count"`
	People   int     `json:"people"` // that they would be made of
	Examples []Group `json:"examples"`
}

// Splits are people who would be several.
type Splits struct {
	Count    int     `json:"count"`
	People   int     `json:"people"` // that would come of them
	Examples []Group `json:"examples"`
}

// Group is one person who would be made of several, or become several.
type Group struct {
	Person      string     `json:"person"`
	Identifiers int        `json:"identifiers"`
	Parts       []Part     `json:"parts"`   // the other people, largest first
	Because     []Decision `json:"because"` // links between the parts that would be decided otherwise, strongest first
}

// Part is what one of several people holds of a person.
type Part struct {
	Person      string   `json:"person"`
	Identifiers []string `json:"identifiers"`
}

// Decision is a link that would be decided otherwise.
type Decision struct {
	A      string `json:"a"`
	B      string `json:"b"`
	Source string `json:"source"`
	Before string `json:"before"` // "taken", or the rule that refuses it
	After  string `json:"after"`
}

// Audience is what would become of one audience.
type Audience struct {
	Name     string   `json:"name"`
	Members  Count    `json:"members"`
	Enter    int      `json:"enter"`
	Leave    int      `json:"leave"`
	Gone     int      `json:"gone"` // of those who leave: people who would be somebody else's part
	Entering []Member `json:"entering"`
	Leaving  []Member `json:"leaving"`
}

// Member is somebody who would enter or leave.
type Member struct {
	Person     string `json:"person"`
	Identifier string `json:"identifier"` // the strongest
	Because    string `json:"because"`
}

// Nothing says whether nothing would become different for anybody.
func (r Report) Nothing() bool {
	return r.Moved == 0 && !slices.ContainsFunc(r.Audiences, func(a Audience) bool { return a.Enter+a.Leave > 0 })
}

func (a *answer) report() (Report, error) {
	r := Report{At: a.At, Changed: a.changed()}
	if err := a.people(&r); err != nil {
		return Report{}, err
	}
	if err := a.audiences(&r); err != nil {
		return Report{}, err
	}
	return r, a.underWay(&r)
}

func (a *answer) changed() []Changed {
	all := []Changed{}
	for _, d := range a.After {
		same := func(b schemas.Definition) bool { return b.Kind == d.Kind && b.Name == d.Name && b.Version == d.Version }
		if !slices.ContainsFunc(a.Before, same) {
			all = append(all, Changed{d.Kind, d.Name, d.Version})
		}
	}
	return all
}

// underWay counts rows that show that the tables were not read at one moment:
// what waits for a fragment, comes too late for one, or cannot be taken.
func (a *answer) underWay(r *Report) error {
	for drop, n := range a.rehearsal.Drops {
		if drop.Reason == "stale" || strings.HasPrefix(drop.Reason, "kairos-") {
			r.UnderWay += n
		}
	}
	for _, encoded := range a.rehearsal.All(topologies.ProfileTable.Name) {
		profile, err := row(topologies.ProfileTable, encoded)
		if err != nil {
			return err
		}
		if len(profile.Parked) > 0 {
			r.UnderWay++
		}
	}
	return nil
}

// largest sorts groups by their size and leaves the first ones.
func largest(groups []Group, most int) []Group {
	slices.SortFunc(groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Identifiers, a.Identifiers), strings.Compare(a.Person, b.Person))
	})
	return groups[:min(len(groups), most)]
}
