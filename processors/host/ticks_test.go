package host

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"kairos/schemas"
	"kairos/topologies"
)

// With many partitions in one process most say the same: what a batch ticks is a
// record for each partition of the topic, not for each pair.
func TestPartitionsThatSayTheSameSayItInOneRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		some := rapid.Custom(func(t *rapid.T) saying {
			few := rapid.Int64Range(0, 1)
			return saying{"loop", schemas.Instant(few.Draw(t, "time")), schemas.Instant(few.Draw(t, "done")), schemas.Instant(few.Draw(t, "least")), few.Draw(t, "round")}
		})
		said := rapid.SliceOfN(some, 1, 48).Draw(t, "said")
		loop := topologies.Topic{Name: "loop", Writer: "toy"}
		var w words
		different := map[saying]bool{}
		for number, s := range said {
			w.add(loop, int32(number), schemas.Tick{Time: s.time, Done: s.done, Least: s.least, Round: s.round})
			different[s] = true
		}
		if len(w.said) != len(different) {
			t.Fatalf("%d records for %d different ticks", len(w.said), len(different))
		}
		one, other := &partition{}, &partition{} // who hears them together, and who one by one
		for _, word := range w.said {
			one.observe("loop", word.tick)
		}
		for number, s := range said {
			other.observe("loop", schemas.Tick{Source: tickSource(loop, int32(number)), Time: s.time, Done: s.done, Least: s.least, Round: s.round})
		}
		if !slices.EqualFunc(one.state.Watermarks, other.state.Watermarks, sameWatermark) {
			t.Fatalf("heard together %v, one by one %v", one.state.Watermarks, other.state.Watermarks)
		}
		packed := pack(other.state.Watermarks)
		if len(packed) > len(different) {
			t.Fatalf("%d watermarks in the row for %d different ticks", len(packed), len(different))
		}
		if !slices.EqualFunc(unpack(packed), other.state.Watermarks, sameWatermark) {
			t.Fatalf("%v came back from the row as %v", other.state.Watermarks, unpack(packed))
		}
	})
}

func sameWatermark(a, b schemas.Watermark) bool {
	return sayingOf(a.Topic, a.Tick) == sayingOf(b.Topic, b.Tick) && a.Tick.Source == b.Tick.Source && len(a.Tick.Others)+len(b.Tick.Others) == 0
}
