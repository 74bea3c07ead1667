package profile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// kind is a kind of group and the terms that ask its members.
type kind struct {
	*definition.Group
	terms   []int // places in profile.terms, by series
	keeping int64 // fingerprint of what copies of fragments depend on; never 0
}

// deciding is what puts people into groups.
type deciding struct {
	terms      map[int64]bool
	attributes map[string]bool
}

// gatherKinds gathers the terms of each kind of group.
func (p *profile) gatherKinds() {
	p.deciding = deciding{map[int64]bool{}, map[string]bool{}}
	for i := range p.plan.Groups {
		k := kind{Group: &p.plan.Groups[i]}
		for place := range p.terms {
			if p.terms[place].Kind == k.Name {
				k.terms = append(k.terms, place)
			}
		}
		slices.SortStableFunc(k.terms, func(a, b int) int { return cmp.Compare(p.terms[a].series, p.terms[b].series) })
		k.keeping = p.copied(k.Name)
		p.kinds = append(p.kinds, k)
		p.decidedBy(k.By)
	}
}

// copied is a fingerprint of what groups of a kind get copies of. Never 0.
func (p *profile) copied(kind string) int64 {
	h := xxhash.New()
	fmt.Fprintln(h, p.plan.Profile.ExactPoints, expression.ZoneDataID())
	for i := range p.asked {
		if a := &p.asked[i]; slices.Contains(a.kinds, kind) {
			a.describe(h)
			fmt.Fprintln(h, p.plan.Expires[a.Event])
		}
	}
	return max(int64(h.Sum64()>>1), 1)
}

// decidedBy notes what an expression that names groups looks at.
func (p *profile) decidedBy(e *expression.Expression) {
	for _, t := range e.Terms {
		p.deciding.terms[t.ID] = true
	}
	for _, name := range e.Attributes {
		p.deciding.attributes[name] = true
	}
}

// keyOf is the key of a group's row. No person's id holds a colon.
func keyOf(kind, name string) string { return kind + ":" + name }

func kindOf(group string) string {
	kind, _, _ := strings.Cut(group, ":")
	return kind
}

func (p *profile) findKind(group string) *kind {
	name := kindOf(group)
	i, found := slices.BinarySearchFunc(p.kinds, name, func(k kind, name string) int { return cmp.Compare(k.Name, name) })
	if !found {
		return nil
	}
	return &p.kinds[i]
}

// enrolment is what a step does to a person's place in groups.
type enrolment struct {
	carried map[string][]string // by identifier that has come in this step: where it is still enrolled
	went    []schemas.Enrolled  // identifiers that nobody else answers for
	dirty   map[string]bool     // identifiers whose series about members are different
	all     bool                // those of all identifiers may be
	wanted  *schemas.GroupWord  // by which a group asks for copies of everything
}

// regroup brings the person's place in groups up to date and tells the groups
// what concerns them. C is what has become different of the person.
func (v *visit) regroup(c *schemas.Change, reason, eventID string) {
	before := v.row.Groups
	if v.everything || v.decides(c) {
		v.row.Groups = v.groups()
		for i := range before {
			if !isIn(v.row.Groups, before[i].Group) {
				v.unsay(c, &before[i])
			}
		}
	}
	say := func(group, joins string, members []schemas.Enrolled) {
		reason, eventID := reason, eventID
		if w := v.wanted; w != nil && w.Group == group {
			reason, eventID = w.Reason, w.EventID
		}
		v.enrol(group, &schemas.Enrolment{Members: members, Joins: joins, Reason: reason, EventID: eventID})
	}
	for i := range before {
		if group := before[i].Group; !isIn(v.row.Groups, group) {
			say(group, "", v.leaving())
		}
	}
	for i := range v.row.Groups {
		b, joins := &v.row.Groups[i], ""
		if !isIn(before, b.Group) {
			joins = v.person
		}
		say(b.Group, joins, v.news(b, joins != ""))
	}
	v.release(reason, eventID)
	v.enrolment = enrolment{}
}

