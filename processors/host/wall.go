package host

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"kairos/schemas"
)

// wallClock ticks for the door. It asks Kafka where the door's topics end, and
// when the host has read until there, everything accepted before the question
// (less the grace) has been read. Asking goes on beside the work. A host that is
// behind never gets there; it goes by the records, see hearRecords.
type wallClock struct {
	now     schemas.Instant // as of the last answer; 0: none
	ends    kadm.ListedOffsets
	asked   time.Time
	answers chan wallClock
}

// tick takes an answer and asks again when it is time.
func (w *wallClock) tick(r *run) {
	if r.config.Clock != Wall || len(r.doors) == 0 || len(r.owned) == 0 {
		return
	}
	if w.answers == nil {
		w.answers = make(chan wallClock, 1)
	}
	select {
	case answer := <-w.answers:
		w.now, w.ends = answer.now, answer.ends
	default:
	}
	if now := r.config.Now(); now.Sub(w.asked) >= r.config.TickEvery {
		w.asked = now
		go r.ask(now, w.answers)
	}
}

func (r *run) ask(now time.Time, answers chan<- wallClock) {
	ctx, cancel := context.WithTimeout(r.ctx, 10*r.config.TickEvery)
	defer cancel()
	listed, err := r.admin.ListEndOffsets(ctx, r.doors...)
	if err = errors.Join(err, listed.Error()); err != nil {
		if r.ctx.Err() == nil {
			r.config.Logger.Warn("the clock does not tick: no ends of the door's topics", "error", err)
		}
		return
	}
	answer := wallClock{now: schemas.InstantOf(now.Add(-r.config.TickGrace)), ends: listed}
	select {
	case answers <- answer:
		r.wakeUp()
	default:
	}
}

// hearRecords ticks by when the broker took the last record that was read from a
// door: what comes after it was taken later, so it was accepted later, less the
// grace. So time goes on however far a host is behind.
func (r *run) hearRecords(p *partition, door string, taken time.Time) bool {
	if r.config.Clock != Wall || !slices.Contains(r.doors, door) {
		return false
	}
	t := schemas.InstantOf(taken.Add(-r.config.TickGrace))
	if t < p.watermark(source{door, "door"}).Time.Add(r.config.TickEvery) {
		return false
	}
	return p.observe(door, schemas.Tick{Source: "door", Time: t})
}

// reaches reports whether p has read the door's topic up to where it ended when
// the clock was asked.
func (w *wallClock) reaches(p *partition, door string) bool {
	end, ok := w.ends.Lookup(door, p.number)
	return ok && p.next[door] >= end.Offset
}

// wallOf is the newest time that p knows from its doors; the clock's own if it
// cannot use the clock now.
func (r *run) wallOf(p *partition) schemas.Instant {
	t := r.wall.now
	for _, door := range r.doors {
		if r.wall.reaches(p, door) {
			t = min(t, p.watermark(source{door, "door"}).Time)
		}
	}
	return t
}
