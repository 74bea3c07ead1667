package profile

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// Further reasons of a group's word to its members.
const (
	ReasonFurther = "time passed" // how a term will go on, further than was told
	ReasonCrowded = "group too large"
	ReasonRoom    = "group not too large any more"
)

// mostEnrolled bounds how many identifiers a group knows. Up to it, what a
// group says is a function of the set of its members.
const mostEnrolled = 500

// gathering is the work of one step on a group's row.
type gathering struct {
	*profile
	kind *kind // nil: no definition names it, so nobody asks
	key  string
	row  *schemas.ProfileRow
	now  schemas.Instant
	out  *stage.Out[schemas.ProfileRow]
	room *room

	before  int                        // how many people were in it before one went; 0: none did
	touched map[int64]bool             // series that may be different
	all     bool                       // any may be
	idle    bool                       // nothing has changed
	joins   string                     // who knows nothing of the group yet
	refused map[string]schemas.Instant // people who had to stay outside
}

// gathering opens a group's row; nil is a new one.
func (p *profile) gathering(key string, row *schemas.ProfileRow, now schemas.Instant, out *stage.Out[schemas.ProfileRow]) *gathering {
	g := &gathering{
		profile: p, kind: p.findKind(key), key: key, row: row, now: now, out: out, room: p.room.Get().(*room),
		touched: map[int64]bool{}, refused: map[string]schemas.Instant{},
	}
	if row == nil || row.Group == nil {
		g.row = &schemas.ProfileRow{Rules: p.rules, Group: &schemas.GroupRow{}}
	}
	if g.row.Rules != p.rules {
		g.row.Rules, g.all = p.rules, true
	}
	return g
}

// enrol takes what a person says about its place in a group.
func (p *profile) enrol(in stage.In[schemas.ProfileRow, schemas.ProfileMessage], e *schemas.Enrolment, out *stage.Out[schemas.ProfileRow]) {
	g := p.gathering(in.Key, in.Row, in.Time, out)
	g.idle = !g.all
	for i := range e.Members {
		g.idle = !g.take(&e.Members[i]) && g.idle
	}
	if g.joins = e.Joins; e.Reason == schemas.ReasonErased {
		out.Purge()
	}
	g.close(e.Reason, e.EventID)
}

// people lists the people in the group and when they joined.
func (g *gathering) people() map[string]schemas.Instant {
	people := map[string]schemas.Instant{}
	for i := range g.row.Group.Members {
		m := &g.row.Group.Members[i]
		people[m.Person] = max(people[m.Person], m.Joined)
	}
	return people
}

// take replaces what is known of one identifier. False: it changes nothing.
func (g *gathering) take(m *schemas.Enrolled) bool {
	row := g.row.Group
	i, found := slices.BinarySearchFunc(row.Members, m.Identifier, func(e schemas.Enrolled, id string) int { return cmp.Compare(e.Identifier, id) })
	switch {
	case found && row.Members[i].Epoch > m.Epoch:
		g.out.Drop(DropStale)
		return false
	case found && m.Left:
		g.count()
		g.touch(row.Members[i].Series, nil)
		row.Members = slices.Delete(row.Members, i, i+1)
	case m.Left: // it had to stay outside
		return false
	case !found && len(row.Members) >= mostEnrolled:
		g.out.Drop(DropGroupFull)
		g.refused[m.Person] = m.Joined
		return false
	case found:
		if row.Members[i].Person != m.Person { // who was two people may be one now
			g.count()
		}
		g.touch(row.Members[i].Series, m.Series)
		row.Members[i] = *m
	default:
		g.touch(nil, m.Series)
		row.Members = slices.Insert(row.Members, i, *m)
	}
	return true
}

// count notes how many people there are before one goes.
func (g *gathering) count() {
	if g.before == 0 {
		g.before = len(g.people())
	}
}

// touch notes the series in which two columns differ.
func (g *gathering) touch(before, after []byte) {
	if bytes.Equal(before, after) {
		return
	}
	was, is := mustSeries(before), mustSeries(after)
	for i := range was {
		if k, found := findSeries(is, was[i].id); !found || !was[i].holds(&is[k]) {
			g.touched[was[i].id] = true
		}
	}
	for i := range is {
		if _, found := findSeries(was, is[i].id); !found {
			g.touched[is[i].id] = true
		}
	}
}

// holds reports whether s and other hold the same.
func (s *series) holds(other *series) bool {
	return bytes.Equal(s.points, other.points) && bytes.Equal(s.buckets, other.buckets)
}

// soundEnrolment reports whether all packed columns can be unpacked.
func soundEnrolment(e *schemas.Enrolment) bool {
	for i := range e.Members {
		if !soundSeries(e.Members[i].Series) {
			return false
		}
	}
	return true
}

func soundWord(w *schemas.GroupWord) bool {
	_, sound := coursesOf(w.Values)
	return sound
}

func mustSeries(column []byte) []series {
	all, sound := seriesOf(column)
	(&reader{bad: !sound}).whole("series")
	return all
}

