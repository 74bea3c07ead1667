package destination

import (
	"fmt"
	"slices"

	"kairos/processors/definition"
	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// New is the stage that follows plan, with one output per destination of it.
func New(plan *definition.Plan) *stage.Stage {
	r := newRules(plan)
	declared := topologies.Destination
	declared.Outputs = nil
	for i := range r.destinations {
		declared.Outputs = append(declared.Outputs, r.destinations[i].stream.Topic)
	}
	return stage.Define(declared, topologies.DestinationTable,
		stage.On(topologies.Memberships, r.follow),
		stage.OnSweep(r.sweep),
	)
}

// The reasons for which destination refuses or drops.
const (
	refuseForeignKey = "kairos-destination-foreign-key"
	dropUnused       = "unused"  // no destination asks for what changed
	dropConsent      = "consent" // an entry was held back: the person does not consent
	dropPolicy       = "policy"  // an entry was held back: a policy refuses what the audience looks at
)

// Reasons of activations that the transition does not explain.
const (
	reasonConsent    = "consent"
	reasonDefinition = "definition"
	reasonGone       = "gone"
)

type out = stage.Out[schemas.DestinationRow]

// follow takes over a change with its transitions.
func (r *rules) follow(in stage.In[schemas.DestinationRow, schemas.Membership], o *out) {
	m := in.Message
	c := &m.Change
	if c.Person != in.Key {
		o.Refuse(refuseForeignKey, fmt.Sprintf("a record about person %q lies under the key %q; send it under the person's own key", c.Person, in.Key))
		return
	}
	row := in.Row
	if row == nil {
		row = &schemas.DestinationRow{Noted: true}
	}
	s := &settlement{rules: r, row: row, out: o, scored: m.Scored, person: c.Person, cause: c.Cause, reason: c.Reason}
	s.adopt()
	profiled := s.learn(c)
	s.enrol(m)
	for i := range m.Transitions {
		if t := &m.Transitions[i]; t.Entered && r.refused[t.Audience] {
			s.held = true
			o.Drop(dropPolicy)
		}
	}
	if profiled || len(m.Members) > 0 {
		s.settleAll()
	} else {
		s.settleTurned()
	}
	if c.Gone {
		s.forget()
	}
	for _, name := range m.Erase {
		s.erase(name)
	}
	if c.Erased() {
		o.Purge()
	}
	s.close()
}

// sweep compares what destinations know with what new definitions want.
func (r *rules) sweep(in stage.In[schemas.DestinationRow, stage.Sweep], o *out) {
	row := in.Row
	if row == nil {
		return
	}
	s := &settlement{rules: r, row: row, out: o, person: in.Key, cause: in.Time, reason: reasonDefinition, swept: true}
	s.adopt()
	s.prune()
	for _, s.scored = range []bool{false, true} {
		s.settleAll()
	}
	s.settleUnwanted()
	s.close()
}

// settlement brings what destinations know of one person, by one line of
// memberships, in accord with what they are to know.
type settlement struct {
	rules     *rules
	row       *schemas.DestinationRow
	out       *out
	scored    bool // the line
	person    string
	cause     schemas.Instant
	reason    string
	swept     bool
	turned    []schemas.Transition // of wanted audiences, sorted
	different bool                 // the row is
	told      bool
	held      bool // an entry was, for want of consent
}

// settleAll looks at every audience of the line that the person is in or a
// destination believes so.
func (s *settlement) settleAll() {
	var names []string
	for i := range s.row.Memberships {
		names = append(names, s.row.Memberships[i].Audience)
	}
	for i := range s.row.Said {
		names = append(names, s.row.Said[i].Audience)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if s.wants(name) {
			s.settleWith(name)
		}
	}
}

// settleWith looks at one wanted audience, for every destination of it.
func (s *settlement) settleWith(name string) {
	for _, d := range s.rules.wanted[name].destinations {
		s.settle(d, name)
	}
}

// settleTurned looks at the audiences that the person entered or left.
func (s *settlement) settleTurned() {
	for i := range s.turned {
		s.settleWith(s.turned[i].Audience)
	}
}

// settleUnwanted ends what destinations were told and no definition wants any
// more. A destination that is gone itself has no stream to be told on.
func (s *settlement) settleUnwanted() {
	for i := 0; i < len(s.row.Said); {
		said := s.row.Said[i]
		d, exists := s.rules.find(said.Destination)
		if exists && slices.Contains(s.rules.destinations[d].audiences, said.Audience) {
			i++
			continue
		}
		names := s.names(i)
		s.row.Said = slices.Delete(s.row.Said, i, i+1)
		s.different = true
		if exists {
			s.tell(d, s.activation(d, said.Audience, false, said.Revision, s.cause, reasonDefinition, names))
		}
	}
}

// settle tells one destination about one audience, if there is news.
func (s *settlement) settle(d int, name string) {
	member := s.membership(name)
	turned := s.turn(name)
	p, known := findSaid(s.row.Said, s.rules.destinations[d].name, name)
	switch {
	case member != nil && s.rules.destinations[d].consents(s.known().Attributes):
		s.entry(d, member, turned, p, known)
	case known:
		s.exit(d, name, member, turned, p)
	case member != nil && turned != nil:
		s.held = true
		s.out.Drop(dropConsent)
	}
}

func (s *settlement) entry(d int, member, turned *schemas.Transition, p int, known bool) {
	a := s.activation(d, member.Audience, true, member.Revision, s.cause, s.reason, s.rules.destinations[d].visible(s.known().Identifiers))
	switch {
	case turned != nil:
		a.Cause, a.Reason = turned.Cause, turned.Reason
	case !known && !s.swept && s.reason != reasonDefinition:
		a.Reason = reasonConsent
	}
	news := digest(a)
	switch {
	case known && s.row.Said[p].Digest == news:
		return
	case !known:
		s.row.Said = slices.Insert(s.row.Said, p, schemas.Said{Destination: a.Destination, Audience: a.Audience})
	}
	former := without(s.names(p), a.Identifiers)
	s.row.Said[p].Revision, s.row.Said[p].Digest = a.Revision, news
	s.note(p, a.Identifiers)
	if len(former) > 0 {
		taken := *a
		taken.Former = former
		s.tell(d, &taken) // before the one that stays, which is to hold nothing of what is gone
	}
	s.tell(d, a)
}

func (s *settlement) exit(d int, name string, member, turned *schemas.Transition, p int) {
	a := s.activation(d, name, false, s.row.Said[p].Revision, s.cause, reasonGone, s.names(p))
	switch {
	case turned != nil && !turned.Entered:
		a.Revision, a.Cause, a.Reason = turned.Revision, turned.Cause, turned.Reason
	case member != nil:
		a.Reason = reasonConsent
	}
	s.row.Said = slices.Delete(s.row.Said, p, p+1)
	s.tell(d, a)
}

func (s *settlement) activation(d int, audience string, entered bool, revision int64, cause schemas.Instant, reason string, identifiers []schemas.Identifier) *schemas.Activation {
	to := &s.rules.destinations[d]
	return &schemas.Activation{
		Destination: to.name, Person: s.person, Audience: audience, Entered: entered, Revision: revision, Cause: cause, Reason: reason,
		Identifiers: identifiers, Attributes: to.carried(s.known().Attributes),
	}
}

func (s *settlement) tell(d int, a *schemas.Activation) {
	s.different, s.told = true, true
	stage.EmitKeyed(s.out, &s.rules.destinations[d].stream, s.person+"/"+a.Audience, s.person, a)
}

// erase takes back all that was ever published about a forgotten person and an
// audience: a consumer hears the exit first, and compaction leaves nothing.
func (s *settlement) erase(name string) {
	wanted := s.rules.wanted[name] // of either line: the plain one speaks for those who have no scores any more
	if wanted == nil {
		return
	}
	for _, d := range wanted.destinations {
		stage.Erase(s.out, &s.rules.destinations[d].stream, s.person+"/"+name, s.person, s.cause)
		s.told = true
	}
}

func (s *settlement) close() {
	row := s.row
	switch {
	case s.different && empty(row.Profile) && empty(row.Scored) && len(row.Memberships) == 0 && len(row.Said) == 0:
		s.out.Delete()
	case s.different:
		s.tidy()
		s.out.Set(row)
	case !s.told && !s.held && !s.swept:
		s.out.Drop(dropUnused)
	}
}
