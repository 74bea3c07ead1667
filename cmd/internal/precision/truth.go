package precision

import (
	"slices"

	"kairos/schemas"
)

// Truth is who owns which identifier, as the population says.
type Truth struct {
	number map[string]int32 // of an identifier, by its key
	owners [][]int32        // by number: people, sorted; none: it is nobody's
	pairs  int64            // that are true
}

func (t *Truth) note(id schemas.Identifier, person int32, owns bool) {
	key := id.String()
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

// add counts a cluster.
func (t *Truth) add(s *Score, identifiers []string) {
	numbers := make([]int32, len(identifiers))
	for i, key := range identifiers {
		numbers[i] = t.number[key]
	}
	t.addNumbers(s, numbers)
}

func (t *Truth) addNumbers(s *Score, identifiers []int32) {
	n := len(identifiers)
	s.Clusters, s.Largest = s.Clusters+1, max(s.Largest, n)
	s.Together += int64(n) * int64(n-1) / 2
	s.Right += t.right(identifiers)
}
