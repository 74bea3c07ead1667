package segment

import (
	"cmp"
	"slices"

	"kairos/schemas"
)

func findFeature(features []schemas.Feature, id int64) (int, bool) {
	return slices.BinarySearchFunc(features, id, func(f schemas.Feature, id int64) int { return cmp.Compare(f.ID, id) })
}

func term(features []schemas.Feature, id int64) schemas.Value {
	if i, ok := findFeature(features, id); ok {
		return features[i].Value
	}
	return schemas.Value{}
}

// learnFeatures stores the told features that l uses and touches the readers
// of those that are different. It reports whether any was.
func (e *evaluation) learnFeatures(known *[]schemas.Feature, l *line, told []schemas.Feature) bool {
	different := false
	for _, f := range told {
		in := l.terms[f.ID]
		if in == nil {
			continue
		}
		i, found := findFeature(*known, f.ID)
		switch null := f.Value.Kind == schemas.Null; {
		case found && (*known)[i].Value == f.Value, !found && null:
			continue
		case null: // as good as never told, and rows stay small
			*known = slices.Delete(*known, i, i+1)
		case found:
			(*known)[i].Value = f.Value
		default:
			*known = slices.Insert(*known, i, f)
		}
		e.touch(in)
		different = true
	}
	return different
}

// learn does the same for named values.
func (e *evaluation) learn(known *schemas.Properties, inputs map[string]*input, told schemas.Properties) bool {
	different := false
	for _, p := range told {
		in := inputs[p.Name]
		if in == nil {
			continue
		}
		var before schemas.Value
		if len(in.valued) > 0 {
			before = known.Get(p.Name)
		}
		var news bool
		if *known, news = known.Learn(p); news {
			e.note(in, in.valued[before])
			e.note(in, in.valued[p.Value])
			e.touch(in)
			different = true
		}
	}
	return different
}

// prune forgets inputs that no audience uses any more.
func (r *rules) prune(row *schemas.SegmentRow) {
	row.Features = usedFeatures(row.Features, &r.plain)
	row.Attributes = used(row.Attributes, r.plain.attributes)
	if known := row.Scored; known != nil {
		known.Features = usedFeatures(known.Features, &r.scored)
		known.Attributes = used(known.Attributes, r.scored.attributes)
		known.Scores = used(known.Scores, r.scored.scores)
		known.Memberships = used(known.Memberships, r.scored.memberships)
	}
}

func usedFeatures(known []schemas.Feature, l *line) []schemas.Feature {
	return slices.DeleteFunc(known, func(f schemas.Feature) bool { return l.terms[f.ID] == nil })
}

func used(known schemas.Properties, inputs map[string]*input) schemas.Properties {
	return slices.DeleteFunc(known, func(p schemas.Property) bool { return inputs[p.Name] == nil })
}
