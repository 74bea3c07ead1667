package host_test

import (
	"fmt"
	"testing"
	"time"

	"kairos/loadtest/kafka"
)

// What must hold on a real Kafka too, where topics take a moment, coordinators
// load, and transactions wait for each other's markers.

func TestOnRealKafkaRowsRecordsAndTimersComeOutAlike(t *testing.T) {
	w := worldAt(t, toys(3, false), kafka.Start(t).Address)
	c := w.config("writer")
	c.InstanceID, c.StateDir = "one", t.TempDir()
	h, behind := w.start(c), w.start(w.config("reader"))
	for n := range 20 {
		w.write(fmt.Sprintf("a %d pass=x%d", n, n), fmt.Sprintf("b %d tell=c:pass=y", n))
	}
	w.write("a 20 wake=30 then:pass=woken")
	w.tick(40)
	w.drain(h, behind)
	page := h.page(writerTable, "a")
	if len(page) != 22 || page[21] != "30 woken" {
		t.Errorf("page a: %q", page)
	}
	if got := behind.page(readerTable, "c"); len(got) != 20 {
		t.Errorf("page c: %q", got)
	}
	h.mustEnd()
	again := w.start(c)
	w.drainOwned(again, 3)
	equal(t, "page a after a restart", again.page(writerTable, "a"), page)
	again.mustEnd()
	behind.mustEnd()
}

func TestOnRealKafkaAKilledBrokerLosesAndRepeatsNothing(t *testing.T) {
	broker := kafka.Start(t)
	w := worldAt(t, toys(2, true), broker.Address)
	w.patience = 2 * time.Minute
	h := w.start(w.config("writer"))
	for n := range 6 {
		for m := range 50 {
			w.write(fmt.Sprintf("k%d %d pass=%d.%d say=s", m%7, n, n, m))
		}
		if n == 2 || n == 4 {
			broker.Kill(t)
			broker.Restart(t)
		}
	}
	w.drainOwned(h, 2)
	lines, echoed := 0, 0
	for _, page := range w.pages(readerTable) {
		lines += len(page)
	}
	for _, notes := range w.notesOf(echoes.Name) {
		echoed += len(notes)
	}
	if lines != 300 || echoed != 300 {
		t.Errorf("of 300 notes %d are on pages and %d were echoed", lines, echoed)
	}
	h.mustEnd()
}
