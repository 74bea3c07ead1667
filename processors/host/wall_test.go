package host_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"kairos/processors/host"
	"kairos/processors/stage"
	"kairos/topologies"
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

func TestARecordFromFarAheadOfTheBrokersClockIsADeadLetter(t *testing.T) {
	w := newWorld(t, toys(1, false))
	c := w.config("writer")
	c.Clock = host.Wall
	h := w.start(c)
	now := time.Now().UnixMilli()
	w.write(fmt.Sprintf("a %d from-next-year", now+365*24*time.Hour.Milliseconds()))
	w.write(fmt.Sprintf("a %d from-today", now))
	w.awaitOwned(h, 1)
	w.awaitPage(h, writerTable, "a", fmt.Sprintf("%d from-today", now))
	var letters []string
	for _, record := range w.read(topologies.DeadLetters("writer").Name) {
		letter, err := topologies.DeadLetters("writer").Codec.Decode(record.Value)
		if err != nil {
			t.Fatal(err)
		}
		letters = append(letters, letter.Reason)
	}
	equal(t, "letters", letters, []string{"kairos-writer-" + stage.ReasonTime})
}

func TestAPartitionThatIsAlwaysBehindHearsTheWallClock(t *testing.T) {
	w := newWorld(t, toys(1, false))
	c := w.config("writer")
	c.Clock, c.TickEvery, c.TickGrace, c.Pace = host.Wall, time.Millisecond, time.Millisecond, 0
	c.BatchRecords = 100
	h := w.start(c)
	w.awaitOwned(h, 1)
	ctx, now := w.ctx(), time.Now().UnixMilli()
	w.write(fmt.Sprintf("a %d wake=%d", now, now+50))
	traffic := make([]string, 500) // faster than it is read
	for i := range traffic {
		traffic[i] = fmt.Sprintf("b%d %d delete", i%7, now)
	}
	for n := 0; len(h.page(writerTable, "a")) < 2; n++ {
		changed, behind := h.Changed(), false
		for _, p := range h.Status().Partitions {
			behind = behind || p.Lag[notes.Name] > 20*int64(c.BatchRecords)
		}
		if !behind {
			w.write(traffic...)
			continue
		}
		select {
		case <-changed: // enough to be behind for a while
		case <-ctx.Done():
			t.Fatalf("after %d rounds the wake has not run; %+v", n, h.Status())
		}
	}
	equal(t, "page a", h.page(writerTable, "a"), []string{fmt.Sprintf("%d wake=%d", now, now+50), fmt.Sprintf("%d woken", now+50)})
}
