package profile

import (
	"slices"

	"kairos/schemas"
)

const (
	mostSources = 16  // per fragment; those whose names come first
	longestText = 256 // bytes of a text in a series; the rest does not count
)

// fold adds an event to a fragment, unless it is a duplicate. Cause is when it
// was accepted, as the log has it.
func (v *visit) fold(i int, e *schemas.Event, cause schemas.Instant) bool {
	f := &v.row.Fragments[i]
	f.Now = max(f.Now, cause)
	if e.ID != "" {
		duplicate, forgot := v.seen(f, e.ID, cause)
		if forgot {
			v.out.Drop(DropForgotten)
		}
		if duplicate {
			v.out.Drop(DropDuplicate)
			v.extend(i, nil, 0)
			return false
		}
	}
	at := v.timeOf(e, cause)
	v.earlier = v.earlier || f.Events == 0 || at < f.FirstSeen
	if keep := v.plan.Expires[e.Name]; keep > 0 && at.Add(keep) <= cause {
		v.out.Drop(DropEventExpired)
	}
	note(f, e, at)
	v.remember(f, e, at, cause)
	if len(e.Attributes) > 0 {
		v.claim(f, e.Attributes, at, e.Source, v.out.Drop)
		if v.names == nil {
			v.names = make(map[string]bool, len(e.Attributes))
		}
		for k := range e.Attributes {
			v.names[e.Attributes[k].Name] = true
		}
	}
	if at != e.Time { // what looks at the calendar must see the time that counts
		counting := *e
		counting.Time = at
		e = &counting
	}
	v.extend(i, e, at)
	return true
}

// earliest is the beginning of year 1: what claims to be older is taken as of
// then, so that no sum of times overflows.
const earliest schemas.Instant = -62135596800000

// timeOf is when the event happened: never after it was accepted.
func (v *visit) timeOf(e *schemas.Event, cause schemas.Instant) schemas.Instant {
	accepted := min(e.Received, cause)
	if e.Received == 0 {
		accepted = cause
	}
	if e.Time > accepted {
		v.out.Drop(DropFuture)
	}
	if e.Time == 0 || e.Time > accepted {
		return max(accepted, earliest)
	}
	return max(e.Time, earliest)
}

// note keeps what a fragment says about itself.
func note(f *schemas.Fragment, e *schemas.Event, at schemas.Instant) {
	if f.Events == 0 {
		f.FirstSeen, f.LastSeen = at, at
	}
	f.Events++
	f.FirstSeen, f.LastSeen = min(f.FirstSeen, at), max(f.LastSeen, at)
	source := cut(e.Source, longestName)
	if k, known := slices.BinarySearch(f.Sources, source); !known && source != "" {
		f.Sources = slices.Insert(f.Sources, k, source)
		f.Sources = f.Sources[:min(len(f.Sources), mostSources)]
	}
}

// remember puts the event into the fragment's timeline.
func (v *visit) remember(f *schemas.Fragment, e *schemas.Event, at, cause schemas.Instant) {
	received := e.Received
	if received == 0 {
		received = cause
	}
	r := v.room
	r.properties = appendClean(r.properties[:0], e.Properties)
	entry, wasCut := fitting(r.moment[:0], &Moment{
		Time: at, Received: max(received, at), ID: e.ID, Name: e.Name, Source: e.Source,
		Properties: r.properties, Future: e.Time > at,
	})
	r.moment = entry
	if wasCut {
		v.out.Drop(DropCut)
	}
	f.Timeline = remember(f.Timeline, entry, at, v.plan.Profile.TimelineEvents)
}

func appendClean(dst, properties schemas.Properties) schemas.Properties {
	for i := range properties {
		dst = append(dst, schemas.Property{Name: properties[i].Name, Value: clean(properties[i].Value, largestMoment)})
	}
	return dst
}

