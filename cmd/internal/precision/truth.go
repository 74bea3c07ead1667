package precision

import (
	"context"
	"slices"

	"kairos/loadtest/truth"
)

// Truth is who owns which identifier, as the population says.
type Truth struct {
	number map[string]int32 // of an identifier, by its key
	owners [][]int32        // by number: people, sorted; none: it is nobody's
	pairs  int64            // that are true
	newest map[string]int64 // day on which the same identifiers were named together
}

// TruthOf gathers what a population knows about its identifiers. Progress
// hears of events.
func TruthOf(ctx context.Context, p *truth.Population, progress func(n int)) (*Truth, error) {
	t := &Truth{number: map[string]int32{}, newest: map[string]int64{}}
	events := 0
	for told := range p.Events() {
		if events++; events%every == 0 {
			if progress(every); ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
		t.newest[namesOf(told.Event)] = dayOf(told.Event)
		for i, id := range told.Event.Identifiers {
			t.note(id.String(), int32(told.Person), told.Owns[i])
		}
	}
	t.countPairs()
	return t, nil
}

func (t *Truth) note(key string, person int32, owns bool) {
	n, known := t.number[key]
	if !known {
		n = int32(len(t.owners))
		t.number[key], t.owners = n, append(t.owners, nil)
	}
	if !owns {
		return
	}
	if at, there := slices.BinarySearch(t.owners[n], person); !there {
		t.owners[n] = slices.Insert(t.owners[n], at, person)
	}
}

// countPairs counts the true pairs: those of each owner, each pair once.
func (t *Truth) countPairs() {
	everything := make([]int32, len(t.owners))
	for i := range everything {
		everything[i] = int32(i)
	}
	t.pairs = t.right(everything)
}

// right counts the true pairs among identifiers: for each owner the pairs of
// what is theirs, less those that were counted for another owner already.
func (t *Truth) right(identifiers []int32) int64 {
	owned := map[int32]int64{}
	shared := map[int32][]int32{} // by owner: what they own with others
	for _, i := range identifiers {
		for _, owner := range t.owners[i] {
			owned[owner]++
			if len(t.owners[i]) > 1 {
				shared[owner] = append(shared[owner], i)
			}
		}
	}
	pairs := int64(0)
	for _, n := range owned {
		pairs += n * (n - 1) / 2
	}
	for owner, theirs := range shared {
		for k, i := range theirs {
			for _, j := range theirs[:k] {
				if first(t.owners[i], t.owners[j]) != owner {
					pairs--
				}
			}
		}
	}
	return pairs
}

// first is the smallest element that two sorted sets share, which must share
// one.
func first(a, b []int32) int32 {
	for a[0] != b[0] {
		if a[0] < b[0] {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return a[0]
}

func (t *Truth) score(clusters map[string][]int32) Score {
	s := Score{Clusters: len(clusters), True: t.pairs}
	for _, c := range clusters {
		s.Largest = max(s.Largest, len(c))
		s.Together += int64(len(c)) * int64(len(c)-1) / 2
		s.Right += t.right(c)
	}
	return s
}
