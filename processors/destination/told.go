package destination

import (
	"cmp"
	"slices"

	"kairos/schemas"
)

// names lists what the p-th of what was said tells the person by: the addresses
// that its destination has on a list, as it saw them.
func (s *settlement) names(p int) []schemas.Identifier {
	var told []schemas.Identifier
	for _, place := range s.row.Said[p].Told {
		told = append(told, s.row.Told[place])
	}
	return told
}

// note keeps what is told in place of what was told before.
func (s *settlement) note(p int, identifiers []schemas.Identifier) {
	var places []int32
	for _, id := range identifiers {
		place := slices.Index(s.row.Told, id)
		if place < 0 {
			place, s.row.Told = len(s.row.Told), append(s.row.Told, id)
		}
		places = append(places, int32(place))
	}
	s.row.Said[p].Told = places
}

// without lists what is in told and not in present.
func without(told, present []schemas.Identifier) []schemas.Identifier {
	return slices.DeleteFunc(told, func(id schemas.Identifier) bool { return slices.Contains(present, id) })
}

// tidy drops what nobody knows the person by any more, and sorts the rest.
func (s *settlement) tidy() {
	row := s.row
	var kept []schemas.Identifier
	for p := range row.Said {
		kept = append(kept, s.names(p)...)
	}
	slices.SortFunc(kept, byKey)
	kept = slices.Compact(kept)
	if slices.Equal(kept, row.Told) {
		return
	}
	for p := range row.Said {
		for i, place := range row.Said[p].Told {
			now, _ := slices.BinarySearchFunc(kept, row.Told[place], byKey)
			row.Said[p].Told[i] = int32(now)
		}
	}
	row.Told = kept
}

func byKey(a, b schemas.Identifier) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Value, b.Value))
}

// adopt notes for a row from before anything was noted what its destinations were
// told: what it knew, for such a row told whatever changed.
func (s *settlement) adopt() {
	if s.row.Noted {
		return
	}
	s.row.Noted = true
	for p := range s.row.Said {
		said := &s.row.Said[p]
		known := s.row.Profile
		if wanted := s.rules.wanted[said.Audience]; wanted != nil && wanted.scored {
			known = s.row.Scored
		}
		if d, exists := s.rules.find(said.Destination); exists && known != nil {
			s.note(p, s.rules.destinations[d].visible(known.Identifiers))
		}
	}
}
