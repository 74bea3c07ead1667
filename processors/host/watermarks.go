package host

import (
	"cmp"
	"slices"

	"kairos/schemas"
)

// A partition remembers the newest tick of each source, of each partition of
// each stage before it. Most of them say the same, so that what is kept in the
// host's own row is one watermark for all that do.

// saying is what a tick says, whoever says it.
type saying struct {
	topic             string
	time, done, least schemas.Instant
	round             int64
}

func sayingOf(topic string, t schemas.Tick) saying {
	return saying{topic, t.Time, t.Done, t.Least, t.Round}
}

// pack joins the watermarks of sources that say the same.
func pack(all []schemas.Watermark) []schemas.Watermark {
	var packed []schemas.Watermark
	places := map[saying]int{}
	for _, w := range all {
		what := sayingOf(w.Topic, w.Tick)
		if place, ok := places[what]; ok {
			packed[place].Tick.Others = append(packed[place].Tick.Others, w.Tick.Source)
			continue
		}
		places[what] = len(packed)
		packed = append(packed, w)
	}
	return packed
}

// unpack gives each source its own again, sorted.
func unpack(packed []schemas.Watermark) []schemas.Watermark {
	var all []schemas.Watermark
	for _, w := range packed {
		others := w.Tick.Others
		w.Tick.Others = nil
		all = append(all, w)
		for _, w.Tick.Source = range others {
			all = append(all, w)
		}
	}
	sortWatermarks(all)
	return all
}

func sortWatermarks(all []schemas.Watermark) {
	slices.SortFunc(all, func(a, b schemas.Watermark) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Tick.Source, b.Tick.Source))
	})
}

// encodeState is a host's own row.
func encodeState(state schemas.HostState) ([]byte, error) {
	state.Watermarks = pack(state.Watermarks)
	return schemas.HostStateCodec.Append(nil, &state)
}

func decodeState(row []byte) (*schemas.HostState, error) {
	state, err := schemas.HostStateCodec.Decode(row)
	if err == nil {
		state.Watermarks = unpack(state.Watermarks)
	}
	return state, err
}
