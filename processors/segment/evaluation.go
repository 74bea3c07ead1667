package segment

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"kairos/processors/expression"
	"kairos/schemas"
)

// Reasons of transitions that no input of the audience explains.
const (
	reasonFirst      = "first seen"
	reasonDefinition = "definition"
	reasonMerged     = "merged"
	reasonGone       = "gone"
	reasonSchedule   = "schedule"
	reasonExpired    = "expired"
)

// cause is why a person is looked at again.
type cause struct {
	person  string
	at      schemas.Instant
	reason  string
	eventID string
}

// evaluation looks again at audiences of one line, for one person and cause.
type evaluation struct {
	rules       *rules
	cause       cause
	now         schemas.Instant // of the row: not before the cause
	row         *schemas.SegmentRow
	person      expression.Inputs
	scored      bool    // the line
	touched     []touch // sorted by audience from sort on
	first       bool    // of the person
	transitions []schemas.Transition
}

// touch is an audience to look at, and a changed input that it uses.
type touch struct {
	audience int32
	input    *input // nil: otherwise tells why
	why      string
}

// touch notes the readers of in that what is known of the person lets hold.
func (e *evaluation) touch(in *input) {
	e.note(in, in.readers)
	e.touchGuarded(in)
}

func (e *evaluation) note(in *input, readers []int32) {
	e.touched = slices.Grow(e.touched, len(readers))
	for _, reader := range readers {
		e.touched = append(e.touched, touch{audience: reader, input: in})
	}
}

// touchAll notes audiences for another reason than a changed input.
func (e *evaluation) touchAll(audiences []int32, why string) {
	e.touched = slices.Grow(e.touched, len(audiences))
	for _, i := range audiences {
		e.touched = append(e.touched, touch{audience: i, why: why})
	}
}

// run evaluates what was touched, in the plan's order, and what refers to an
// audience that flipped. Exits come before entries, so that no reader of the
// transitions ever sees a person in two audiences that exclude each other.
func (e *evaluation) run() {
	slices.SortStableFunc(e.touched, byAudience)
	for i, next := 0, 0; i < len(e.touched); i = next {
		for next = i + 1; next < len(e.touched) && e.touched[next].audience == e.touched[i].audience; {
			next++
		}
		a := &e.rules.audiences[e.touched[i].audience]
		member := e.holds(a)
		flipped := e.stand(a.name, member, a.version, e.touched[i:next]) || e.first && member != a.nobody
		if !flipped || a.referred == nil {
			continue
		}
		for _, reader := range a.referred.readers { // all of them lie behind
			p, _ := slices.BinarySearchFunc(e.touched, touch{audience: reader + 1}, byAudience)
			e.touched = slices.Insert(e.touched, p, touch{audience: reader, input: a.referred})
		}
	}
	e.exitsFirst()
}

// holds reports whether the person is to be a member of a. Of a paused audience
// they are what they were.
func (e *evaluation) holds(a *audience) bool {
	if a.paused {
		return isMember(e.row.Standings, a.name)
	}
	return a.open(e.cause.at) && a.expression.Eval(e.person).True()
}

func (e *evaluation) exitsFirst() {
	slices.SortStableFunc(e.transitions, func(a, b schemas.Transition) int {
		switch {
		case a.Entered == b.Entered:
			return 0
		case a.Entered:
			return 1
		}
		return -1
	})
}

func byAudience(a, b touch) int { return cmp.Compare(a.audience, b.audience) }

// stand records whether the person is a member and reports whether that is new.
// Touches are those of this audience.
func (e *evaluation) stand(name string, member bool, version int64, touches []touch) bool {
	i, found := findStanding(e.row.Standings, name)
	if !found {
		if !member {
			return false
		}
		e.row.Standings = slices.Insert(e.row.Standings, i, schemas.Standing{Audience: name})
	}
	s := &e.row.Standings[i]
	if s.Member == member {
		return false
	}
	*s = schemas.Standing{
		Audience: name, Member: member, Revision: s.Revision + 1, Since: e.cause.at,
		Version: version, Reason: e.reason(touches), EventID: e.cause.eventID,
	}
	e.transitions = append(e.transitions, transitionOf(e.cause.person, s))
	return true
}

func transitionOf(person string, s *schemas.Standing) schemas.Transition {
	return schemas.Transition{
		Person: person, Audience: s.Audience, Entered: s.Member, Revision: s.Revision,
		Cause: s.Since, Version: s.Version, Reason: s.Reason, EventID: s.EventID,
	}
}

// maxReasons keeps rows short: so many changed inputs are named, the others counted.
const maxReasons = 3

