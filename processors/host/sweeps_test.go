package host

import (
	"testing"
	"time"
)

func TestBesideLiveRecordsOtherRowsTakeAPartOfThePace(t *testing.T) {
	for name, c := range map[string]struct {
		clock Clock
		cost  time.Duration
		pace  time.Duration
		want  int
	}{
		"a quarter of 20 ms at 50 us a row":         {Wall, 50 * time.Microsecond, 20 * time.Millisecond, 100},
		"rows that cost more than their part":       {Wall, time.Second, 20 * time.Millisecond, 1},
		"rows that cost next to nothing":            {Wall, 1, 20 * time.Millisecond, 1000},
		"nothing is known of the cost":              {Wall, 0, 20 * time.Millisecond, 1000},
		"no pace":                                   {Wall, 50 * time.Microsecond, 0, 1000},
		"the log's clock: nobody waits for answers": {Log, 50 * time.Microsecond, 20 * time.Millisecond, 1000},
	} {
		r := &run{config: DefaultConfig(), cost: c.cost, owned: map[int32]*partition{0: nil, 1: nil}}
		r.config.Clock, r.config.Pace = c.clock, c.pace
		if got := r.room(1000, 0.25); got != c.want {
			t.Errorf("%s: room for %d rows, want %d", name, got, c.want)
		}
	}
}
