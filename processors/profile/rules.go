package profile

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/cespare/xxhash/v2"

	"kairos/processors/arena"
	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/schemas"
)

// profile is the plan, arranged for the stage's work.
type profile struct {
	plan    *definition.Plan
	rules   int64 // fingerprint of what rows depend on
	keeping int64 // fingerprint of what fragments depend on
	terms   []term
	asked   []asked                    // by rising series id
	index   *expression.Index          // places in asked, by event
	dwells  []int                      // places in terms
	dates   map[string][]int           // places in terms, by the attribute that they look at
	expires map[string]schemas.Instant // of the namespaces that expire
	kinds   []kind                     // of groups, by name

	deciding deciding
	room     sync.Pool // of *room
}

// room is memory that steps use one after the other. Nothing in it outlives
// the step.
type room struct {
	visit      visit
	columns    [][]series
	touched    []int
	places     []int
	series     []series
	contents   contents
	points     []point
	buckets    []bucket
	gathered   gathered
	fresh      []told
	terms      []byte
	properties schemas.Properties
	moment     []byte
	packed     arena.Of[byte]
}

// release gives a room to whoever comes next.
func (p *profile) release(r *room) {
	r.packed.Clear()
	p.room.Put(r)
}

// take gives room to append n bytes to, which holds until the visit is over.
func (r *room) take(n int) []byte { return r.packed.Take(n)[:0] }

// asked is a series together with what its terms need of it.
type asked struct {
	*expression.Series
	terms   []int           // places in profile.terms of those that ask the person
	kinds   []string        // of groups whose members other terms ask
	forEver bool            // some term looks at it for ever
	longest schemas.Instant // the longest window of the others
	level   uint8           // levelOf(longest)
	unique  bool            // some term counts different values
	inOrder bool            // sequences look at it
	extras  extras          // what else terms ask for

	calendar *expression.Calendar // all terms look at its current period only
}

// term is an expression.Term with what is derived from it.
type term struct {
	*expression.Term
	series   int // place in profile.asked; -1: a date's, or a dwell's, which looks at those of its parts
	dwell    *dwell
	window   schemas.Instant
	level    uint8 // levelOf(window)
	calendar *expression.Calendar
	empty    schemas.Value
	looks    bool // see look
}

func compile(plan *definition.Plan) *profile {
	p := &profile{plan: plan, dates: map[string][]int{}, expires: map[string]schemas.Instant{}}
	for i := range plan.Identity.Namespaces {
		if n := &plan.Identity.Namespaces[i]; n.Expires > 0 {
			p.expires[n.Name] = schemas.Instant(n.Expires.Milliseconds())
		}
	}
	p.room.New = func() any { return &room{} }
	byID := map[int64]*expression.Series{}
	for _, s := range plan.Series {
		byID[s.ID] = s
	}
	for _, t := range plan.Terms {
		if t.Dwell == nil && t.Series.Attribute == "" {
			byID[t.Series.ID] = t.Series
		}
		p.terms = append(p.terms, term{Term: t})
	}
	slices.SortFunc(p.terms, func(a, b term) int { return cmp.Compare(a.ID, b.ID) })
	var series []*expression.Series
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		series = append(series, byID[id])
		p.asked = append(p.asked, asked{Series: byID[id], calendar: byID[id].Calendar})
	}
	p.index = expression.NewIndex(series)
	for i := range p.terms {
		p.attach(i)
	}
	for i := range p.asked {
		a := &p.asked[i]
		if a.calendar != nil {
			a.longest, a.forEver = 0, false
		} else if keep := schemas.Instant(a.Keep.Milliseconds()); keep > 0 {
			a.longest = max(a.longest, keep)
		} else {
			a.forEver = true
		}
		a.level = levelOf(a.longest)
	}
	p.gatherKinds()
	p.keeping, p.rules = p.fingerprints()
	return p
}

