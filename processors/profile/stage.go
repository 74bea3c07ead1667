package profile

import (
	"fmt"

	"kairos/processors/definition"
	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// What the stage counts as dropped.
const (
	DropDuplicate        = "duplicate"            // the event id was seen within the window
	DropForgotten        = "ids-forgotten"        // too many ids to remember; a duplicate of the oldest would count
	DropFuture           = "future"               // an event from the future was taken as of when it was accepted
	DropCut              = "moment-cut"           // the event was too large for the timeline: it stands there in part
	DropStale            = "stale"                // of an identifier that has left; identity never sends one
	DropAttributeTooLong = "attribute-too-long"   // the attribute was not taken
	DropAttributeType    = "attribute-wrong-type" // the attribute was not taken: it came before its definition reached identity
	DropEventExpired     = "event-expired"        // events of its name are not kept for so long: only what it says of attributes counts
	DropExpired          = "expired"              // the event is of somebody who had been silent for too long by then: nothing is kept of it
	DropAttributesFull   = "attributes-full"      // the identifier has too many attributes; those late in the alphabet went
	DropClaimsForgotten  = "claims-forgotten"     // see mostCandidates
	DropListFull         = "list-full"            // a list of all values of an attribute does not hold all: the newest stay
	DropRowFull          = "row-full"             // the row reached its bound and was cut
	DropGroupName        = "group-name-too-long"
	DropGroupCrowded     = "group-crowded" // a group has more members than its limit, or their series are too large: it says nothing
	DropGroupFull        = "group-full"    // a crowded group does not even note the identifier
	DropLeft             = "left-group"    // a group's word came after the person had left it
)

// The immutable reasons of refusals.
const (
	RefusedHeld    = "kairos-profile-fragment-held"
	RefusedDamaged = "kairos-profile-fragment-damaged"
	RefusedParking = "kairos-profile-parking-full"
)

// New makes the stage that follows a plan.
func New(plan *definition.Plan) *stage.Stage {
	p := compile(plan)
	return stage.Define(topologies.Profile, topologies.ProfileTable,
		stage.On(topologies.PersonEvents, p.hear),
		stage.On(topologies.ProfileLoop, p.receive),
		stage.OnWake(p.wake),
		stage.OnSweep(p.sweep))
}

// hear applies what identity says about one identifier, or parks it until the
// identifier's fragment has come.
func (p *profile) hear(in stage.In[schemas.ProfileRow, schemas.PersonEvent], out *stage.Out[schemas.ProfileRow]) {
	m := in.Message
	if (m.Erased || m.Forget) && m.Epoch < 0 {
		p.end(in, out)
		return
	}
	v := p.visit(in.Key, in.Row, in.Time, out)
	i, held := v.holds(m)
	switch {
	case held > epochFor(m) || epochFor(m) < 0:
		out.Drop(DropStale)
		if in.Row == nil {
			return
		}
	case held < epochFor(m):
		v.park(m)
	case v.apply(i, m):
		v.close(reasonOf(m))
		return
	}
	v.close("", "") // only time can have changed anything
}

// receive takes what another row says: a fragment, and then what was waiting
// for it; a member's or a group's word.
func (p *profile) receive(in stage.In[schemas.ProfileRow, schemas.ProfileMessage], out *stage.Out[schemas.ProfileRow]) {
	switch m := in.Message; {
	case m.Move != nil:
		p.receiveFragment(in, m.Move, out)
		return
	case m.Enrol != nil && soundEnrolment(m.Enrol):
		p.enrol(in, m.Enrol, out)
		return
	case m.Word != nil && soundWord(m.Word):
		p.listen(in, m.Word, out)
		return
	}
	out.Refuse(RefusedDamaged, fmt.Sprintf("the message to %s says nothing that can be unpacked; look for who else wrote to %s",
		in.Key, topologies.ProfileLoop.Name))
}

func (p *profile) receiveFragment(in stage.In[schemas.ProfileRow, schemas.ProfileMessage], m *schemas.FragmentMove, out *stage.Out[schemas.ProfileRow]) {
	v := p.visit(in.Key, in.Row, in.Time, out)
	i, held := v.find(m.Fragment.Identifier)
	switch {
	case held:
		out.Refuse(RefusedHeld, fmt.Sprintf("person %s already holds %s at epoch %d, and %s sends it at epoch %d: a fragment exists once; "+
			"do not send this record again, look for who else wrote to %s", in.Key, m.Fragment.Identifier,
			v.row.Fragments[i].Epoch, m.From, m.Fragment.Epoch, topologies.ProfileLoop.Name))
		return
	case !sound(&m.Fragment):
		out.Refuse(RefusedDamaged, fmt.Sprintf("the fragment %s from %s has columns that cannot be unpacked; "+
			"look for who else wrote to %s", m.Fragment.Identifier, m.From, topologies.ProfileLoop.Name))
		return
	}
	v.accept(i, m)
	v.unpark(m.Fragment.Identifier)
	v.close(ReasonArrived, "")
}

// wake deals with what the passing of time has changed.
func (p *profile) wake(in stage.In[schemas.ProfileRow, stage.Wake], out *stage.Out[schemas.ProfileRow]) {
	if in.Row.Group != nil {
		p.gathering(in.Key, in.Row, in.Time, out).close(ReasonFurther, "")
		return
	}
	v := p.visit(in.Key, in.Row, in.Time, out)
	v.woken = true
	v.close("", "")
}

// sweep brings a row to the rules of today, unless an earlier step has.
func (p *profile) sweep(in stage.In[schemas.ProfileRow, stage.Sweep], out *stage.Out[schemas.ProfileRow]) {
	if in.Row == nil || in.Row.Rules == p.rules {
		return
	}
	if in.Row.Group != nil {
		p.gathering(in.Key, in.Row, in.Time, out).close(ReasonDefinition, "")
		return
	}
	p.visit(in.Key, in.Row, in.Time, out).close("", "")
}

// listen takes what a group says to a member.
func (p *profile) listen(in stage.In[schemas.ProfileRow, schemas.ProfileMessage], w *schemas.GroupWord, out *stage.Out[schemas.ProfileRow]) {
	if in.Row == nil {
		out.Drop(DropLeft)
		return
	}
	v := p.visit(in.Key, in.Row, in.Time, out)
	if !v.hearGroup(w) {
		out.Drop(DropLeft)
		v.close("", "")
		return
	}
	if v.word == nil { // it must wait: see tellHeard
		v.close("", "")
		return
	}
	v.close(w.Reason, w.EventID)
}
