package delivery

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// breaker stops the lanes of a destination that fails again and again: then one
// request at a time finds out whether it is well.
type breaker struct {
	config Config
	taken  atomic.Int64 // requests, ever

	lock     sync.Mutex
	failures int       // in a row
	until    time.Time // nobody asks before
	probing  bool
}

// opensAt is how many failures in a row open the breaker.
const opensAt = 5

// enter waits until a request may go. While the breaker is open it is a probe,
// and only its own return lets the next one go: others that set out before may
// come back meanwhile.
func (b *breaker) enter(ctx context.Context) (probe bool, err error) {
	for {
		b.lock.Lock()
		wait := b.until.Sub(b.config.Clock.Now())
		open := b.failures >= opensAt
		if wait <= 0 && (!open || !b.probing) {
			b.probing = b.probing || open
			b.lock.Unlock()
			return open, nil
		}
		b.lock.Unlock()
		if err := b.config.Clock.Wait(ctx, max(wait, 10*time.Millisecond)); err != nil {
			return false, err
		}
	}
}

// leave says what came of a request that enter let go. after is how long the receiver wants to
// be left alone.
func (b *breaker) leave(probe bool, result outcome, after time.Duration) {
	b.lock.Lock()
	defer b.lock.Unlock()
	if probe {
		b.probing = false
	}
	if result != failed {
		b.failures = 0
		b.taken.Add(1)
		return
	}
	b.failures++
	if b.failures >= opensAt {
		after = max(after, backoff(b.failures-opensAt, b.config.Random()))
	}
	if after > 0 {
		b.until = b.config.Clock.Now().Add(after)
	}
}

// pace spreads requests evenly.
type pace struct {
	config Config
	lock   sync.Mutex
	next   time.Time
}

func (p *pace) wait(ctx context.Context) error {
	if p.config.PerSecond == 0 {
		return nil
	}
	p.lock.Lock()
	now := p.config.Clock.Now()
	if p.next.Before(now) {
		p.next = now
	}
	wait := p.next.Sub(now)
	p.next = p.next.Add(time.Duration(float64(time.Second) / p.config.PerSecond))
	p.lock.Unlock()
	if wait <= 0 {
		return nil
	}
	return p.config.Clock.Wait(ctx, wait)
}
