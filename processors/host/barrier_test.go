package host_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"kairos/schemas"
)

// seed is printed, so that a failure can be had again: put it in.
func seed(t testing.TB) *rand.Rand {
	t.Helper()
	s := uint64(time.Now().UnixNano())
	t.Logf("seed %d", s)
	return rand.New(rand.NewPCG(s, 1))
}

// DESIGN, non-obvious 15.
func TestNothingCausedBeforeATickComesBehindIt(t *testing.T) {
	random := seed(t)
	w := newWorld(t, toys(3, false))
	h, behind := w.start(w.config("writer")), w.start(w.config("reader"))
	key := func() string { return fmt.Sprintf("k%d", random.IntN(12)) }
	var notes []string
	for at := 1; at <= 40; at++ {
		hops := ""
		for range random.IntN(5) {
			hops += "tell=" + key() + ":"
		}
		notes = append(notes, fmt.Sprintf("%s %d %spass=n%d", key(), at, hops, at))
		if at%10 == 0 {
			w.write(notes...)
			w.tick(schemas.Instant(at))
			notes = nil
		}
	}
	w.drain(h, behind)
	told := map[int32]map[string]schemas.Instant{} // by partition of passed: what the sources said
	count := 0
	for _, record := range w.read(passed.Name) {
		ticks := told[record.Partition]
		if string(record.Key) == schemas.TickKey {
			tick, err := schemas.TickCodec.Decode(record.Value)
			if err != nil {
				t.Fatal(err)
			}
			if ticks == nil {
				ticks = map[string]schemas.Instant{}
				told[record.Partition] = ticks
			}
			for _, name := range append(tick.Others, tick.Source) {
				ticks[name] = tick.Time
			}
			continue
		}
		n, err := noteCodec.Decode(record.Value)
		if err != nil {
			t.Fatal(err)
		}
		count++
		if len(ticks) == 3 {
			if time := slices.Min(slices.Collect(maps.Values(ticks))); n.Time <= time {
				t.Errorf("%s, caused at %d, comes behind the words of all that it is %d", n.Text, n.Time, time)
			}
		}
	}
	if count != 40 {
		t.Errorf("%d notes were passed, want 40", count)
	}
	for _, p := range behind.Status().Partitions {
		if p.Time != 40 {
			t.Errorf("partition %d of the reader believes it is %d", p.Number, p.Time)
		}
	}
}

// DESIGN, non-obvious 15.
func TestAWakeWaitsForWhatIsUnderWayInTheLoop(t *testing.T) {
	random := seed(t)
	w := newWorld(t, toys(4, true))
	h := w.start(w.config("writer"))
	// What happens at 10 reaches "far" after some hops and puts off its wake.
	var hops []string
	for range 6 {
		hops = append(hops, fmt.Sprintf("tell=k%d", random.IntN(50)))
	}
	w.write("far 1 wake=20", "a 10 "+strings.Join(hops, ":")+":tell=far:wake=30")
	w.tick(25)
	w.drain(h)
	equal(t, "page far", h.page(writerTable, "far"), []string{"1 wake=20", "10 wake=30"})
	w.tick(30)
	w.drain(h)
	equal(t, "page far", h.page(writerTable, "far"), []string{"1 wake=20", "10 wake=30", "30 woken"})
}
