package cluster

import (
	"strings"
	"testing"
	"time"
)

func TestWhatABrokerWroteLastTellsWhoseClockIsAhead(t *testing.T) {
	now := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		written time.Time
		working bool
		level   Level
		part    string
	}{
		{time.Time{}, true, Fine, ""},
		{now.Add(time.Minute), false, Wrong, "1m0s after now"},
		{now.Add(-time.Hour), false, Fine, "no broker is ahead"},
		{now.Add(-time.Hour), true, Hint, "1h0m0s ago"},
		{now.Add(-2 * time.Second), true, Fine, "within 2s"},
		{now.Add(300 * time.Millisecond), true, Fine, "within 1s"},
	} {
		if f := clockFinding(c.written, now, c.working); f.Level != c.level || !strings.Contains(f.Detail, c.part) {
			t.Errorf("%v, hosts work: %v: %+v", now.Sub(c.written), c.working, f)
		}
	}
}