// reason names the changed inputs of an audience, for people; what else made it
// be looked at only if that came first.
func (e *evaluation) reason(touches []touch) string {
	if touches[0].input == nil {
		return touches[0].why
	}
	var reasons []string
	for _, t := range touches {
		if why := e.why(t); t.input != nil && !slices.Contains(reasons, why) {
			reasons = append(reasons, why)
		}
	}
	if more := len(reasons) - maxReasons; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(reasons[:maxReasons], ", "), more)
	}
	return strings.Join(reasons, ", ")
}

// why names a changed input, or tells what else made the audience be looked at.
func (e *evaluation) why(t touch) string {
	switch {
	case t.input == nil:
		return t.why
	case e.cause.reason == reasonDefinition: // what is told then may be no change but to those who ask since then
		return reasonDefinition
	case t.input.term == nil || e.cause.eventID != "": // not a term, or an event did it
		return t.input.short
	case strings.HasPrefix(e.cause.reason, "window of "):
		return t.input.term.Passed(e.person.Term(t.input.term.ID), e.cause.at)
	case e.cause.reason != "":
		return e.cause.reason // fragments came or went, or definitions changed
	default:
		return t.input.short
	}
}

// exit ends memberships that which selects.
func (e *evaluation) exit(why string, which func(name string) bool) {
	for i := range e.row.Standings {
		s := &e.row.Standings[i]
		if s.Member && which(s.Audience) {
			e.stand(s.Audience, false, s.Version, []touch{{why: why}})
		}
	}
}

// erase drops what is remembered of a forgotten person, revisions included,
// and tells the stages behind which audiences that was about.
func (e *evaluation) erase(c *schemas.Change, m *schemas.Membership, which func(name string) bool) {
	if !c.Forgotten {
		return
	}
	e.row.Standings = slices.DeleteFunc(e.row.Standings, func(s schemas.Standing) bool {
		if which(s.Audience) && e.rules.behind.members[s.Audience] {
			m.Erase = append(m.Erase, s.Audience)
		}
		return which(s.Audience)
	})
}

// ofLine says which audiences a line answers for: its own, and the plain line
// also for those that no definition names any more.
func (r *rules) ofLine(scored bool) func(name string) bool {
	return func(name string) bool {
		i, known := r.position[name]
		return known && r.audiences[i].scored == scored || !known && !scored
	}
}

func (r *rules) retired(name string) bool {
	_, known := r.position[name]
	return !known
}

// members tells the memberships of one line that the stages behind care for,
// without those that transitions tell of anyway.
func (e *evaluation) members(scored bool) []schemas.Transition {
	var members []schemas.Transition
	mine := e.rules.ofLine(scored)
	for i := range e.row.Standings {
		s := &e.row.Standings[i]
		if s.Member && e.rules.behind.members[s.Audience] && mine(s.Audience) && !e.flipped(s.Audience) {
			members = append(members, transitionOf(e.cause.person, s))
		}
	}
	return members
}

func (e *evaluation) flipped(name string) bool {
	return slices.ContainsFunc(e.transitions, func(t schemas.Transition) bool { return t.Audience == name })
}

func findStanding(standings []schemas.Standing, name string) (int, bool) {
	return slices.BinarySearchFunc(standings, name, func(s schemas.Standing, n string) int { return cmp.Compare(s.Audience, n) })
}

func isMember(standings []schemas.Standing, name string) bool {
	i, found := findStanding(standings, name)
	return found && standings[i].Member
}

// plainPerson is what plain audiences may ask about a person.
type plainPerson struct {
	id  string
	row *schemas.SegmentRow
}

func (p *plainPerson) Term(id int64) schemas.Value         { return term(p.row.Features, id) }
func (p *plainPerson) Attribute(name string) schemas.Value { return p.row.Attributes.Get(name) }
func (p *plainPerson) Score(string) schemas.Value          { return schemas.Value{} }
func (p *plainPerson) Audience(name string) bool           { return isMember(p.row.Standings, name) }
func (p *plainPerson) Person() string                      { return p.id }

// scoredPerson is what audiences that look at scores may ask: the profile as
// it was when the scores were computed.
type scoredPerson struct {
	id    string
	row   *schemas.SegmentRow
	rules *rules
}

func (p *scoredPerson) Term(id int64) schemas.Value { return term(p.row.Scored.Features, id) }
func (p *scoredPerson) Attribute(name string) schemas.Value {
	return p.row.Scored.Attributes.Get(name)
}
func (p *scoredPerson) Score(model string) schemas.Value { return p.row.Scored.Scores.Get(model) }
func (p *scoredPerson) Person() string                   { return p.id }

func (p *scoredPerson) Audience(name string) bool {
	if i, ok := p.rules.position[name]; ok && p.rules.audiences[i].scored {
		return isMember(p.row.Standings, name)
	}
	return p.row.Scored.Memberships.Get(name).True()
}
