package propensity

import (
	"cmp"
	"slices"

	"kairos/schemas"
)

// knownPerson is what models may ask about a person.
type knownPerson struct {
	id  string
	row *schemas.PropensityRow
}

func (p *knownPerson) Attribute(name string) schemas.Value { return p.row.Attributes.Get(name) }
func (p *knownPerson) Score(string) schemas.Value          { return schemas.Value{} }
func (p *knownPerson) Audience(name string) bool           { return p.row.Memberships.Get(name).True() }
func (p *knownPerson) Person() string                      { return p.id }

func (p *knownPerson) Term(id int64) schemas.Value {
	if i, found := findFeature(p.row.Features, id); found {
		return p.row.Features[i].Value
	}
	return schemas.Value{}
}

func findFeature(features []schemas.Feature, id int64) (int, bool) {
	return slices.BinarySearchFunc(features, id, func(f schemas.Feature, id int64) int { return cmp.Compare(f.ID, id) })
}

// setFeature stores f, Null by forgetting it, and reports whether that is new.
func setFeature(known *[]schemas.Feature, f schemas.Feature) bool {
	i, found := findFeature(*known, f.ID)
	switch null := f.Value.Kind == schemas.Null; {
	case found && (*known)[i].Value == f.Value, !found && null:
		return false
	case null:
		*known = slices.Delete(*known, i, i+1)
	case found:
		(*known)[i].Value = f.Value
	default:
		*known = slices.Insert(*known, i, f)
	}
	return true
}

// only is a copy of list with what keep lets pass.
func only[T any, L ~[]T](list L, keep func(T) bool) L {
	var kept L
	for _, v := range list {
		if keep(v) {
			kept = append(kept, v)
		}
	}
	return kept
}