// release takes fragments that have come out of groups that the person is not in.
func (v *visit) release(reason, eventID string) {
	for i := range v.row.Fragments {
		f := &v.row.Fragments[i]
		for _, group := range v.carried[f.Identifier] {
			if !isIn(v.row.Groups, group) {
				v.enrol(group, &schemas.Enrolment{
					Members: []schemas.Enrolled{{Identifier: f.Identifier, Epoch: f.Epoch, Left: true}}, Reason: reason, EventID: eventID,
				})
			}
		}
	}
}

// enrol tells a group of its members, if there is anything to tell.
func (v *visit) enrol(group string, e *schemas.Enrolment) {
	if len(e.Members) > 0 {
		stage.Emit(v.out, &topologies.ProfileLoop, group, &schemas.ProfileMessage{To: group, Cause: v.now, Enrol: e})
	}
}

func isIn(all []schemas.Belonging, group string) bool {
	return slices.ContainsFunc(all, func(b schemas.Belonging) bool { return b.Group == group })
}

// handOver tells where an identifier is enrolled that is about to go to another
// person, who answers for that from then on.
func (v *visit) handOver(identifier string) []string {
	if v.came(identifier) {
		return v.carried[identifier]
	}
	var groups []string
	for i := range v.row.Groups {
		groups = append(groups, v.row.Groups[i].Group)
	}
	return groups
}

// carry notes where an identifier that has come is still enrolled.
func (v *visit) carry(identifier string, groups []string) {
	if len(groups) == 0 {
		return
	}
	if v.carried == nil {
		v.carried = map[string][]string{}
	}
	v.carried[identifier] = groups
}

// decides reports whether c may put the person into other groups.
func (v *visit) decides(c *schemas.Change) bool {
	return slices.ContainsFunc(c.Features, func(f schemas.Feature) bool { return v.deciding.terms[f.ID] }) ||
		slices.ContainsFunc(c.Attributes, func(a schemas.Property) bool { return v.deciding.attributes[a.Name] })
}

// groups lists the groups that the person is in now.
func (v *visit) groups() []schemas.Belonging {
	var all []schemas.Belonging
	for i := range v.kinds {
		k := &v.kinds[i]
		name, ok := k.Of(k.By.Eval(known{v}))
		if !ok {
			v.out.Drop(DropGroupName)
		}
		if name == "" {
			continue
		}
		b := schemas.Belonging{Group: keyOf(k.Name, name), Joined: v.now}
		for _, old := range v.row.Groups {
			if old.Group == b.Group {
				b = old
			}
		}
		all = append(all, b)
	}
	return all
}

// unsay tells that what a group said counts no more.
func (v *visit) unsay(c *schemas.Change, b *schemas.Belonging) {
	for _, said := range mustCourses(b.Values) {
		if place, planned := v.findTerm(said.id); planned && said.value != v.terms[place].empty {
			c.Features = append(c.Features, schemas.Feature{ID: said.id, Value: v.terms[place].empty})
		}
	}
}

// came reports whether the identifier was not there before the step.
func (v *visit) came(identifier string) bool {
	return v.members != nil && !slices.Contains(v.members, identifier)
}

// leaving is what a group is told that the person has left: everything that
// was enrolled there and that nobody else answers for.
func (v *visit) leaving() []schemas.Enrolled {
	members := slices.Clone(v.went)
	for i := range v.row.Fragments {
		if f := &v.row.Fragments[i]; !v.came(f.Identifier) {
			members = append(members, schemas.Enrolled{Identifier: f.Identifier, Epoch: f.Epoch, Left: true})
		}
	}
	return members
}

