package profile

import (
	"cmp"
	"slices"

	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// The reasons of a Change that is caused neither by an event, whose name is
// the reason then, nor by a closing window.
const (
	ReasonArrived    = "merged"
	ReasonLeft       = "parted"
	ReasonDefinition = "definition"
	ReasonCut        = "row cut" // see bound.go
	ReasonExpired    = "expired" // nobody with a name, and silent for too long
)

// MergedInto is the reason of a Change by which a person ends.
func MergedInto(person string) string { return "merged into " + person }

// WindowClosed is the reason of a Change that the passing of time caused.
func WindowClosed(short string) string { return "window of " + short + " closed" }

// visit is the work of one step on one row.
type visit struct {
	*profile
	person string
	row    *schemas.ProfileRow
	now    schemas.Instant
	out    *stage.Out[schemas.ProfileRow]
	room   *room

	known   bool     // the row had fragments before
	members []string // their identifiers, before any came or went; nil: none did
	movedTo string   // where the last fragment went to
	woken   bool     // the step is a wake
	erased  bool     // a fragment was
	forgot  bool     // an identifier was forgotten, which the row held or forwards for

	everything bool            // any term and attribute may have changed
	restate    bool            // what is known is told again, since others may ask for it now
	touched    []int           // places in asked whose terms may have changed
	names      map[string]bool // attributes that may have changed
	earlier    bool            // the person was first seen earlier than was known
	columns    [][]series      // of row.Fragments, unpacked when needed

	enrolment
	word *schemas.GroupWord // of a group, to be told
}

// visit opens a row; nil is a new one. A row from before a change of
// definitions is brought up to date first, with a Change of its own.
func (p *profile) visit(person string, row *schemas.ProfileRow, now schemas.Instant, out *stage.Out[schemas.ProfileRow]) *visit {
	r := p.room.Get().(*room)
	v := &r.visit
	*v = visit{profile: p, person: person, row: row, now: now, out: out, room: r, touched: r.touched[:0]}
	if row == nil {
		v.row = &schemas.ProfileRow{Rules: p.rules}
	}
	v.known = len(v.row.Fragments) > 0 && !v.row.Expired
	if v.row.Expired {
		v.members, v.everything = []string{}, true // whoever comes back is told anew
	}
	r.columns = slices.Grow(r.columns[:0], len(v.row.Fragments))[:len(v.row.Fragments)]
	clear(r.columns)
	v.columns = r.columns
	if v.row.Rules != p.rules {
		if v.adopt(); !v.row.Expired { // of nobody nothing is told
			v.tell(ReasonDefinition, "")
		}
	}
	v.tellHeard()
	return v
}

// adopt brings the row to the rules of today.
func (v *visit) adopt() {
	for i := range v.row.Fragments {
		if f := &v.row.Fragments[i]; f.Rules != v.keeping {
			v.refit(v.room, f)
			v.columns[i] = nil
		}
	}
	v.row.Rules = v.rules
	v.everything, v.restate, v.enrolment.all = true, true, true
}

// close ends the visit: what became different is told, and the row is stored.
func (v *visit) close(reason, eventID string) {
	v.forget()
	v.bound()
	switch {
	case v.erased:
		v.erase()
		v.leaveRoom()
		return
	case len(v.row.Fragments) == 0:
		v.leave()
	case v.silent() && v.woken:
		v.expire()
	case v.silent():
		v.suspend(reason, eventID)
	default:
		v.row.ForwardTo = ""
		v.tell(reason, eventID)
		v.wakeToForget()
	}
	if len(v.row.Fragments)+len(v.row.Parked) == 0 && v.row.ForwardTo == "" {
		v.out.Delete()
	} else {
		v.out.Set(v.row)
	}
	v.leaveRoom()
}

// leaveRoom gives the room to whoever comes next; what lay in it may go.
func (v *visit) leaveRoom() {
	r, p := v.room, v.profile
	clear(r.series)
	clear(r.columns)
	clear(r.properties)
	r.series, r.properties, r.visit = r.series[:0], r.properties[:0], visit{}
	p.release(r)
}

// leave empties the row of a person who holds nothing any more.
func (v *visit) leave() {
	forwardTo := v.movedTo
	if forwardTo == "" {
		forwardTo = v.row.ForwardTo
	}
	v.unenrol(ReasonLeft)
	switch {
	case v.forgot && v.movedTo == "":
		v.tellForgotten()
		forwardTo = ""
	case v.known:
		v.emit(&schemas.Change{Reason: MergedInto(forwardTo), Gone: true, MergedInto: forwardTo})
	}
	v.row = &schemas.ProfileRow{ForwardTo: forwardTo, Rules: v.rules, Parked: v.row.Parked}
}

func (v *visit) emit(c *schemas.Change) {
	c.Person, c.Cause = v.person, v.now
	stage.Emit(v.out, &topologies.Changes, v.person, c)
}

// tell emits one Change of everything that became different since the last
// one, if anything did, and sets the row's wake.
func (v *visit) tell(reason, eventID string) {
	c := &schemas.Change{Reason: reason, EventID: eventID}
	v.tellTerms(c)
	v.tellAttributes(c)
	v.tellIdentifiers(c)
	v.tellGroups(c, reason, eventID)
	if len(c.Features)+len(c.Attributes)+len(c.Identifiers) > 0 {
		switch {
		case c.Reason != "":
		case len(c.Features) > 0:
			c.Reason = v.windowClosed(c)
		default:
			c.Reason = ReasonCut
		}
		v.emit(c)
	}
	v.everything, v.restate, v.earlier, v.names, v.members = false, false, false, nil, nil
	v.touched, v.room.touched = v.touched[:0], v.touched[:0]
}

// tellTerms evaluates the terms that may have changed. What was told about the
// others is copied as it lies there.
func (v *visit) tellTerms(c *schemas.Change) {
	due := v.row.WakeAt != 0 && v.row.WakeAt <= v.now
	dwells := v.dwellsInQuestion()
	if !v.everything && len(v.touched) == 0 && !due && len(dwells) == 0 && !v.namesDate() {
		return
	}
	v.room.places = v.inQuestion(due, append(v.room.places[:0], dwells...))
	fresh := v.evaluate(v.room.places)
	v.room.fresh = fresh
	packed := v.room.terms[:0]
	r := reader{rest: v.row.Terms}
	told, more := nextTold(&r)
	v.row.WakeAt = 0
	for more || len(fresh) > 0 {
		if len(fresh) == 0 || more && told.id < fresh[0].id {
			if !v.everything || v.planned(told.id) { // else of an earlier plan: nobody asks any more
				packed = append(packed, told.packed...)
				v.wakeAt(told.due)
			}
			told, more = nextTold(&r)
			continue
		}
		next := fresh[0]
		fresh = fresh[1:]
		empty := v.terms[next.place].empty
		before := empty
		if more && told.id == next.id {
			before = (&reader{rest: told.value}).value()
			told, more = nextTold(&r)
		}
		if next.value != before || v.restate && next.value != empty {
			c.Features = append(c.Features, schemas.Feature{ID: next.id, Value: next.value})
		}
		if next.value != empty || next.due != 0 {
			packed = appendTold(packed, &next)
			v.wakeAt(next.due)
		}
	}
	r.whole("terms")
	v.row.Terms, v.room.terms = append(v.row.Terms[:0], packed...), packed
}

// wakeAt makes the row wake at t, or before.
func (v *visit) wakeAt(t schemas.Instant) {
	if t != 0 && (v.row.WakeAt == 0 || t < v.row.WakeAt) {
		v.row.WakeAt = t
	}
}

// inQuestion lists the places of the terms that may have changed, with those
// that do for other reasons than their series, sorted by series.
func (v *visit) inQuestion(due bool, places []int) []int {
	if v.everything {
		for i := range v.row.Fragments {
			for _, s := range v.seriesOfFragment(i) {
				if a, planned := v.findAsked(s.id); planned {
					places = append(places, v.asked[a].terms...)
				}
			}
		}
	}
	for _, a := range v.touched {
		places = append(places, v.asked[a].terms...)
	}
	places = v.datesInQuestion(places)
	if due || v.everything {
		r := reader{rest: v.row.Terms}
		for told, more := nextTold(&r); more; told, more = nextTold(&r) {
			if !v.everything && (told.due == 0 || told.due > v.now) {
				continue // most: not worth a search
			}
			if place, planned := v.findTerm(told.id); planned {
				places = append(places, place)
			}
		}
	}
	slices.SortFunc(places, func(a, b int) int {
		return cmp.Or(cmp.Compare(v.terms[a].series, v.terms[b].series), cmp.Compare(a, b))
	})
	return slices.Compact(places)
}

// evaluate computes terms, given sorted by series, and returns them by id.
func (v *visit) evaluate(places []int) []told {
	fresh := v.room.fresh[:0]
	var believed []claim
	for i, place := range places {
		t := &v.terms[place]
		if t.dwell != nil {
			value, due := v.dwell(t)
			fresh = append(fresh, told{t.ID, due, value, place})
			continue
		}
		if t.series < 0 {
			if believed == nil {
				believed = v.datesBelieved()
			}
			value, due := t.OfDate(valueOf(believed, t.Series.Attribute), v.now)
			fresh = append(fresh, told{t.ID, due, value, place})
			continue
		}
		if i == 0 || t.series != v.terms[places[i-1]].series {
			v.gather(t.series)
		}
		value, due := t.evaluate(&v.room.gathered, v.now)
		fresh = append(fresh, told{t.ID, due, value, place})
	}
	slices.SortFunc(fresh, func(a, b told) int { return cmp.Compare(a.id, b.id) })
	return fresh
}

// gather unites a series over all fragments.
func (v *visit) gather(place int) {
	g := &v.room.gathered
	g.clear()
	for i := range v.row.Fragments {
		all := v.seriesOfFragment(i)
		if at, found := findSeries(all, v.asked[place].ID); found {
			g.gather(&all[at])
		}
	}
}

func (v *visit) seriesOfFragment(i int) []series {
	if v.columns[i] == nil {
		from := len(v.room.series)
		all, sound := appendUnpacked(v.room.series, v.row.Fragments[i].Series)
		(&reader{bad: !sound}).whole("series")
		v.room.series = append(all, series{}) // room for a new one
		v.columns[i] = all[from:len(all):min(len(all)+1, cap(all))]
	}
	return v.columns[i]
}

// tellAttributes compares the attributes that may have changed with what was
// last told.
func (v *visit) tellAttributes(c *schemas.Change) {
	if !v.everything && len(v.names) == 0 {
		return
	}
	told, sound := attributesOf(v.row.Told)
	(&reader{bad: !sound}).whole("told")
	wanted := func(name string) bool { return v.everything || v.names[name] }
	var kept schemas.Properties
	survive := v.survivors(v.row.Fragments, wanted)
	for len(told) > 0 || len(survive) > 0 {
		switch {
		case len(survive) == 0 || len(told) > 0 && told[0].Name < survive[0].name:
			if wanted(told[0].Name) {
				c.Attributes = append(c.Attributes, schemas.Property{Name: told[0].Name})
			} else {
				kept = append(kept, told[0])
			}
			told = told[1:]
		default:
			now := schemas.Property{Name: survive[0].name, Value: survive[0].value}
			if len(told) == 0 || told[0] != now || v.restate {
				c.Attributes = append(c.Attributes, now)
				if survive[0].cut {
					v.out.Drop(DropListFull)
				}
			}
			if len(told) > 0 && told[0].Name == now.Name {
				told = told[1:]
			}
			kept, survive = append(kept, now), survive[1:]
		}
	}
	v.row.Told = appendAttributes(v.row.Told[:0], kept)
}

// tellIdentifiers tells the person's identifiers if they are not those that
// were told.
func (v *visit) tellIdentifiers(c *schemas.Change) {
	if v.members == nil && !v.restate {
		return
	}
	if now := v.identifiers(); v.restate || !slices.Equal(now, v.members) {
		for _, key := range now {
			if schemas.IsSession(key) {
				continue // a shared device is nobody's address once the session is over
			}
			c.Identifiers = append(c.Identifiers, schemas.IdentifierOf(key))
		}
		if len(c.Identifiers) == 0 && len(now) > 0 && (v.restate || slices.ContainsFunc(v.members, func(key string) bool { return !schemas.IsSession(key) })) {
			c.Identifiers = []schemas.Identifier{{}} // else the last ones would stay with those who were told
		}
	}
}

func (v *visit) identifiers() []string {
	keys := make([]string, 0, len(v.row.Fragments))
	for i := range v.row.Fragments {
		keys = append(keys, v.row.Fragments[i].Identifier)
	}
	return keys
}

// find finds the fragment of an identifier, or where it would be.
func (v *visit) find(identifier string) (int, bool) {
	return slices.BinarySearchFunc(v.row.Fragments, identifier,
		func(f schemas.Fragment, key string) int { return cmp.Compare(f.Identifier, key) })
}

// add puts a fragment in its place, which must be free.
func (v *visit) add(i int, f schemas.Fragment) {
	v.beforeMembersChange()
	v.row.Fragments = slices.Insert(v.row.Fragments, i, f)
	v.columns = slices.Insert(v.columns, i, nil)
}

// remove takes a fragment out of the row.
func (v *visit) remove(i int) schemas.Fragment {
	v.beforeMembersChange()
	f := v.row.Fragments[i]
	if !v.came(f.Identifier) && len(v.row.Groups) > 0 {
		v.went = append(v.went, schemas.Enrolled{Identifier: f.Identifier, Epoch: f.Epoch, Left: true})
	}
	v.row.Fragments = slices.Delete(v.row.Fragments, i, i+1)
	v.columns = slices.Delete(v.columns, i, i+1)
	return f
}

func (v *visit) beforeMembersChange() {
	if v.members == nil {
		v.members = v.identifiers()
	}
}