// extend adds an event, if there is one, to the series that ask for it, and
// settles the others up to the fragment's now.
func (v *visit) extend(i int, e *schemas.Event, at schemas.Instant) {
	f := &v.row.Fragments[i]
	all := v.seriesOfFragment(i)
	changed := false
	for k := range all {
		if s := &all[k]; s.settles != 0 && s.settles <= f.Now {
			if place, planned := v.findAsked(s.id); planned {
				c := v.contents(v.room, &v.asked[place], s, f.Now)
				c.settle()
				*s, changed = c.pack(*s), true
				v.soil(f, place)
			}
		}
	}
	if e != nil {
		from := len(v.touched)
		v.touched = v.index.Find(e, v.touched)
		for _, place := range v.touched[from:] {
			all, changed = v.profile.insert(v.room, all, &v.asked[place], e, at, f.Now), true
			v.soil(f, place)
		}
	}
	if changed {
		v.columns[i] = all
		f.Series = appendSeries(make([]byte, 0, len(f.Series)+64), all)
	}
}

// insert adds an event to one series of a fragment.
func (p *profile) insert(r *room, all []series, a *asked, e *schemas.Event, at, now schemas.Instant) []series {
	k, found := findSeries(all, a.ID)
	if !found {
		all = slices.Insert(all, k, series{id: a.ID})
	}
	next := point{time: at}
	if a.Value != nil {
		next.value = clean(a.Value(e), longestText)
	}
	if !all[k].follows(r, next, p.exact(a), now) {
		c := p.contents(r, a, &all[k], now)
		c.insert(next)
		all[k] = c.pack(all[k])
	}
	return all
}

// refit brings a fragment to the rules of today: series that nobody asks for
// go; new ones are made from what the timeline still holds; limits and
// survivorship are applied anew. What an earlier rule had thrown away cannot
// be known: a claim that did not count or was of another type, events before the timeline's first
// one, points that had left all windows of their time, different values in
// buckets that did not count them.
func (p *profile) refit(r *room, f *schemas.Fragment) {
	before, sound := seriesOf(f.Series)
	past, alsoSound := moments(f.Timeline)
	claims, claimsSound := claimsOf(f.Claims)
	(&reader{bad: !sound || !alsoSound || !claimsSound}).whole("fragment")
	var all []series
	for place := range p.asked {
		a := &p.asked[place]
		k, found := findSeries(before, a.ID)
		if !found {
			all = p.recall(r, all, a, f, past)
			continue
		}
		c := p.contents(r, a, &before[k], f.Now)
		c.settle()
		all = append(all, c.pack(before[k]))
	}
	f.Series = appendSeries(nil, all)
	f.Claims = p.packClaims(p.ofTheirTypes(claims), mostClaimed, func(string) {})
	f.Timeline = newest(f.Timeline, len(past), p.plan.Profile.TimelineEvents)
	f.Rules = p.keeping
}

// recall makes a series from the timeline.
func (p *profile) recall(r *room, all []series, a *asked, f *schemas.Fragment, past []Moment) []series {
	made := len(all)
	for i := range past {
		m := &past[i]
		if a.Event != "" && a.Event != m.Name {
			continue
		}
		e := &schemas.Event{
			ID: m.ID, Name: m.Name, Time: m.Time, Received: m.Received, Source: m.Source,
			Identifiers: []schemas.Identifier{schemas.IdentifierOf(f.Identifier)}, Properties: m.Properties,
		}
		if a.Match == nil || a.Match(e) {
			all = p.insert(r, all, a, e, m.Time, f.Now)
		}
	}
	since := knownSince(f, past)
	if len(all) == made && since > 0 && (a.forEver || a.leftAt(since) > f.Now) {
		all = append(all, series{id: a.ID}) // only to say that it does not know
	}
	if len(all) > made {
		all[made].since = max(all[made].since, since)
	}
	return all
}

// knownSince is the time after which a timeline tells everything.
func knownSince(f *schemas.Fragment, past []Moment) schemas.Instant {
	since := schemas.Instant(0)
	if len(past) > 0 && int64(len(past)) < f.Events {
		since = past[0].Time
	}
	for i := range past {
		if past[i].Cut {
			since = max(since, past[i].Time)
		}
	}
	return since
}

// sound reports whether all packed columns of a fragment can be unpacked.
func sound(f *schemas.Fragment) bool {
	_, timeline := moments(f.Timeline)
	_, claims := claimsOf(f.Claims)
	return soundSeries(f.Series) && timeline && claims && len(f.Recent)%recentBytes == 0
}

func soundSeries(column []byte) bool {
	all, good := seriesOf(column)
	for i := range all {
		_, points := pointsOf(nil, all[i].points)
		_, buckets := bucketsOf(nil, all[i].buckets)
		good = good && points && buckets
	}
	return good
}
