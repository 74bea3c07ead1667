package expression

import (
	"slices"
	"strings"
)

// Suggest returns the next move for somebody who wrote an unknown name: the
// nearest known one, or the list of those there are.
func Suggest(name string, known []string) string {
	known = slices.Sorted(slices.Values(known))
	best, bound := "", max(1, len(name)/3)+1
	for _, k := range known {
		if d := distance(strings.ToLower(name), strings.ToLower(k), bound); d < bound {
			best, bound = k, d
		}
	}
	switch {
	case best != "":
		return "did you mean `" + best + "`?"
	case len(known) == 0:
		return "none is defined"
	case len(known) > 12:
		return "known: " + strings.Join(known[:12], ", ") + " and others"
	default:
		return "known: " + strings.Join(known, ", ")
	}
}

// distance is the number of single letters to insert, delete, replace or swap
// with their neighbour to turn a into b, or bound if it is not below it.
func distance(a, b string, bound int) int {
	if len(a)-len(b) >= bound || len(b)-len(a) >= bound || len(a) > 64 || len(b) > 64 {
		return bound
	}
	older, old, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range old {
		old[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			change := old[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, old[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], older[j-1]+1)
			}
		}
		older, old, row = old, row, older
	}
	return min(old[len(b)], bound)
}
