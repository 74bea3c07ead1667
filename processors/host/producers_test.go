package host

import (
	"testing"
	"time"
)

// DESIGN, non-obvious 17.
func TestTheProducerOfTheLastTurnIsNextOnceItHasRested(t *testing.T) {
	began := time.Now()
	at := func(millis int) time.Time { return began.Add(time.Duration(millis) * time.Millisecond) }
	fresh := func() *producers { // c had the last turn
		var ps producers
		for i, id := range []string{"a", "b", "c"} {
			ps.done(&producer{id: id}, at(10*i))
		}
		return &ps
	}
	for _, turn := range []struct {
		millis int
		want   string
	}{
		{25, "a"}, // nobody has rested: who has longest
		{205, "a"},
		{215, "b"},
		{500, "c"},
	} {
		if got := fresh().next(at(turn.millis)); got.id != turn.want {
			t.Errorf("after %d ms it is the turn of %s, not of %s", turn.millis, got.id, turn.want)
		}
	}
	ps, seen := fresh(), map[string]bool{}
	for range 3 {
		seen[ps.next(at(500)).id] = true
	}
	if len(seen) != 3 {
		t.Errorf("somebody was given a turn while having one: %v", seen)
	}
}

// DESIGN, non-obvious 17.
func TestAProducerThatIsToWaitTriesAgainSoonAndThenLessAndLessOften(t *testing.T) {
	before := time.Duration(0)
	for fails := range 100 {
		wait := producerBackoff(fails)
		if wait < before || wait > time.Second {
			t.Fatalf("%v after %d tries, %v before", wait, fails, before)
		}
		before = wait
	}
	if first := producerBackoff(1); first > 10*time.Millisecond || before != time.Second {
		t.Errorf("first %v, in the end %v", first, before)
	}
}