// news is what a group is told that the person is in: everything at first,
// then what has become different.
func (v *visit) news(b *schemas.Belonging, first bool) []schemas.Enrolled {
	var members []schemas.Enrolled
	if !first {
		members = slices.Clone(v.went)
	}
	all := first || v.enrolment.all || v.wanted != nil && v.wanted.Group == b.Group
	for i := range v.row.Fragments {
		f := &v.row.Fragments[i]
		if all || v.came(f.Identifier) || v.dirty[f.Identifier] && !b.Crowded {
			m := schemas.Enrolled{Identifier: f.Identifier, Epoch: f.Epoch, Person: v.person, Joined: b.Joined}
			if k := v.findKind(b.Group); k != nil && !b.Crowded {
				m.Series, m.Rules = v.copyFor(i, k), k.keeping
			}
			members = append(members, m)
		}
	}
	return members
}

// copyFor is what of a fragment a group of a kind needs.
func (v *visit) copyFor(i int, k *kind) []byte {
	var copied []series
	for _, s := range v.seriesOfFragment(i) {
		if place, planned := v.findAsked(s.id); planned && slices.Contains(v.asked[place].kinds, k.Name) {
			copied = append(copied, s)
		}
	}
	return appendSeries(nil, copied)
}

// soil notes that a series of a fragment is different, if groups look at it.
func (v *visit) soil(f *schemas.Fragment, place int) {
	if len(v.asked[place].kinds) == 0 || len(v.row.Groups) == 0 {
		return
	}
	if v.dirty == nil {
		v.dirty = map[string]bool{}
	}
	v.dirty[f.Identifier] = true
}

// hearGroup takes what a group says. False: it was for an earlier joining.
func (v *visit) hearGroup(w *schemas.GroupWord) bool {
	i := slices.IndexFunc(v.row.Groups, func(b schemas.Belonging) bool { return b.Group == w.Group && b.Joined == w.Joined })
	if i < 0 {
		return false
	}
	b := &v.row.Groups[i]
	if b.Crowded && !w.Crowded {
		v.wanted = w // the group has kept nothing
	}
	b.Crowded = w.Crowded
	if v.listensTo() < 2 && b.Heard == nil {
		v.word = w
		return true
	}
	before := mustCourses(b.Values)
	if b.Heard != nil {
		before = mustCourses(b.Heard.Values)
	}
	b.Heard = &schemas.Heard{At: v.now, Values: appendCourses(nil, v.after(before, w)), Reason: w.Reason, EventID: w.EventID}
	return true
}

// listensTo counts the groups whose word can change anything about the person.
func (v *visit) listensTo() int {
	n := 0
	for i := range v.row.Groups {
		if k := v.findKind(v.row.Groups[i].Group); k != nil && len(k.terms) > 0 {
			n++
		}
	}
	return n
}

// after is what a group says once it has said w.
func (v *visit) after(before []course, w *schemas.GroupWord) []course {
	news := mustCourses(w.Values)
	if !w.All {
		return united(before, news)
	}
	var all []course
	for _, c := range before {
		all = append(all, course{id: c.id, value: v.emptyOf(c.id)})
	}
	return united(all, news)
}

// tellHeard tells what several groups have said at an earlier instant, all at
// once: nothing of that instant is under way any more, and in which order they
// said it is nobody's business.
func (v *visit) tellHeard() {
	if len(v.row.Groups) == 0 {
		return
	}
	c := &schemas.Change{}
	for i := range v.row.Groups {
		b := &v.row.Groups[i]
		h := b.Heard
		if h == nil || h.At >= v.now {
			continue
		}
		b.Heard = nil
		from := len(c.Features)
		v.tellCourses(c, b, mustCourses(b.Values), mustCourses(h.Values))
		if from == 0 && len(c.Features) > 0 {
			c.Reason, c.EventID = h.Reason, h.EventID
		}
	}
	if len(c.Features) > 0 {
		sortFeatures(c)
		v.emit(c)
	}
}

func sortFeatures(c *schemas.Change) {
	slices.SortFunc(c.Features, func(a, b schemas.Feature) int { return cmp.Compare(a.ID, b.ID) })
}

