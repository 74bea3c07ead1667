package profile

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/schemas"
)

const (
	mostClaimed      = 200  // attributes per fragment: those whose names come first
	longestAttribute = 2048 // bytes of its text; a longer one is not taken
	longestName      = 128
	mostCandidates   = 8 // claims kept for one attribute under First and Largest
)

// claim is what one event says about one attribute. Null: it is removed.
type claim struct {
	name   string
	value  schemas.Value
	time   schemas.Instant
	source string
	cut    bool // the value is a list that did not hold all: never packed
}

// The column Claims: per claim, by name and then by age, text name, value,
// varint time, text source.
func appendClaims(dst []byte, claims []claim) []byte {
	for i := range claims {
		c := &claims[i]
		dst = appendValue(appendText(dst, c.name), c.value)
		dst = appendText(binary.AppendVarint(dst, int64(c.time)), c.source)
	}
	return dst
}

func claimsOf(column []byte) ([]claim, bool) {
	var all []claim
	r := reader{rest: column}
	for len(r.rest) > 0 {
		all = append(all, claim{name: r.text(), value: r.value(), time: schemas.Instant(r.varint()), source: r.text()})
	}
	return all, !r.bad
}

// Survivorship. All orders are total: claims that are equal in one are equal.
//
//   - Newest and Priority: the greatest claim counts, whether it sets or removes.
//   - First, Largest and Union: a removal takes what was claimed before it; of
//     the rest the oldest or the largest counts, or the list of all.
//
// A fragment keeps what may still be the answer once it is united with other
// fragments and once late claims have come: under Newest and Priority one
// claim, under First and Largest some (at most mostCandidates; past it, late
// removals may find nothing left), under Union the newest of each value, for as
// many values as a list holds: of more those that were claimed last.

// compareClaims is positive if a is to be preferred.
func (p *profile) compareClaims(a, b *claim) int {
	newer := cmp.Compare(a.time, b.time)
	stronger := cmp.Compare(p.plan.Profile.SourcePriority[a.source], p.plan.Profile.SourcePriority[b.source])
	greater := a.value.Compare(b.value)
	source := strings.Compare(a.source, b.source)
	if strings.HasPrefix(a.name, definition.ConsentPrefix) { // the newest word counts, whoever says it; of two at once the refusal
		return cmp.Or(newer, refusal(a.value)-refusal(b.value), greater, source)
	}
	switch p.plan.Profile.Survivorship[a.name] {
	case definition.Priority:
		return cmp.Or(stronger, newer, greater, source)
	case definition.First:
		return cmp.Or(-newer, stronger, greater, source)
	case definition.Largest:
		return cmp.Or(greater, newer, stronger, source)
	default:
		return cmp.Or(newer, stronger, greater, source)
	}
}

func refusal(v schemas.Value) int {
	if v.True() {
		return 0
	}
	return 1
}

// survivor finds the claim that counts among all about one attribute.
func (p *profile) survivor(claims []claim) (claim, bool) {
	if len(claims) == 0 {
		return claim{}, false
	}
	if p.plan.Profile.Survivorship[claims[0].name] == definition.Union {
		return p.union(claims)
	}
	best := -1
	since, removes := p.removal(claims)
	for i := range claims {
		if removes && (claims[i].value.Kind == schemas.Null || claims[i].time < since) {
			continue
		}
		if best < 0 || p.compareClaims(&claims[i], &claims[best]) > 0 {
			best = i
		}
	}
	if best < 0 || claims[best].value.Kind == schemas.Null {
		return claim{}, false
	}
	return claims[best], true
}

// removal finds the newest removal, where removals take what was before them.
func (p *profile) removal(claims []claim) (since schemas.Instant, removes bool) {
	rule := p.plan.Profile.Survivorship[claims[0].name]
	if rule != definition.First && rule != definition.Largest && rule != definition.Union {
		return 0, false
	}
	for i := range claims {
		if c := &claims[i]; c.value.Kind == schemas.Null && (!removes || c.time > since) {
			since, removes = c.time, true
		}
	}
	return since, removes
}

// reduce keeps of the claims about one attribute those that may still count,
// oldest first. It reports whether it had to give one up.
func (p *profile) reduce(claims []claim) (kept []claim, forgot bool) {
	slices.SortFunc(claims, func(a, b claim) int { return -p.compareClaims(&a, &b) }) // best first
	switch p.plan.Profile.Survivorship[claims[0].name] {
	case definition.First, definition.Largest:
		kept, forgot = p.candidates(claims)
	case definition.Union:
		kept, forgot = p.united(claims)
	default:
		kept = claims[:1]
	}
	slices.SortFunc(kept, func(a, b claim) int {
		return cmp.Or(cmp.Compare(a.time, b.time), a.value.Compare(b.value), strings.Compare(a.source, b.source))
	})
	return kept, forgot
}

