package arena

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestWhatAnArenaGivesIsZeroAndNobodyElses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a Of[int]
		for range rapid.IntRange(1, 4).Draw(t, "times") {
			var given [][]int
			for i, n := range rapid.SliceOfN(rapid.IntRange(0, 3*pieceItems), 0, 12).Draw(t, "sizes") {
				got := a.Take(n)
				if len(got) != n || cap(got) != n || slices.ContainsFunc(got, func(v int) bool { return v != 0 }) {
					t.Fatalf("Take(%d) gave %d of %d, not all zero", n, len(got), cap(got))
				}
				for at := range got {
					got[at] = i + 1
				}
				given = append(given, got)
			}
			for i, got := range given {
				if slices.ContainsFunc(got, func(v int) bool { return v != i+1 }) {
					t.Fatalf("what was given as number %d is somebody else's, too", i)
				}
			}
			a.Clear()
		}
	})
}
