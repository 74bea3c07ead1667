package profile

import (
	"slices"
	"strings"

	"kairos/processors/definition"
	"kairos/schemas"
)

// Profile is a row as people read it.
type Profile struct {
	Person     string
	ForwardTo  string // who holds it now, if somebody else does
	At         schemas.Instant
	Identities []Identity
	Attributes []Attribute // sorted by name
	Features   []NamedFeature
	Groups     []Group          // sorted by kind
	Timeline   []TimelineMoment // newest first
	Devices    []Identity       // those identities that are devices
	Waiting    int              // messages that wait for a fragment
}

// Identity is one identifier of a person and what it brought in.
type Identity struct {
	schemas.Identifier
	FirstSeen schemas.Instant
	LastSeen  schemas.Instant
	Events    int64
	Sources   []string
}

// Attribute is what is believed about a person, and on whose word.
type Attribute struct {
	Name   string
	Value  schemas.Value
	Time   schemas.Instant
	Source string
}

// NamedFeature is the value of a feature of the plan.
type NamedFeature struct {
	Name  string
	Value schemas.Value
	Since schemas.Instant // events up to then were not all kept, so they may be missing; 0: none are
}

// Group is one that the person is in.
type Group struct {
	Kind    string
	Name    string
	Since   schemas.Instant
	Crowded bool // it has more members than its limit, so it counts for nothing
}

// TimelineMoment is a moment and the identifier that it happened under.
type TimelineMoment struct {
	Moment
	Identifier schemas.Identifier
}

// View shows a person's row at a time, under a plan: features as they are
// then, whatever was told last. Audiences and scores are not profile's to know:
// features that ask for them see none.
func View(person string, row *schemas.ProfileRow, plan *definition.Plan, at schemas.Instant) Profile {
	view := Profile{Person: person, At: at}
	if row == nil {
		return view
	}
	look := NewReader(plan).Look(person, row, at)
	shown := look.v.row
	view.ForwardTo, view.Waiting, view.Attributes = row.ForwardTo, len(row.Parked), look.attributes
	for _, b := range row.Groups {
		kind, name, _ := strings.Cut(b.Group, ":")
		view.Groups = append(view.Groups, Group{kind, name, b.Joined, b.Crowded})
	}
	for i := range shown.Fragments {
		view.addFragment(&shown.Fragments[i])
	}
	view.cutTimeline(plan.Profile.TimelineEvents)
	for i := range plan.Features {
		asks := &inputs{v: look.v, attributes: look.attributes}
		value := plan.Features[i].Expression.Eval(asks)
		view.Features = append(view.Features, NamedFeature{plan.Features[i].Name, value, asks.since})
	}
	return view
}

func (view *Profile) addFragment(f *schemas.Fragment) {
	id := Identity{schemas.IdentifierOf(f.Identifier), f.FirstSeen, f.LastSeen, f.Events, f.Sources}
	view.Identities = append(view.Identities, id)
	if isDevice(id.Namespace) {
		view.Devices = append(view.Devices, id)
	}
	past, sound := moments(f.Timeline)
	(&reader{bad: !sound}).whole("timeline")
	for _, m := range past {
		view.Timeline = append(view.Timeline, TimelineMoment{m, id.Identifier})
	}
}

// isDevice reports whether an identifier of the namespace names a device or
// what runs on one, rather than its user.
func isDevice(namespace string) bool {
	switch namespace {
	case "device_id", "anonymous_id", "cookie":
		return true
	}
	return false
}

// cutTimeline leaves the newest events of all identities, newest first.
func (view *Profile) cutTimeline(most int) {
	slices.SortStableFunc(view.Timeline, func(a, b TimelineMoment) int { return int(max(-1, min(1, a.Time-b.Time))) })
	view.Timeline = view.Timeline[max(0, len(view.Timeline)-max(most, 0)):]
	slices.Reverse(view.Timeline)
}

// inputs lets a feature's expression ask the row.
type inputs struct {
	v          *visit
	attributes []Attribute
	since      schemas.Instant
}

func (in *inputs) Term(id int64) schemas.Value {
	place, planned := in.v.findTerm(id)
	if !planned {
		return schemas.Value{}
	}
	t := &in.v.terms[place]
	if t.dwell != nil {
		for _, part := range t.dwell.parts {
			in.doubt(&in.v.terms[part])
		}
		value, _ := in.v.dwell(t)
		return value
	}
	if name := t.Series.Attribute; name != "" {
		value, _ := t.OfDate(in.Attribute(name), in.v.now)
		return value
	}
	if t.Kind != "" {
		return in.v.said(t)
	}
	in.doubt(t)
	in.v.gather(t.series)
	value, _ := t.evaluate(&in.v.room.gathered, in.v.now)
	return value
}

// doubt notes whether events that t looks at were not kept.
func (in *inputs) doubt(t *term) {
	for i := range in.v.row.Fragments {
		all := in.v.seriesOfFragment(i)
		k, found := findSeries(all, in.v.asked[t.series].ID)
		if !found {
			continue
		}
		since := all[k].since
		if buckets, _ := bucketsOf(nil, all[k].buckets); t.window != 0 && t.calendar == nil && len(buckets) > 0 && buckets[0].level == old {
			since = max(since, buckets[0].newest)
		}
		if t.leaves(since) > in.v.now {
			in.since = max(in.since, since)
		}
	}
}

func (in *inputs) Attribute(name string) schemas.Value {
	for i := range in.attributes {
		if in.attributes[i].Name == name {
			return in.attributes[i].Value
		}
	}
	return schemas.Value{}
}

func (in *inputs) Score(string) schemas.Value { return schemas.Value{} }
func (in *inputs) Audience(string) bool       { return false }
func (in *inputs) Person() string             { return in.v.person }
