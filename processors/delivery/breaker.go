package delivery

import "time"

// breaker stops the requests to a destination that fails for one person after
// the other: then one at a time finds out whether it is well.
type breaker struct {
	failing  map[string]bool // people whose messages have failed since one was taken, and are not broken themselves
	open     bool
	probing  bool
	openings int       // failed probes
	until    time.Time // while it is open, the next probe
	asked    time.Time // for so long the receiver asks to be left alone
}

// opensAt is how many people's messages must fail in a row to open the breaker.
// One that fails again and again says nothing about the others.
const opensAt = 5

func (b *breaker) lets(now time.Time) bool {
	return !now.Before(b.until) && !now.Before(b.asked) && !b.waits()
}

// waits says that nothing may set out until the probe comes back.
func (b *breaker) waits() bool { return b.open && b.probing }

// enter says whether a request that sets out is a probe.
func (b *breaker) enter() (probe bool) {
	b.probing = b.probing || b.open
	return b.open
}

// well says that a request was answered, and reports whether that closes the breaker.
func (b *breaker) well(probe bool) (closed bool) {
	if probe {
		b.probing = false
	}
	closed = b.open
	b.failing, b.open, b.openings, b.until = nil, false, 0, time.Time{}
	return closed
}

// ill says that a request failed. Of those that had set out before the breaker
// opened, it knows already what they say.
func (b *breaker) ill(r *request, blamed bool, asked time.Duration, now time.Time, random float64) {
	if at := now.Add(asked); asked > 0 && at.After(b.asked) {
		b.asked = at
	}
	if r.probe {
		b.probing = false
	}
	switch {
	case b.open && r.probe:
		b.openings++
		b.until = now.Add(backoff(b.openings, random))
	case !b.open && !blamed:
		if b.failing == nil {
			b.failing = map[string]bool{}
		}
		if b.failing[r.lines[0].person] = true; len(b.failing) >= opensAt {
			b.open = true
			b.until = now.Add(backoff(0, random))
		}
	}
}
