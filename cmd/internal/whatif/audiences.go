package whatif

import (
	"maps"
	"slices"

	"kairos/schemas"
	"kairos/topologies"
)

// audiences compares who is a member of what.
func (a *answer) audiences(r *Report) error {
	all := map[string]*Audience{}
	named := func(name string) *Audience {
		if all[name] == nil {
			all[name] = &Audience{Name: name, Entering: []Member{}, Leaving: []Member{}}
		}
		return all[name]
	}
	for _, audience := range slices.Concat(a.before.Audiences, a.after.Audiences) {
		named(audience.Name)
	}
	for _, person := range a.rehearsal.Rows(topologies.SegmentTable.Name) {
		was, is, err := both(a, topologies.SegmentTable, person)
		if err != nil {
			return err
		}
		before, after := members(was), members(is)
		for name := range before {
			named(name).Members.Before++
		}
		for name, s := range after {
			audience := named(name)
			audience.Members.After++
			if before[name] != nil {
				continue
			}
			if audience.Enter++; len(audience.Entering) < a.Examples {
				m, _, err := a.member(person, s)
				if err != nil {
					return err
				}
				audience.Entering = append(audience.Entering, m)
			}
		}
		if err := a.leaving(person, is, before, after, named); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		r.Audiences = append(r.Audiences, *all[name])
	}
	return nil
}

// leaving notes the audiences that a person leaves.
func (a *answer) leaving(person string, is *schemas.SegmentRow, before, after map[string]*schemas.Standing, named func(string) *Audience) error {
	for name, s := range before {
		if after[name] != nil {
			continue
		}
		if is != nil {
			if i := slices.IndexFunc(is.Standings, func(s schemas.Standing) bool { return s.Audience == name }); i >= 0 {
				s = &is.Standings[i]
			}
		}
		m, gone, err := a.member(person, s)
		if err != nil {
			return err
		}
		audience := named(name)
		audience.Leave++
		if gone {
			audience.Gone++
		}
		if len(audience.Leaving) < a.Examples {
			audience.Leaving = append(audience.Leaving, m)
		}
	}
	return nil
}

func members(row *schemas.SegmentRow) map[string]*schemas.Standing {
	all := map[string]*schemas.Standing{}
	if row != nil {
		for i := range row.Standings {
			if s := &row.Standings[i]; s.Member {
				all[s.Audience] = s
			}
		}
	}
	return all
}

// member is an example of somebody whose standing changes, and whether they
// would hold nothing any more.
func (a *answer) member(person string, s *schemas.Standing) (m Member, gone bool, err error) {
	was, is, err := both(a, topologies.ProfileTable, person)
	if err != nil {
		return Member{}, false, err
	}
	m = Member{Person: person, Because: s.Reason}
	if is != nil && len(is.Fragments) > 0 {
		m.Identifier = a.strongest(is.Fragments)
		return m, false, nil
	}
	if was != nil {
		m.Identifier = a.strongest(was.Fragments)
	}
	if is != nil && is.ForwardTo != "" {
		m.Because = "merged into " + is.ForwardTo
	}
	return m, true, nil
}
