package identity

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"kairos/schemas"
)

func TestPackedNeighboursAreASortedMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var n neighbours
		plain := map[uint64]neighbour{}
		for range rapid.IntRange(0, 30).Draw(t, "n") {
			v := neighbour{
				other: rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 5)).Draw(t, "other"),
				day:   int64(latest/day) - rapid.Int64Range(0, int64(latest/day)).Draw(t, "day"),
				first: schemas.Instant(rapid.Int64Range(1, int64(latest)).Draw(t, "first")),
			}
			if i, found := n.find(v.other); found {
				n.set(i, v)
			} else {
				n = n.insert(i, v)
			}
			plain[v.other] = v
		}
		if n.len() != len(plain) {
			t.Fatalf("%d neighbours, want %d", n.len(), len(plain))
		}
		for i, other := range slices.Sorted(maps.Keys(plain)) {
			if n.at(i) != plain[other] {
				t.Fatalf("neighbour %d is %+v, want %+v", i, n.at(i), plain[other])
			}
		}
	})
}