// attach ties a term to its series.
func (p *profile) attach(i int) {
	t := &p.terms[i]
	if t.Dwell != nil {
		p.attachDwell(i)
		return
	}
	t.empty = t.Empty()
	if name := t.Series.Attribute; name != "" {
		t.series, p.dates[name] = -1, append(p.dates[name], i)
		return
	}
	t.series, _ = p.findAsked(t.Series.ID)
	t.window, t.calendar = schemas.Instant(t.Window.Milliseconds()), t.Series.Calendar
	t.level = levelOf(t.window)
	t.looks = t.Limit != 0 || t.Aggregate > expression.Unique
	a := &p.asked[t.series]
	if t.Kind == "" {
		a.terms = append(a.terms, i)
	} else if !slices.Contains(a.kinds, t.Kind) {
		a.kinds = append(a.kinds, t.Kind)
	}
	a.longest = max(a.longest, t.window)
	a.forEver = a.forEver || t.window == 0
	a.unique = a.unique || t.Aggregate == expression.Unique
	a.inOrder = a.inOrder || t.Sequence != nil
	a.extras.add(t.Term)
}

// attachDwell ties a dwell to the series of its parts.
func (p *profile) attachDwell(i int) {
	t := &p.terms[i]
	t.series, t.dwell, t.empty = -1, p.dwellOf(t.Dwell), t.Empty()
	p.dwells = append(p.dwells, i)
	for _, part := range t.dwell.parts {
		place, _ := p.findAsked(p.terms[part].Series.ID)
		a := &p.asked[place]
		if len(a.terms) == 0 || a.terms[len(a.terms)-1] != i {
			a.terms = append(a.terms, i)
		}
		if window := p.terms[part].Window; window != 0 {
			a.longest = max(a.longest, schemas.Instant(window.Milliseconds())+t.dwell.length)
		}
	}
}

// fingerprints tells apart what fragments depend on, and what rows do: that,
// the terms, and who asks for what is in them, since whoever begins to ask must
// be told. Neither is ever zero.
func (p *profile) fingerprints() (fragments, rows int64) {
	h := xxhash.New()
	rules := &p.plan.Profile
	fmt.Fprintln(h, rules.TimelineEvents, rules.ExactPoints)
	for _, name := range slices.Sorted(maps.Keys(rules.Survivorship)) {
		fmt.Fprintf(h, "field %q %d\n", name, rules.Survivorship[name])
	}
	for _, source := range slices.Sorted(maps.Keys(rules.SourcePriority)) {
		fmt.Fprintf(h, "source %q %d\n", source, rules.SourcePriority[source])
	}
	for _, name := range slices.Sorted(maps.Keys(rules.Types)) {
		fmt.Fprintf(h, "type %q %d\n", name, rules.Types[name])
	}
	for _, event := range slices.Sorted(maps.Keys(p.plan.Expires)) {
		fmt.Fprintf(h, "expires %q %d\n", event, p.plan.Expires[event])
	}
	for i := range p.asked {
		p.asked[i].describe(h)
	}
	if slices.ContainsFunc(p.terms, func(t term) bool { return t.calendar != nil || t.Unit != nil }) {
		fmt.Fprintln(h, "zones", expression.ZoneDataID())
	}
	fragments = max(int64(h.Sum64()>>1), 1)
	for i := range p.terms {
		fmt.Fprintln(h, "term", p.terms[i].ID)
	}
	for _, namespace := range slices.Sorted(maps.Keys(p.expires)) {
		fmt.Fprintf(h, "forget %q %d\n", namespace, p.expires[namespace])
	}
	fmt.Fprintln(h, p.plan.Fingerprint())
	return fragments, max(int64(h.Sum64()>>1), 1)
}

// describe writes what of a decides what its series hold.
func (a *asked) describe(h io.Writer) {
	fmt.Fprintln(h, "series", a.ID, a.forEver, a.longest, a.unique)
	if a.extras != (extras{}) {
		fmt.Fprintln(h, a.extras)
	}
}

func (p *profile) findAsked(id int64) (int, bool) {
	return slices.BinarySearchFunc(p.asked, id, func(a asked, id int64) int { return cmp.Compare(a.ID, id) })
}

func (p *profile) planned(id int64) bool {
	_, planned := p.findTerm(id)
	return planned
}

func (p *profile) findTerm(id int64) (int, bool) {
	return slices.BinarySearchFunc(p.terms, id, func(t term, id int64) int { return cmp.Compare(t.ID, id) })
}
