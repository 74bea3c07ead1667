package host_test

import (
	"sync/atomic"
	"testing"
	"time"

	"kairos/processors/host"
)

func TestTheWallClockFiresTimersOnceTheDoorIsRead(t *testing.T) {
	w := newWorld(t, toys(2, false))
	var now atomic.Int64
	now.Store(1_000)
	c := w.config("writer")
	c.Clock, c.TickEvery, c.TickGrace = host.Wall, 5*time.Millisecond, 100*time.Millisecond
	began := time.Now()
	c.Now = func() time.Time { // moves by itself, so that the host asks; jumps when told
		return time.UnixMilli(now.Load()).Add(time.Since(began))
	}
	behind := w.start(w.config("reader"))
	h := w.start(c)
	w.write("a 500 wake=900000 then:pass=woken", "b 600 wake=99999999")
	// No drain: this clock never rests.
	w.awaitOwned(h, 2)
	w.awaitOwned(behind, 2)
	w.awaitPage(h, writerTable, "a", "500 wake=900000 then:pass=woken")
	now.Store(1_000_000)
	w.awaitPage(behind, readerTable, "a", "900000 woken")
	equal(t, "page b", h.page(writerTable, "b"), []string{"600 wake=99999999"})
}
