package host

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestPartitionsAreSharedFairlyAndStayWhereTheyAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.Int32Range(1, 40).Draw(t, "partitions")
		var members []holder
		for range rapid.IntRange(1, 7).Draw(t, "members") {
			members = append(members, holder{
				generation: rapid.Int32Range(0, 3).Draw(t, "generation"),
				owned:      rapid.SliceOfNDistinct(rapid.Int32Range(0, count+2), 0, int(count), rapid.ID[int32]).Draw(t, "owned"),
			})
		}
		owner := assign(members, count)
		load := make([]int, len(members))
		for _, m := range owner {
			load[m]++
		}
		if slices.Max(load)-slices.Min(load) > 1 {
			t.Fatalf("loads %v", load)
		}
		for number, m := range owner {
			newest := newestOwner(members, int32(number))
			if newest >= 0 && m != newest && load[newest] < int(count)/len(members) {
				t.Fatalf("partition %d left member %d, which has room: loads %v", number, newest, load)
			}
		}
		if again := assign(members, count); !slices.Equal(again, owner) {
			t.Fatalf("the same members got %v, then %v", owner, again)
		}
	})
}

func newestOwner(members []holder, number int32) int {
	newest := -1
	for m, h := range members {
		if slices.Contains(h.owned, number) && (newest < 0 || h.generation > members[newest].generation) {
			newest = m
		}
	}
	return newest
}

func TestNothingMovesWhenEverybodyOwnsAFairPart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		members := make([]holder, rapid.IntRange(1, 7).Draw(t, "members"))
		count := rapid.Int32Range(1, 40).Draw(t, "partitions")
		order := rapid.Permutation(slices.Collect(func(yield func(int) bool) {
			for m := range members {
				if !yield(m) {
					return
				}
			}
		})).Draw(t, "order")
		want := make([]int, count)
		for number := range count {
			m := order[int(number)%len(members)]
			members[m].owned = append(members[m].owned, number)
			want[number] = m
		}
		if got := assign(members, count); !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestAJoinerTakesNoMoreThanItsPart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		count, old := rapid.Int32Range(1, 40).Draw(t, "partitions"), rapid.IntRange(1, 6).Draw(t, "members")
		members := make([]holder, old+1)
		for number := range count {
			m := int(number) % old
			members[m].owned = append(members[m].owned, number)
		}
		moved := 0
		for number, m := range assign(members, count) {
			if !slices.Contains(members[m].owned, int32(number)) {
				moved++
				if m != old {
					t.Fatalf("partition %d moved to %d, an old member", number, m)
				}
			}
		}
		if most := (int(count) + old) / (old + 1); moved > most {
			t.Fatalf("%d partitions moved, at most %d had to", moved, most)
		}
	})
}

func TestAfterAGrowthThePartsOfAPartitionAreWhereItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		members := make([]holder, rapid.IntRange(1, 7).Draw(t, "members"))
		from := int32(len(members)) * rapid.Int32Range(1, 6).Draw(t, "of each")
		before, after := assign(members, from), assign(members, from*rapid.Int32Range(2, 5).Draw(t, "parts"))
		for number, m := range after {
			if m != before[number%int(from)] {
				t.Fatalf("before %v, after %v", before, after)
			}
		}
	})
}
