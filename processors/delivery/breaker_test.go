package delivery

import (
	"testing"
	"time"
)

func TestWhileABreakerIsOpenOnlyOneProbeGoesWhoeverElseReturns(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	q := newQueue(Webhook{Lanes: 64}.withDefaults(), func() float64 { return 0 })
	const under = opensAt + 2
	for n := range 20 {
		i := message(n, string(rune('a'+n)), 1)
		i.since = now
		q.add(i)
	}
	var away []*request
	for range under {
		r := q.next(now)
		if r.probe {
			t.Fatal("a probe, while the breaker is closed")
		}
		away = append(away, r)
	}
	fails := func(r *request) { q.done(r, answer{failed, "500", 0}, now) }
	for _, r := range away[:opensAt] { // five people's fail, and open it; two are still under way
		fails(r)
	}
	mustWait := func(what string) {
		t.Helper()
		if r := q.next(now); r != nil {
			t.Fatalf("%s: a request goes, probe %v", what, r.probe)
		}
	}
	mustWait("before the pause is over")
	now = now.Add(time.Hour)
	probe := q.next(now)
	if probe == nil || !probe.probe {
		t.Fatal("the first request after the pause is no probe")
	}
	mustWait("while the probe is under way")
	fails(away[opensAt]) // of those that set out before
	now = now.Add(time.Hour)
	mustWait("when one returns that had set out before")
	fails(probe)
	mustWait("before the pause after the failed probe is over")
	now = now.Add(time.Hour)
	if probe = q.next(now); probe == nil || !probe.probe {
		t.Fatal("after the probe's return the next one does not go")
	}
	q.done(probe, answer{taken, "", 0}, now)
	for range 2 {
		if r := q.next(now); r == nil || r.probe {
			t.Fatal("the breaker is closed, and a request is a probe, or none goes")
		}
	}
}

func TestOnePersonsMessagesDoNotOpenTheBreaker(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	q := newQueue(Webhook{Lanes: 1}.withDefaults(), func() float64 { return 0 })
	i := message(0, "a", 1)
	i.since = now
	q.add(i)
	for range 2 * opensAt {
		r := q.next(now)
		if r == nil || r.probe {
			t.Fatal("what rests alone does not go, or as a probe")
		}
		q.done(r, answer{failed, "500", 0}, now)
		now = now.Add(time.Hour)
	}
	if q.breaker.open {
		t.Error("the breaker is open for everybody")
	}
}
