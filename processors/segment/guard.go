package segment

import (
	"cmp"
	"slices"

	"kairos/processors/expression"
	"kairos/schemas"
)

// An audience that can hold only while one of its guards is so needs no look
// when something else changes meanwhile: it did not hold and does not. So it is
// read under that guard of which the fewest audiences are, and an attribute
// that ten thousand audiences ask for wakes those few whose guard is so.

// guarded are the readers of an input that need a look only while their guard
// is so. (When the guard itself changes, its own readers are looked at.)
type guarded struct {
	terms      []termGuard // by rising id
	attributes []attributeGuard
}

type termGuard struct {
	id      int64 // the term is true
	readers []int32
}

type attributeGuard struct {
	name    string
	readers map[schemas.Value][]int32 // the attribute is this
}

func (g *guarded) add(guard *expression.Guard, reader int32) {
	if guard.Term != 0 {
		i, found := slices.BinarySearchFunc(g.terms, guard.Term, func(t termGuard, id int64) int { return cmp.Compare(t.id, id) })
		if !found {
			g.terms = slices.Insert(g.terms, i, termGuard{id: guard.Term})
		}
		g.terms[i].readers = append(g.terms[i].readers, reader)
		return
	}
	i := slices.IndexFunc(g.attributes, func(a attributeGuard) bool { return a.name == guard.Attribute })
	if i < 0 {
		i = len(g.attributes)
		g.attributes = append(g.attributes, attributeGuard{guard.Attribute, map[schemas.Value][]int32{}})
	}
	for _, v := range guard.Values {
		g.attributes[i].readers[v] = append(g.attributes[i].readers[v], reader)
	}
}

// touchGuarded notes the readers whose guard is so.
func (e *evaluation) touchGuarded(in *input) {
	g := &in.guarded
	for i := range g.attributes {
		if readers := g.attributes[i].readers[e.person.Attribute(g.attributes[i].name)]; len(readers) > 0 {
			e.note(in, readers)
		}
	}
	if len(g.terms) == 0 {
		return
	}
	features := *e.features()
	if len(g.terms) < len(features) {
		for i := range g.terms {
			if term(features, g.terms[i].id).True() {
				e.note(in, g.terms[i].readers)
			}
		}
		return
	}
	for i := range features {
		if !features[i].Value.True() {
			continue
		}
		at, found := slices.BinarySearchFunc(g.terms, features[i].ID, func(t termGuard, id int64) int { return cmp.Compare(t.id, id) })
		if found {
			e.note(in, g.terms[at].readers)
		}
	}
}

// features are the values of terms that the line knows.
func (e *evaluation) features() *[]schemas.Feature {
	if e.scored {
		return &e.row.Scored.Features
	}
	return &e.row.Features
}

// chooseGuards picks the guard of each audience: that of which the fewest are.
func (r *rules) chooseGuards() {
	type key struct {
		term      int64
		attribute string
		value     schemas.Value
	}
	many := map[key]int{}
	each := func(g *expression.Guard, f func(key)) {
		if g.Term != 0 {
			f(key{term: g.Term})
		}
		for _, v := range g.Values {
			f(key{attribute: g.Attribute, value: v})
		}
	}
	for i := range r.audiences {
		guards := r.audiences[i].expression.Guards
		for k := range guards {
			each(&guards[k], func(k key) { many[k]++ })
		}
	}
	for i := range r.audiences {
		a := &r.audiences[i]
		least := 0
		for k := range a.expression.Guards {
			g, others := &a.expression.Guards[k], 0
			each(g, func(k key) { others += many[k] })
			if a.guard == nil || others < least {
				a.guard, least = g, others
			}
		}
	}
}
