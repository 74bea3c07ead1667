package profile

import (
	"fmt"
	"slices"

	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// mostParked bounds what waits for fragments, in bytes. Past it events are
// refused, so that they can be sent again; moves never are.
const mostParked = 128 << 10

// epochFor is the epoch that a fragment must have for m to be applied to it.
func epochFor(m *schemas.PersonEvent) int64 {
	if m.MoveTo != "" {
		return m.Epoch - 1 // a move carries the epoch that begins
	}
	return m.Epoch
}

// holds finds the fragment that m is about and its epoch. One of epoch 0 is
// made if it is not there: nobody else can have it. -1: somebody else has it.
func (v *visit) holds(m *schemas.PersonEvent) (place int, epoch int64) {
	i, found := v.find(m.Identifier)
	if found {
		return i, v.row.Fragments[i].Epoch
	}
	if epochFor(m) != 0 {
		return i, -1
	}
	v.add(i, schemas.Fragment{Identifier: m.Identifier, Rules: v.keeping})
	return i, 0
}

func reasonOf(m *schemas.PersonEvent) (reason, eventID string) {
	switch {
	case m.MoveTo != "":
		return ReasonLeft, ""
	case m.Erased:
		return schemas.ReasonErased, ""
	case m.Event != nil:
		return m.Event.Name, m.Event.ID
	case m.Forget:
		return ReasonExpired, ""
	default:
		return ReasonArrived, ""
	}
}

// apply does what m says, to a fragment of the epoch that it is for. False: it
// was a duplicate.
func (v *visit) apply(i int, m *schemas.PersonEvent) bool {
	switch {
	case m.MoveTo != "":
		v.send(i, m)
	case m.Erased:
		v.remove(i)
		v.everything, v.erased = true, true
	case m.Event != nil:
		return v.fold(i, m.Event, m.Cause)
	case m.Forget:
		f := v.remove(i)
		v.tooLate(&f)
		v.everything, v.forgot = true, true
	}
	return true
}

// send gives a fragment to the person whose it is from now on.
func (v *visit) send(i int, m *schemas.PersonEvent) {
	groups := v.handOver(v.row.Fragments[i].Identifier)
	f := v.remove(i)
	v.went = slices.DeleteFunc(v.went, func(e schemas.Enrolled) bool { return e.Identifier == f.Identifier })
	f.Epoch = m.Epoch
	v.everything, v.movedTo = true, m.MoveTo
	stage.Emit(v.out, &topologies.ProfileLoop, m.MoveTo, &schemas.ProfileMessage{
		To: m.MoveTo, Cause: v.now, Move: &schemas.FragmentMove{From: v.person, Reason: m.Reason, Fragment: f, Groups: groups},
	})
}

// accept takes a fragment in.
func (v *visit) accept(i int, m *schemas.FragmentMove) {
	f := m.Fragment
	if f.Rules != v.keeping {
		v.refit(v.room, &f)
	}
	v.add(i, f)
	v.carry(f.Identifier, m.Groups)
	v.everything = true
}

// park keeps m until its fragment comes.
func (v *visit) park(m *schemas.PersonEvent) {
	if m.Event != nil && sizeOfParked(v.row.Parked)+sizeOfEvent(m) > mostParked {
		v.out.Refuse(RefusedParking, fmt.Sprintf("person %s waits for the fragment of %s with more than %d bytes of events; "+
			"send this record again once it has come", v.person, m.Identifier, mostParked))
		return
	}
	v.row.Parked = append(v.row.Parked, *m)
}

// unpark applies what has waited for the fragment of an identifier, in order,
// until the fragment has left again.
func (v *visit) unpark(identifier string) {
	waiting := v.row.Parked
	v.row.Parked = nil
	for k := range waiting {
		m := &waiting[k]
		i, found := v.find(m.Identifier)
		if m.Identifier != identifier || !found || v.row.Fragments[i].Epoch < epochFor(m) {
			v.row.Parked = append(v.row.Parked, *m)
			continue
		}
		if v.row.Fragments[i].Epoch > epochFor(m) {
			v.out.Drop(DropStale)
			continue
		}
		v.apply(i, m)
	}
}
