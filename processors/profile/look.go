package profile

import (
	"slices"

	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/schemas"
)

// Reader reads rows under a plan, whatever plan they were written under. It may
// be used by one goroutine at a time.
type Reader struct{ profile *profile }

// NewReader makes a reader.
func NewReader(plan *definition.Plan) *Reader { return &Reader{compile(plan)} }

// Look is a person's row as it stands at a time. It answers what expressions
// ask of a profile, by the stage's own evaluation; scores and audiences are not
// profile's to know.
type Look struct{ inputs }

var _ expression.Inputs = (*Look)(nil)

// Look opens a row, which is not changed, at a time.
func (r *Reader) Look(person string, row *schemas.ProfileRow, at schemas.Instant) *Look {
	p, shown := r.profile, *row
	shown.Fragments = slices.Clone(row.Fragments)
	v := &visit{profile: p, person: person, row: &shown, now: at, room: &room{}, columns: make([][]series, len(row.Fragments))}
	for i := range shown.Fragments {
		if shown.Fragments[i].Rules != p.keeping {
			p.refit(v.room, &shown.Fragments[i])
		}
	}
	look := &Look{inputs{v: v}}
	for _, c := range p.survivors(shown.Fragments, func(string) bool { return true }) {
		look.attributes = append(look.attributes, Attribute{c.name, c.value, c.time, c.source})
	}
	return look
}

// Attributes lists what is believed about the person, by name.
func (l *Look) Attributes() []Attribute { return l.attributes }

// Since is the newest time up to which some events that terms asked so far look
// at were not kept; 0: all were that any row under these rules keeps.
func (l *Look) Since() schemas.Instant { return l.since }
