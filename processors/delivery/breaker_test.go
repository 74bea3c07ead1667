package delivery

import (
	"context"
	"errors"
	"testing"
	"time"
)

// handClock stands still, and ends whoever waits for it.
type handClock struct{ now time.Time }

var errWaits = errors.New("waits")

func (c *handClock) Now() time.Time { return c.now }

func (c *handClock) Wait(context.Context, time.Duration) error { return errWaits }

func TestWhileABreakerIsOpenOnlyOneProbeGoesWhoeverElseReturns(t *testing.T) {
	clock := &handClock{now: time.Unix(1_700_000_000, 0)}
	b := &breaker{config: Config{Clock: clock, Random: func() float64 { return 0 }}}
	enter := func() (probe bool) {
		t.Helper()
		probe, err := b.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return probe
	}
	const under = opensAt + 2
	for range under {
		if enter() {
			t.Fatal("a probe, while the breaker is closed")
		}
	}
	for range opensAt { // five fail, and open it; two are still under way
		b.leave(false, failed, 0)
	}
	clock.now = clock.now.Add(time.Hour)
	if !enter() {
		t.Fatal("the first request after the pause is no probe")
	}
	mustWait := func(what string) {
		t.Helper()
		if _, err := b.enter(t.Context()); !errors.Is(err, errWaits) {
			t.Fatalf("%s: a second probe goes (%v)", what, err)
		}
	}
	mustWait("while the probe is under way")
	b.leave(false, failed, 0) // of those that set out before
	clock.now = clock.now.Add(time.Hour)
	mustWait("when one returns that had set out before")
	b.leave(true, failed, 0)
	mustWait("before the pause after the failed probe is over")
	clock.now = clock.now.Add(time.Hour)
	if !enter() {
		t.Fatal("after the probe's return the next one does not go")
	}
	b.leave(true, taken, 0)
	for range 2 {
		if enter() {
			t.Fatal("the breaker is closed, and a request is a probe")
		}
	}
}
