package crowd

import (
	"cmp"
	"context"
	"slices"

	"kairos/cmd/internal/portrait"
	"kairos/processors/definition"
	"kairos/schemas"
	"kairos/topologies"
)

// Audience is one audience and how many people are in it.
type Audience struct {
	Name        string            `json:"name"`
	State       string            `json:"state"`
	Size        int               `json:"size"`
	Version     int64             `json:"version"`
	Owner       string            `json:"owner,omitempty"`
	Description string            `json:"description,omitempty"`
	Tags        []string          `json:"tags,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	From        portrait.When     `json:"from,omitzero"`
	Until       portrait.When     `json:"until,omitzero"`
}

// Withdrawn is the state of an audience that no definition names any more,
// while somebody is still to exit.
const Withdrawn = "withdrawn"

// List counts the members of all audiences of the plan, by name; and of others
// that still have some.
func List(ctx context.Context, tables Tables, plan *definition.Plan) ([]Audience, error) {
	sizes, err := Sizes(ctx, tables)
	if err != nil {
		return nil, err
	}
	list := []Audience{}
	for _, all := range [][]definition.Audience{plan.Audiences, plan.Drafts, plan.Retired} {
		for i := range all {
			a := &all[i]
			list = append(list, Audience{
				a.Name, a.State.String(), sizes[a.Name], a.Version, a.Owner, a.Description, a.Tags, a.Labels,
				portrait.When(a.From), portrait.When(a.Until),
			})
			delete(sizes, a.Name)
		}
	}
	for name, size := range sizes {
		list = append(list, Audience{Name: name, State: Withdrawn, Size: size})
	}
	slices.SortFunc(list, func(a, b Audience) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// Sizes counts the members of each audience that has some.
func Sizes(ctx context.Context, tables Tables) (map[string]int, error) {
	sizes := map[string]int{}
	err := members(ctx, tables, func(_ *part, _ string, s *schemas.Standing) { sizes[s.Audience]++ })
	return sizes, err
}

// Page is a part of an audience's members, by person.
type Page struct {
	Audience string   `json:"audience"`
	Size     int      `json:"size"` // of the whole audience
	Members  []Member `json:"members"`
	Next     string   `json:"next,omitempty"` // what to give as after for the next page; empty: this is the last one
}

// Member is somebody in an audience.
type Member struct {
	Person      string        `json:"person"`
	Identifiers []string      `json:"identifiers"` // as namespace=value
	Since       portrait.When `json:"since,omitzero"`
	Because     string        `json:"because,omitempty"`
	partition   int32
}

// Members lists at most limit members, 0 for all of them, whose person follows
// after.
func Members(ctx context.Context, tables Tables, audience, after string, limit int) (Page, error) {
	page := Page{Audience: audience, Members: []Member{}}
	err := members(ctx, tables, func(p *part, person string, s *schemas.Standing) {
		if s.Audience != audience {
			return
		}
		page.Size++
		if person > after {
			page.Members = append(page.Members, Member{person, []string{}, portrait.When(s.Since), s.Reason, p.number})
		}
	})
	if err != nil {
		return page, err
	}
	slices.SortFunc(page.Members, func(a, b Member) int { return cmp.Compare(a.Person, b.Person) })
	if limit > 0 && len(page.Members) > limit {
		page.Members = page.Members[:limit]
		page.Next = page.Members[limit-1].Person
	}
	return page, identify(ctx, tables, page.Members)
}

// identify finds the identifiers of members, reading each partition once.
func identify(ctx context.Context, tables Tables, found []Member) error {
	byPartition := map[int32][]int{}
	for i := range found {
		byPartition[found[i].partition] = append(byPartition[found[i].partition], i)
	}
	for partition, places := range byPartition {
		rows, err := tables.Rows(ctx, topologies.ProfileTable.Topic, partition)
		if err != nil {
			return err
		}
		for _, i := range places {
			row, err := rowOf(topologies.ProfileTable, rows, found[i].Person)
			if err != nil {
				return err
			}
			found[i].Identifiers = identifiers(row)
		}
	}
	return nil
}

func identifiers(row *schemas.ProfileRow) []string {
	shown := []string{}
	if row == nil {
		return shown
	}
	for i := range row.Fragments {
		id := schemas.IdentifierOf(row.Fragments[i].Identifier)
		shown = append(shown, id.Namespace+"="+id.Value)
	}
	return shown
}
