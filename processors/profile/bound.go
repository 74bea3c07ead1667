package profile

import (
	"slices"

	"kairos/schemas"
)

// mostRow bounds a row, in bytes. A row that reaches it loses, step by step
// and counted, ever more of what is oldest: timelines, event ids, exact points
// (they become buckets), old buckets, attributes late in the alphabet. Below
// it nothing is lost, and only below it are rows independent of the order of
// arrival.
const mostRow = 480 << 10 // and what the estimate below does not see: 512 KiB at most

// enough is what a row that reached its bound is cut to, so that it does not
// reach it again with the next event.
const enough = mostRow / 4 * 3

// bound keeps the row below its bound.
func (v *visit) bound() {
	if sizeOf(v.row) <= mostRow {
		return
	}
	v.out.Drop(DropRowFull)
	v.everything, v.enrolment.all = true, true
	for step := 1; step <= lastStep && sizeOf(v.row) > enough; step++ {
		for i := range v.row.Fragments {
			v.shorten(v.room, &v.row.Fragments[i], step)
			v.columns[i] = nil
		}
	}
	for i := 0; i < len(v.row.Fragments) && sizeOf(v.row) > mostRow; i++ {
		v.row.Fragments[i].Series, v.columns[i] = nil, nil
	}
}

// lastStep of shortening leaves one bucket per series and no more.
const lastStep = 13

// shorten halves the limits of a fragment step times.
func (p *profile) shorten(r *room, f *schemas.Fragment, step int) {
	past, pastSound := moments(f.Timeline)
	all, seriesSound := seriesOf(f.Series)
	claims, claimsSound := claimsOf(f.Claims)
	(&reader{bad: !pastSound || !seriesSound || !claimsSound}).whole("fragment")
	f.Timeline = newest(f.Timeline, len(past), p.plan.Profile.TimelineEvents>>step)
	if most := mostRecent >> step * recentBytes; len(f.Recent) > most {
		f.Recent = f.Recent[len(f.Recent)-most:]
	}
	for k := range all {
		place, planned := p.findAsked(all[k].id)
		if !planned {
			continue
		}
		c := p.contents(r, &p.asked[place], &all[k], f.Now)
		c.exact >>= step
		c.fit()
		c.coarsen(512 >> step)
		all[k] = c.pack(all[k])
	}
	f.Series = appendSeries(nil, all)
	f.Claims = p.packClaims(claims, mostClaimed>>step, func(string) {})
}

// coarsen gives up the oldest buckets until at most so many are left. What
// some term looks at for ever still counts for it.
func (c *contents) coarsen(most int) {
	excess := len(c.buckets) - most
	if excess <= 0 {
		return
	}
	given := c.buckets[:excess]
	c.buckets = slices.Clone(c.buckets[excess:])
	for _, b := range given {
		c.since = max(c.since, b.newest)
		if c.asked.forEver {
			b.level = old
			c.put(b)
		}
	}
}

// sizeOf estimates the encoded size that a row is going to have.
func sizeOf(row *schemas.ProfileRow) int {
	size, claimed := len(row.Terms)+sizeOfParked(row.Parked), 0
	for i := range row.Fragments {
		f := &row.Fragments[i]
		claimed += len(f.Claims)
		size += 64 + len(f.Identifier) + len(f.Recent) + len(f.Claims) + len(f.Series) + len(f.Timeline)
		for _, source := range f.Sources {
			size += 2 + len(source)
		}
	}
	return size + claimed // for what is about to be told of the claims, at most as long as they are
}

func sizeOfParked(parked []schemas.PersonEvent) int {
	size := 0
	for i := range parked {
		size += sizeOfEvent(&parked[i])
	}
	return size
}

// sizeOfEvent estimates the encoded size of a message.
func sizeOfEvent(m *schemas.PersonEvent) int {
	size := 32 + len(m.Person) + len(m.Identifier) + len(m.MoveTo) + len(m.Reason)
	if m.Event == nil {
		return size
	}
	size += 32 + len(m.Event.ID) + len(m.Event.Name) + len(m.Event.Source)
	for _, id := range m.Event.Identifiers {
		size += 4 + len(id.Namespace) + len(id.Value)
	}
	for _, list := range [...]schemas.Properties{m.Event.Properties, m.Event.Attributes} {
		for i := range list {
			size += 16 + len(list[i].Name) + len(list[i].Value.Text)
		}
	}
	return size
}
