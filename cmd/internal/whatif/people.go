package whatif

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"kairos/processors/identity"
	"kairos/schemas"
	"kairos/topologies"
)

// belonging is whose an identifier is, and whose it would be.
type belonging struct{ identifier, before, after string }

// people compares who holds which identifier.
func (a *answer) people(r *Report) error {
	var moved, all []belonging
	before, after := map[string]bool{}, map[string]bool{}
	for _, key := range a.rehearsal.Swept(topologies.Identity.Word) {
		was, is, err := both(a, topologies.IdentityTable, key)
		if err != nil {
			return err
		}
		if was == nil || !was.Arrived { // known by a command only: nobody
			continue
		}
		b := belonging{key, was.Person, is.Person}
		before[b.before], after[b.after] = true, true
		all = append(all, b)
		if b.before != b.after {
			moved = append(moved, b)
		}
	}
	r.People, r.Identifiers, r.Moved = Count{len(before), len(after)}, len(all), len(moved)
	return a.groups(r, concerned(all, moved))
}

// concerned leaves what belongs, or would, to people who lose or gain
// something.
func concerned(all, moved []belonging) []belonging {
	touched := map[string]bool{}
	for _, b := range moved {
		touched[b.before], touched[b.after] = true, true
	}
	return slices.DeleteFunc(all, func(b belonging) bool { return !touched[b.before] && !touched[b.after] })
}

// groups finds merges and splits.
func (a *answer) groups(r *Report, concerned []belonging) error {
	merged := grouped(concerned, func(b belonging) (string, string) { return b.after, b.before })
	split := grouped(concerned, func(b belonging) (string, string) { return b.before, b.after })
	apart := map[string]int{} // people before: how many they become
	for _, g := range split {
		apart[g.Person] = len(g.Parts)
	}
	for _, g := range merged {
		if len(g.Parts) == 1 && g.Parts[0].Person != g.Person && apart[g.Parts[0].Person] == 1 {
			r.Renamed++
		}
	}
	several := func(groups []Group) ([]Group, int) {
		parts := 0
		groups = slices.DeleteFunc(groups, func(g Group) bool { return len(g.Parts) < 2 })
		for _, g := range groups {
			parts += len(g.Parts)
		}
		return groups, parts
	}
	merged, r.Merges.People = several(merged)
	split, r.Splits.People = several(split)
	r.Merges.Count, r.Splits.Count = len(merged), len(split)
	r.Merges.Examples, r.Splits.Examples = largest(merged, a.Examples), largest(split, a.Examples)
	for _, examples := range [][]Group{r.Merges.Examples, r.Splits.Examples} {
		for i := range examples {
			if err := a.explain(&examples[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// grouped gathers identifiers by a person, and within by another one.
func grouped(all []belonging, by func(belonging) (person, part string)) []Group {
	groups := map[string]map[string][]string{}
	for _, b := range all {
		person, part := by(b)
		if groups[person] == nil {
			groups[person] = map[string][]string{}
		}
		groups[person][part] = append(groups[person][part], b.identifier)
	}
	result := []Group{}
	for _, person := range slices.Sorted(maps.Keys(groups)) {
		g := Group{Person: person, Because: []Decision{}}
		for _, part := range slices.Sorted(maps.Keys(groups[person])) {
			g.Parts = append(g.Parts, Part{part, groups[person][part]})
			g.Identifiers += len(groups[person][part])
		}
		slices.SortStableFunc(g.Parts, func(a, b Part) int { return cmp.Compare(len(b.Identifiers), len(a.Identifiers)) })
		result = append(result, g)
	}
	return result
}

// explain finds the links between a group's parts that are decided otherwise.
func (a *answer) explain(g *Group) error {
	part := map[string]string{}
	for _, p := range g.Parts {
		for _, identifier := range p.Identifiers {
			part[identifier] = p.Person
		}
	}
	was, is, err := a.components(g.Parts[0].Identifiers[0])
	if err != nil || was == nil || is == nil {
		return err
	}
	old := map[[2]string]string{}
	for _, d := range identity.Explain(was, a.before.Identity).Decisions {
		old[[2]string{d.Link.A, d.Link.B}] = verdict(d)
	}
	for _, d := range identity.Explain(is, a.after.Identity).Decisions {
		before, after := old[[2]string{d.Link.A, d.Link.B}], verdict(d)
		from, to := part[d.Link.A], part[d.Link.B]
		if before != after && from != "" && to != "" && from != to {
			g.Because = append(g.Because, Decision{d.Link.A, d.Link.B, d.Link.Source, before, after})
		}
	}
	return nil
}

const taken = "taken"

// verdict is what became of a link, in short.
func verdict(d identity.Decision) string {
	switch {
	case d.Accepted():
		return taken
	case d.Detail == "":
		return d.Rule
	}
	return d.Rule + " (" + d.Detail + ")"
}

// components gives all evidence about an identifier, before and after: heat may
// have come into it.
func (a *answer) components(identifier string) (before, after *schemas.Component, err error) {
	root := identifier
	for hops := 0; hops < 64; hops++ {
		was, is, err := both(a, topologies.IdentityTable, root)
		if err != nil || was == nil || is == nil {
			return nil, nil, err
		}
		if was.Root != "" {
			root = was.Root
			continue
		}
		if before, err = identity.ComponentOf(root, was); err != nil {
			return nil, nil, err
		}
		after, err = identity.ComponentOf(root, is)
		return before, after, err
	}
	return nil, nil, nil
}

// strongest is the identifier that the rules believe first.
func (a *answer) strongest(fragments []schemas.Fragment) string {
	priority := map[string]int{}
	for _, n := range a.after.Identity.Namespaces {
		priority[n.Name] = n.Priority
	}
	best := ""
	for i := range fragments {
		id := fragments[i].Identifier
		if best == "" || priority[namespaceOf(id)] > priority[namespaceOf(best)] {
			best = id
		}
	}
	return best
}

func namespaceOf(key string) string {
	name, _, _ := strings.Cut(key, ":")
	return name
}
