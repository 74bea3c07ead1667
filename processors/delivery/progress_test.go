package delivery

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Read on from what was committed, at any moment, as often as one likes: nothing
// is skipped that was not settled, and nothing is told again that was.
func TestWhatIsCommittedSaysExactlyWhatIsSettled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var log []int64 // transactions' markers and what is compacted are missing from it
		for offset := int64(0); len(log) < 120; offset++ {
			if rapid.IntRange(0, 3).Draw(t, "gap") > 0 {
				log = append(log, offset)
			}
		}
		p, at, committed := &progress{}, 0, int64(0)
		hand, settled := map[int64]bool{}, map[int64]bool{} // the dumb one remembers everything
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0: // somebody else goes on
				offset, text := p.mark()
				if offset < committed {
					t.Fatalf("the offset went back from %d to %d", committed, offset)
				}
				committed, p, hand = offset, &progress{before: readNote(offset, text)}, map[int64]bool{}
				for at = 0; at < len(log) && log[at] < offset; at++ {
					if !settled[log[at]] {
						t.Fatalf("%d is skipped", log[at])
					}
				}
			case 1, 2, 3, 4:
				if at == len(log) {
					continue
				}
				if take := p.take(log[at]); take == settled[log[at]] {
					t.Fatalf("%d is settled: %v, to be told: %v", log[at], settled[log[at]], take)
				} else if take {
					hand[log[at]] = true
				}
				at++
			default:
				if open := slices.Sorted(maps.Keys(hand)); len(open) > 0 {
					offset := rapid.SampledFrom(open).Draw(t, "settled")
					p.settle(offset)
					delete(hand, offset)
					settled[offset] = true
				}
			}
		}
	})
}

func TestANoteThatWouldBeTooLongTakesTheRestForOpen(t *testing.T) {
	p := &progress{}
	for offset := range int64(20_000) {
		p.take(offset)
	}
	for offset := int64(1); offset < 20_000; offset += 2 {
		p.settle(offset)
	}
	offset, text := p.mark()
	n := readNote(offset, text)
	if len(text) > 4096 || n == nil || n.reach < 2000 || n.settled(n.reach) || !n.settled(1) || n.settled(2) {
		t.Errorf("a note of %d bytes reaches to %d", len(text), n.reach)
	}
}

func TestWhatOthersWroteBesideAnOffsetSaysNothing(t *testing.T) {
	for _, text := range []string{"", "consumer-1-uuid", notePrefix, notePrefix + "!", notePrefix + "gA", notePrefix + "AAAA", notePrefix + "//////////////8B"} {
		if n := readNote(7, text); n.reach != 7 || n.settled(7) {
			t.Errorf("%q reaches to %d", text, n.reach)
		}
	}
}

// Whatever lies beside an offset, in a group that anybody may commit to: what is
// open is rising and apart, takes no more room than the text, and is said again as
// it was read.
func FuzzNote(f *testing.F) {
	for _, text := range []string{"", "consumer-1-uuid", notePrefix + "AQEDAg", notePrefix + "gA", notePrefix + "//////////////8B"} {
		f.Add(int64(7), text)
	}
	f.Fuzz(func(t *testing.T, offset int64, text string) {
		offset &= 1<<50 - 1
		n := readNote(offset, text)
		if len(n.open) > len(text) {
			t.Fatalf("%d bytes give %d spans", len(text), len(n.open))
		}
		at := offset
		for _, s := range n.open {
			if s.from < at || s.to <= s.from || s.to > n.reach {
				t.Fatalf("%q gives %+v", text, n)
			}
			at = s.to
		}
		if again := readNote(offset, n.encode()); len(text) <= mostNoted && (again.reach != n.reach || !slices.Equal(again.open, n.open)) {
			t.Fatalf("%q is read as %+v, and said again as %+v", text, n, again)
		}
	})
}
