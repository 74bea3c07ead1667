package host

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/processors/stage"
)

// All that the host does for a record that does not ask to be followed.
func TestARecordThatDoesNotAskCostsNoAllocation(t *testing.T) {
	r, s, drops := &run{}, &share{}, []stage.Drop{{Stage: "a", Reason: "b"}}
	record := &kgo.Record{Topic: "t", Headers: []kgo.RecordHeader{{Key: "origin", Value: []byte("elsewhere")}}}
	allocations := testing.AllocsPerRun(1000, func() {
		r.follow(s, record)
		f := s.followed[place{record.Topic, record.Offset}]
		f.dropped(drops)
		if f.onward("t") != nil {
			t.Error("it is followed")
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}
