package profile

import (
	"slices"

	"kairos/processors/expression"
	"kairos/schemas"
)

// mostPast is how many points of a series a dwell goes back over, the newest.
// Before them it takes for granted what was true then.
const mostPast = 256

// dwell is what is derived from an expression.Dwell.
type dwell struct {
	*expression.Dwell
	length     schemas.Instant
	parts      []int // places in profile.terms
	unprompted bool  // the condition may hold without any event that it looks at
}

func (p *profile) dwellOf(d *expression.Dwell) *dwell {
	x := &dwell{Dwell: d, length: schemas.Instant(d.For.Milliseconds())}
	for _, t := range d.Parts {
		if place, planned := p.findTerm(t.ID); planned {
			x.parts = append(x.parts, place)
		}
	}
	n := &nobody{}
	x.unprompted = d.Holds(n) || n.asked || len(d.Attributes) > 0
	return x
}

// nobody is a person of whom nothing is known, not even who it is.
type nobody struct{ asked bool }

func (n *nobody) Term(int64) schemas.Value       { return schemas.Value{} }
func (n *nobody) Attribute(string) schemas.Value { return schemas.Value{} }
func (n *nobody) Score(string) schemas.Value     { return schemas.Value{} }
func (n *nobody) Audience(string) bool           { return false }
func (n *nobody) Person() string {
	n.asked = true
	return ""
}

// lasting is the value of a term from a time on.
type lasting struct {
	from  schemas.Instant
	value schemas.Value
}

// past is how a dwell's parts, and so its condition, came to be what they are.
type past struct {
	v          *visit
	dwell      *dwell
	attributes schemas.Properties
	parts      [][]lasting // of each part, the oldest first
	at         schemas.Instant
}

// dwell returns the value of a dwell's term at now and the next instant at
// which the passing of time may give it another one; 0 for never.
func (v *visit) dwell(t *term) (value schemas.Value, due schemas.Instant) {
	d := t.dwell
	p := &past{v: v, dwell: d}
	for _, c := range v.survivors(v.row.Fragments, func(name string) bool { return slices.Contains(d.Attributes, name) }) {
		p.attributes = append(p.attributes, schemas.Property{Name: c.name, Value: c.value})
	}
	for _, place := range d.parts {
		part, next := v.pastOf(&v.terms[place], v.now-d.length)
		p.parts = append(p.parts, part)
		due = sooner(due, next)
	}
	since, holds := p.holdsSince()
	first, seen := v.firstSeen()
	full := max(since, first) + d.length
	switch {
	case !holds || !seen:
		return schemas.BooleanOf(false), due
	case full > v.now:
		return schemas.BooleanOf(false), sooner(due, full)
	default:
		return schemas.BooleanOf(true), due
	}
}

// sooner is the earlier of two instants, of which 0 is never.
func sooner(a, b schemas.Instant) schemas.Instant {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// pastOf tells the values that a term has had since a time, as far as is known
// now, and when time gives it the next one. What lies in buckets is taken as
// having been there all the time, until it leaves.
func (v *visit) pastOf(of *term, since schemas.Instant) (values []lasting, due schemas.Instant) {
	t := *of
	t.level = levelOf(v.now - since + t.window) // of cells that come about until then: which of them have must not show
	v.gather(t.series)
	g := &v.room.gathered
	points, at := g.points, since
	if n := len(points); n > mostPast {
		at = max(at, points[n-mostPast-1].time)
	}
	for {
		known := len(points)
		for known > 0 && points[known-1].time > at {
			known--
		}
		g.points = points[:known]
		var value schemas.Value
		value, due = t.evaluate(g, at)
		if n := len(values); n == 0 || values[n-1].value != value {
			values = append(values, lasting{at, value})
		}
		next := due
		if known < len(points) {
			next = sooner(next, points[known].time)
		}
		if next == 0 || next > v.now {
			g.points = points
			return values, due
		}
		at = next
	}
}

// holdsSince tells whether the condition holds now, and since when, as far
// back as the past goes.
func (p *past) holdsSince() (since schemas.Instant, holds bool) {
	var turns []schemas.Instant
	for _, part := range p.parts {
		for _, l := range part[1:] {
			turns = append(turns, l.from)
		}
	}
	slices.Sort(turns)
	turns = slices.Compact(turns)
	since = p.v.now
	for i := len(turns) - 1; i >= -1; i-- {
		p.at = p.v.now - p.dwell.length // before all turns
		if i >= 0 {
			p.at = turns[i]
		}
		if !p.dwell.Holds(p) {
			return since, holds
		}
		since, holds = p.at, true
	}
	return since, holds
}

func (p *past) Term(id int64) schemas.Value {
	for i, place := range p.dwell.parts {
		if p.v.terms[place].ID != id {
			continue
		}
		values := p.parts[i]
		for len(values) > 1 && values[len(values)-1].from > p.at {
			values = values[:len(values)-1]
		}
		return values[len(values)-1].value
	}
	return schemas.Value{}
}

func (p *past) Attribute(name string) schemas.Value { return p.attributes.Get(name) }
func (p *past) Score(string) schemas.Value          { return schemas.Value{} }
func (p *past) Audience(string) bool                { return false }
func (p *past) Person() string                      { return p.v.person }

// firstSeen is when the person's first event happened. False: there was none.
func (v *visit) firstSeen() (first schemas.Instant, seen bool) {
	for i := range v.row.Fragments {
		if f := &v.row.Fragments[i]; f.Events > 0 && (!seen || f.FirstSeen < first) {
			first, seen = f.FirstSeen, true
		}
	}
	return first, seen
}

// dwellsInQuestion lists the places of dwells that may have changed though no
// event that they look at came.
func (v *visit) dwellsInQuestion() []int {
	if len(v.dwells) == 0 {
		return nil
	}
	var places []int
	for _, place := range v.dwells {
		d := v.terms[place].dwell
		if d.unprompted && (v.everything || v.earlier) ||
			slices.ContainsFunc(d.Attributes, func(name string) bool { return v.names[name] }) {
			places = append(places, place)
		}
	}
	if !v.earlier {
		return places
	}
	for i := range v.row.Fragments { // what is in buckets may have been there before the first event
		for _, s := range v.seriesOfFragment(i) {
			if a, planned := v.findAsked(s.id); planned {
				for _, place := range v.asked[a].terms {
					if v.terms[place].dwell != nil {
						places = append(places, place)
					}
				}
			}
		}
	}
	return places
}
