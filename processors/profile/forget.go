package profile

import "kairos/schemas"

// Forgetting is a wake like the closing of a window. Events of a name with an
// expiry leave their fragment, timeline and series, that long after they
// happened; somebody who has only identifiers of namespaces with an expiry
// ends when the longest of them has passed since the newest event.

// forget lets every fragment forget what it has to by now. Each instant of
// forgetting is one on its own, so that a fragment that forgets late, because
// it was on its way, forgets as one that stayed.
func (v *visit) forget() {
	if len(v.plan.Expires) == 0 {
		return
	}
	for i := range v.row.Fragments {
		for at := v.forgetsAt(i); at != 0 && at <= v.now; at = v.forgetsAt(i) {
			f := &v.row.Fragments[i]
			f.Now = max(f.Now, at)
			f.Timeline = v.unexpired(f.Timeline, f.Now)
			v.extend(i, nil, 0)
		}
	}
}

// forgetsAt is when a fragment forgets something next; 0: never.
func (v *visit) forgetsAt(i int) schemas.Instant {
	next := schemas.Instant(0)
	r := reader{rest: v.row.Fragments[i].Timeline}
	for len(r.rest) > 0 {
		next = sooner(next, v.expiryOf(r.bytes()))
	}
	r.whole("timeline")
	all := v.seriesOfFragment(i)
	for k := range all {
		if place, planned := v.findAsked(all[k].id); planned && v.plan.Expires[v.asked[place].Event] > 0 {
			next = sooner(next, all[k].settles)
		}
	}
	return next
}

// expiryOf is when a packed moment expires; 0: never.
func (p *profile) expiryOf(entry []byte) schemas.Instant {
	name, t := nameOf(entry)
	keep := p.plan.Expires[name]
	if keep == 0 {
		return 0
	}
	return t.Add(keep)
}

// unexpired is a timeline without the moments that have expired by t.
func (p *profile) unexpired(column []byte, t schemas.Instant) []byte {
	var kept []byte
	r := reader{rest: column}
	for len(r.rest) > 0 {
		entry := r.bytes()
		if at := p.expiryOf(entry); at == 0 || at > t {
			kept = appendBytes(kept, entry)
		}
	}
	return kept
}

// silentAt is when somebody without a name will have been silent for too long:
// the longest expiry after the newest event. 0: never.
func (v *visit) silentAt() (at schemas.Instant, nameless, heard bool) {
	last, keep := schemas.Instant(0), schemas.Instant(0)
	for i := range v.row.Fragments {
		f := &v.row.Fragments[i]
		expires := v.expires[schemas.IdentifierOf(f.Identifier).Namespace]
		if expires == 0 {
			return 0, false, false
		}
		keep = max(keep, expires)
		if f.Events > 0 && (!heard || f.LastSeen > last) {
			last, heard = f.LastSeen, true
		}
	}
	return last + keep, true, heard
}

// silent tells whether nobody is there: no name, and no event yet, or none for
// too long.
func (v *visit) silent() bool {
	at, nameless, heard := v.silentAt()
	return nameless && (!heard || at <= v.now)
}

// expire forgets all about somebody without a name. The fragments stay, as
// empty shells, until identity forgets their identifiers too: an event that is
// under way names the epoch of one.
func (v *visit) expire() {
	v.tellForgotten()
	v.row.ForwardTo = ""
	v.unenrol(ReasonExpired)
	for i := range v.row.Fragments {
		f := &v.row.Fragments[i]
		v.tooLate(f)
		*f = schemas.Fragment{Identifier: f.Identifier, Epoch: f.Epoch, Rules: v.keeping}
	}
	v.row = v.nobody()
}

// suspend leaves somebody who has been silent for too long, but not only
// because time has passed, to the next wake: a name may be under way, from the
// event that came too late, or from where a fragment has just gone to.
func (v *visit) suspend(reason, eventID string) {
	heard := v.heard()
	if v.known {
		v.tell(reason, eventID)
	} else {
		v.release(reason, eventID)
		v.row = v.nobody()
	}
	if v.known || heard {
		v.row.WakeAt = v.now + 1
	}
}

// nobody is the row of somebody of whom nothing is told.
func (v *visit) nobody() *schemas.ProfileRow {
	return &schemas.ProfileRow{Fragments: v.row.Fragments, Expired: true, Rules: v.rules, Parked: v.row.Parked, ForwardTo: v.row.ForwardTo}
}

// tellForgotten lets nothing be kept of somebody who is known, or was before
// merging with another.
func (v *visit) tellForgotten() {
	if v.known || v.row.ForwardTo != "" {
		v.emit(&schemas.Change{Reason: ReasonExpired, Gone: true, Forgotten: true})
	}
}

func (v *visit) heard() bool {
	_, _, heard := v.silentAt()
	return heard
}

// tooLate counts the events of a fragment that is forgotten untold.
func (v *visit) tooLate(f *schemas.Fragment) {
	for n := f.Events; n > 0 && !v.known; n-- {
		v.out.Drop(DropExpired)
	}
}

// wakeToForget makes the row wake when something is to be forgotten.
func (v *visit) wakeToForget() {
	v.row.Expired = false
	if at, nameless, _ := v.silentAt(); nameless {
		v.wakeAt(at)
	}
	if len(v.plan.Expires) == 0 {
		return
	}
	for i := range v.row.Fragments {
		v.wakeAt(v.forgetsAt(i))
	}
}
