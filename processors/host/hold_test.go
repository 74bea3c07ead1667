package host_test

import (
	"fmt"
	"slices"
	"testing"
)

// swept adds up the sweeps of a host.
func (h *running) swept() (done, total int64) {
	for _, p := range h.Status().Partitions {
		for _, s := range p.Sweeps {
			done, total = done+s.Done, total+s.Total
		}
	}
	return done, total
}

// until waits until something holds of the host.
func (h *running) until(holds func() bool) {
	for {
		changed := h.Changed()
		if holds() {
			return
		}
		<-changed
	}
}

func TestAHeldSweepStaysWhereItIsWhileLiveRecordsGoOn(t *testing.T) {
	w := newWorld(t, toys(2, true))
	c := w.config("writer")
	h := w.start(c)
	var lines []string
	for n := range 60 {
		lines = append(lines, fmt.Sprintf("k%d 1 hello", n))
	}
	w.write(lines...)
	w.drain(h)
	h.HoldSweeps(true)
	if err := h.Redefine(runnerOf(c.Group), 7, "writer"); err != nil {
		t.Fatal(err)
	}
	h.until(func() bool {
		_, total := h.swept()
		return total == 60 && h.Status().Held
	})
	w.write("k0 2 live", "k1 2 live", "k2 2 live", "k3 2 live")
	for _, key := range []string{"k0", "k1", "k2", "k3"} {
		h.until(func() bool { return slices.Contains(h.page(writerTable, key), "2 live") })
	}
	if done, _ := h.swept(); done != 0 {
		t.Errorf("a held sweep has visited %d rows", done)
	}
	h.HoldSweeps(false)
	w.drain(h)
	if done, _ := h.swept(); done != 60 || h.Status().Held {
		t.Errorf("in the end %d of 60 rows are visited", done)
	}
	for n := range 60 {
		if page := h.page(writerTable, fmt.Sprintf("k%d", n)); len(page) != 2 && n >= 4 || len(page) != 3 && n < 4 {
			t.Errorf("the page of k%d is %q", n, page)
		}
	}
}