// close ends the step: members are told what became different.
func (g *gathering) close(reason, eventID string) {
	defer g.release(g.room)
	row := g.row.Group
	if len(row.Members) == 0 {
		g.out.Delete()
		return
	}
	if g.idle {
		g.hush(schemas.GroupWord{Group: g.key, Reason: reason, EventID: eventID})
		return
	}
	people := g.people()
	wasCrowded, waited := row.Crowded, row.Waits
	g.all = g.all || waited
	if g.crowd(people); row.Crowded != wasCrowded {
		if reason, eventID = ReasonRoom, ""; row.Crowded {
			reason = ReasonCrowded
		}
	}
	word := schemas.GroupWord{Group: g.key, Crowded: row.Crowded, Reason: reason, EventID: eventID}
	if row.Waits = g.waits(); row.Waits {
		g.row.WakeAt = 0
		if wasCrowded {
			g.sayTo(people, word, func(string) ([]course, bool) { return nil, true }) // so that they send copies
			row.Values = nil
		}
	} else {
		told := mustCourses(row.Values)
		for i := range told {
			told[i].advance(g.now)
		}
		news, all := g.look(told)
		g.sayTo(people, word, func(person string) ([]course, bool) {
			if row.Crowded != wasCrowded || waited || person == g.joins { // even if all is empty: a word for an earlier joining may be on its way
				return all, true
			}
			return news, false
		})
		row.Values = appendCourses(nil, all)
		g.wake(all)
	}
	g.hush(word)
	g.out.Set(g.row)
}

// sayTo says to each member what of tells: everything, or news, if there are any.
func (g *gathering) sayTo(people map[string]schemas.Instant, word schemas.GroupWord, of func(person string) (said []course, everything bool)) {
	for _, person := range slices.Sorted(maps.Keys(people)) {
		said, everything := of(person)
		if everything || len(said) > 0 {
			w := word
			w.Joined, w.All, w.Values = people[person], everything, appendCourses(nil, said)
			g.say(person, w)
		}
	}
}

// waits reports whether copies of some members are missing, or made under other
// rules: what the group says would hang on who of them has come first. A
// crowded group has nothing to say, and waits for nothing.
func (g *gathering) waits() bool {
	return g.kind != nil && !g.row.Group.Crowded &&
		slices.ContainsFunc(g.row.Group.Members, func(m schemas.Enrolled) bool { return m.Rules != g.kind.keeping })
}

// hush makes those who had to stay outside as quiet as those inside.
func (g *gathering) hush(word schemas.GroupWord) {
	for _, person := range slices.Sorted(maps.Keys(g.refused)) {
		if !slices.ContainsFunc(g.row.Group.Members, func(m schemas.Enrolled) bool { return m.Person == person }) {
			w := word
			w.Joined, w.All, w.Crowded = g.refused[person], true, true
			g.say(person, w)
		}
	}
}

func (g *gathering) say(person string, w schemas.GroupWord) {
	stage.Emit(g.out, &topologies.ProfileLoop, person, &schemas.ProfileMessage{To: person, Cause: g.now, Word: &w})
}

// crowd decides whether the group is too large. One that was is looked at again
// only when somebody has left or the rules are others: as long as it keeps
// nothing, it cannot know how large it would be.
func (g *gathering) crowd(people map[string]schemas.Instant) {
	row := g.row.Group
	limit := mostEnrolled
	if g.kind != nil {
		limit = g.kind.Limit
	}
	switch tooMany := len(people) > limit || len(row.Members) >= mostEnrolled; {
	case row.Crowded && !tooMany && (g.all || len(people) < g.before):
		row.Crowded = false
	case !row.Crowded && (tooMany || g.size() > mostRow):
		g.out.Drop(DropGroupCrowded)
		row.Crowded = true
	}
	if !row.Crowded {
		return
	}
	for i := range row.Members {
		row.Members[i].Series, row.Members[i].Rules = nil, 0
	}
	g.all = true // all is empty
}

// size estimates the encoded size of the row.
func (g *gathering) size() int {
	size := 0
	for i := range g.row.Group.Members {
		m := &g.row.Group.Members[i]
		size += 48 + len(m.Identifier) + len(m.Person) + len(m.Series)
	}
	return size
}

// look computes the terms that may be different, and returns the courses that
// are, and all that say anything. Told is what was told, as of now.
func (g *gathering) look(told []course) (news, all []course) {
	if g.kind == nil {
		return nil, nil
	}
	fresh := g.courses(told)
	for _, c := range fresh {
		place, _ := g.findTerm(c.id)
		before := course{id: c.id, value: g.terms[place].empty}
		if i, found := findCourse(told, c.id); found {
			before = told[i]
		}
		if !before.alike(&c) {
			news = append(news, c)
		}
	}
	for _, c := range united(told, fresh) {
		if place, planned := g.findTerm(c.id); planned && !c.idle(g.terms[place].empty) {
			all = append(all, c)
		}
	}
	return news, all
}

// courses computes the courses of the terms that may be different, by id.
func (g *gathering) courses(told []course) []course {
	due := map[int64]bool{}
	for i := range told {
		due[told[i].id] = told[i].due != 0 && told[i].due <= g.now
	}
	columns := make([][]series, len(g.row.Group.Members))
	for i := range columns {
		columns[i] = mustSeries(g.row.Group.Members[i].Series)
	}
	gathered, of := &g.room.gathered, -1
	var fresh []course
	for _, place := range g.kind.terms {
		t := &g.terms[place]
		id := g.asked[t.series].ID
		if !g.all && !g.touched[id] && !due[t.ID] {
			continue
		}
		if of != t.series {
			of = t.series
			gathered.clear()
			for _, all := range columns {
				if k, found := findSeries(all, id); found {
					gathered.gather(&all[k])
				}
			}
		}
		fresh = append(fresh, t.courseOf(gathered, g.now))
	}
	slices.SortFunc(fresh, func(a, b course) int { return cmp.Compare(a.id, b.id) })
	return fresh
}

// wake makes the row wake when a course must be told further.
func (g *gathering) wake(all []course) {
	g.row.WakeAt = 0
	for i := range all {
		if due := all[i].due; due != 0 && (g.row.WakeAt == 0 || due < g.row.WakeAt) {
			g.row.WakeAt = due
		}
	}
}