// candidates keeps the newest removal and those claims, given best first, that
// some later removal would leave as the best: each newer than all better ones.
func (p *profile) candidates(claims []claim) (kept []claim, forgot bool) {
	since, removes := p.removal(claims)
	var removal *claim
	reaches := schemas.Instant(0) // the newest time kept so far
	for i := range claims {
		c := &claims[i]
		switch {
		case c.value.Kind == schemas.Null:
			if c.time == since && removal == nil {
				removal = c
			}
		case removes && c.time < since:
		case len(kept) > 0 && c.time <= reaches:
		case len(kept) == mostCandidates:
			forgot = true
		default:
			kept, reaches = append(kept, *c), c.time
		}
	}
	if removal != nil {
		kept = append(kept, *removal)
	}
	return kept, forgot
}

// united keeps the newest removal and, of claims given newest first, those that
// are the newest of their value and not removed, as many as a list holds.
func (p *profile) united(claims []claim) (kept []claim, forgot bool) {
	since, removes := p.removal(claims)
	var removal *claim
	known := map[schemas.Value]bool{}
	for i := range claims {
		switch c := &claims[i]; {
		case c.value.Kind == schemas.Null:
			if c.time == since && removal == nil {
				removal = c
			}
		case removes && c.time < since, known[c.value]:
		case len(kept) == expression.MostListed:
			forgot = true
		default:
			kept, known[c.value] = append(kept, *c), true
		}
	}
	if removal != nil {
		kept = append(kept, *removal)
	}
	return kept, forgot
}

// union is the list of all values that claims in any order leave.
func (p *profile) union(claims []claim) (claim, bool) {
	claims = slices.Clone(claims)
	slices.SortFunc(claims, func(a, b claim) int { return -p.compareClaims(&a, &b) })
	kept, forgot := p.united(claims)
	kept = slices.DeleteFunc(kept, func(c claim) bool { return c.value.Kind == schemas.Null })
	if len(kept) == 0 {
		return claim{}, false
	}
	newest := kept[0]
	var values []schemas.Value
	for i := range kept {
		values = append(values, kept[i].value)
	}
	slices.SortFunc(values, schemas.Value.Compare)
	newest.value = expression.ListOf(values)
	newest.cut = forgot || len(expression.Elements(newest.value)) < len(values)
	return newest, true
}

// claim adds what an event says to a fragment's claims.
func (p *profile) claim(f *schemas.Fragment, said schemas.Properties, at schemas.Instant, source string, drop func(string)) {
	all, sound := claimsOf(f.Claims)
	(&reader{bad: !sound}).whole("claims")
	for i := range said {
		name, value := said[i].Name, said[i].Value
		if !p.plan.Profile.Types[name].Holds(value) {
			drop(DropAttributeType)
			continue
		}
		if len(name) > longestName || len(value.Text) > longestAttribute {
			drop(DropAttributeTooLong)
			continue
		}
		if p.plan.Profile.Survivorship[name] == definition.Union && value.Kind != schemas.Null {
			for _, element := range expression.ValuesOf(value) {
				all = append(all, claim{name: name, value: clean(element, longestAttribute), time: at, source: source})
			}
			continue
		}
		all = append(all, claim{name: name, value: clean(value, longestAttribute), time: at, source: source})
	}
	f.Claims = p.packClaims(all, mostClaimed, drop)
}

// ofTheirTypes leaves out claims that are not of the types of today.
func (p *profile) ofTheirTypes(claims []claim) []claim {
	return slices.DeleteFunc(claims, func(c claim) bool { return !p.plan.Profile.Types[c.name].Holds(c.value) })
}

// packClaims reduces claims in any order to those worth keeping and packs them.
func (p *profile) packClaims(all []claim, most int, drop func(string)) []byte {
	slices.SortStableFunc(all, func(a, b claim) int { return strings.Compare(a.name, b.name) })
	var packed []byte
	for names := 0; len(all) > 0; names++ {
		n := 1
		for n < len(all) && all[n].name == all[0].name {
			n++
		}
		if names == most {
			drop(DropAttributesFull)
			break
		}
		kept, forgot := p.reduce(all[:n])
		switch {
		case forgot && p.plan.Profile.Survivorship[kept[0].name] == definition.Union:
			drop(DropListFull)
		case forgot:
			drop(DropClaimsForgotten)
		}
		packed = appendClaims(packed, kept)
		all = all[n:]
	}
	return packed
}

// survivors computes the person's attributes, those called names or all, from
// the claims of all fragments.
func (p *profile) survivors(fragments []schemas.Fragment, wanted func(name string) bool) []claim {
	var all, survive []claim
	for i := range fragments {
		claims, sound := claimsOf(fragments[i].Claims)
		(&reader{bad: !sound}).whole("claims")
		for _, c := range claims {
			if wanted(c.name) {
				all = append(all, c)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b claim) int { return strings.Compare(a.name, b.name) })
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].name == all[0].name {
			n++
		}
		if c, ok := p.survivor(all[:n]); ok {
			survive = append(survive, c)
		}
		all = all[n:]
	}
	return survive
}
