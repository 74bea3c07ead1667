package profile

import (
	"cmp"
	"slices"

	"kairos/schemas"
)

// Terms of dates look at an attribute, not at a series. They are evaluated when
// it may have changed and when they are due.

// namesDate reports whether an attribute may have changed that such terms look
// at.
func (v *visit) namesDate() bool {
	if len(v.dates) == 0 {
		return false
	}
	for name := range v.names {
		if len(v.dates[name]) > 0 {
			return true
		}
	}
	return false
}

// datesInQuestion adds the places of those terms whose attribute may have
// changed. Those that were told and look at one that is gone are asked anyway.
func (v *visit) datesInQuestion(places []int) []int {
	switch {
	case len(v.dates) == 0:
	case v.everything:
		for _, c := range v.datesBelieved() {
			places = append(places, v.dates[c.name]...)
		}
	default:
		for name := range v.names { // they are sorted afterwards
			places = append(places, v.dates[name]...)
		}
	}
	return places
}

// datesBelieved lists the attributes that such terms look at, by name. It is
// never nil.
func (v *visit) datesBelieved() []claim {
	believed := v.survivors(v.row.Fragments, func(name string) bool { return len(v.dates[name]) > 0 })
	return slices.Concat([]claim{}, believed)
}

func valueOf(believed []claim, name string) schemas.Value {
	i, found := slices.BinarySearchFunc(believed, name, func(c claim, name string) int { return cmp.Compare(c.name, name) })
	if !found {
		return schemas.Value{}
	}
	return believed[i].value
}