// tellGroups tells what has become different of what the groups say, whether
// by their word or by the passing of time, and wakes the row for it.
func (v *visit) tellGroups(c *schemas.Change, reason, eventID string) {
	if len(v.kinds) == 0 && len(v.row.Groups) == 0 && len(v.carried) == 0 {
		return
	}
	if reason == "" && len(c.Features) > 0 {
		reason = v.windowClosed(c)
	}
	from, before := len(c.Features), len(v.row.Groups)
	v.regroup(c, reason, eventID)
	for i := range v.row.Groups {
		b := &v.row.Groups[i]
		told := mustCourses(b.Values)
		said := slices.Clone(told)
		if w := v.word; w != nil && w.Group == b.Group {
			said = v.after(said, w)
		}
		v.tellCourses(c, b, told, said)
	}
	v.word = nil
	if len(c.Features) > from {
		sortFeatures(c)
	}
	if before+len(v.row.Groups) > 0 {
		v.rewake()
	}
}

// windowClosed is the reason of a Change that only time has caused.
func (v *visit) windowClosed(c *schemas.Change) string {
	i, _ := v.findTerm(c.Features[0].ID)
	return WindowClosed(v.terms[i].Short)
}

// rewake sets the wake of the row anew: what a group said may have been what
// it was for.
func (v *visit) rewake() {
	v.row.WakeAt = 0
	r := reader{rest: v.row.Terms}
	for told, more := nextTold(&r); more; told, more = nextTold(&r) {
		v.wakeAt(told.due)
	}
	for i := range v.row.Groups {
		b := &v.row.Groups[i]
		for _, c := range mustCourses(b.Values) {
			if len(c.steps) > 0 {
				v.wakeAt(c.steps[0].at)
			}
		}
		if b.Heard != nil {
			v.wakeAt(b.Heard.At + 1)
		}
	}
}

// tellCourses compares what a group says with what was told of it.
func (v *visit) tellCourses(c *schemas.Change, b *schemas.Belonging, told, said []course) {
	kept := said[:0]
	for _, s := range said {
		place, planned := v.findTerm(s.id)
		if !planned {
			continue
		}
		s.advance(v.now)
		before, empty := v.terms[place].empty, v.terms[place].empty
		if i, found := findCourse(told, s.id); found {
			before = told[i].value
		}
		if s.value != before || v.restate && s.value != empty {
			c.Features = append(c.Features, schemas.Feature{ID: s.id, Value: s.value})
		}
		if !s.idle(empty) {
			kept = append(kept, s)
		}
	}
	b.Values = appendCourses(nil, kept)
}

func (v *visit) emptyOf(id int64) schemas.Value {
	if place, planned := v.findTerm(id); planned {
		return v.terms[place].empty
	}
	return schemas.Value{}
}

// unenrol takes a person who ends out of all groups.
func (v *visit) unenrol(reason string) {
	for i := range v.row.Groups {
		v.enrol(v.row.Groups[i].Group, &schemas.Enrolment{Members: v.leaving(), Reason: reason})
	}
}

// said is what the person's group says of a term, as of now.
func (v *visit) said(t *term) schemas.Value {
	for i := range v.row.Groups {
		if b := &v.row.Groups[i]; kindOf(b.Group) == t.Kind {
			all := mustCourses(b.Values)
			if k, found := findCourse(all, t.ID); found {
				all[k].advance(v.now)
				return all[k].value
			}
		}
	}
	return t.empty
}

// known lets an expression ask what was told about the person alone.
type known struct{ v *visit }

func (k known) Term(id int64) schemas.Value {
	r := reader{rest: k.v.row.Terms}
	for told, more := nextTold(&r); more; told, more = nextTold(&r) {
		if told.id == id {
			return (&reader{rest: told.value}).value()
		}
	}
	return schemas.Value{}
}

func (k known) Attribute(name string) schemas.Value {
	told, sound := attributesOf(k.v.row.Told)
	(&reader{bad: !sound}).whole("told")
	return told.Get(name)
}

func (k known) Score(string) schemas.Value { return schemas.Value{} }
func (k known) Audience(string) bool       { return false }
func (k known) Person() string             { return k.v.person }
