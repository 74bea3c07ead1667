package crowd

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"kairos/schemas"
)

// Overlap says how many people audiences share.
type Overlap struct {
	Audiences []string `json:"audiences"`
	Sizes     []int    `json:"sizes"`
	Pairs     []Pair   `json:"pairs"`
	both      [][]int
}

// Pair is two audiences.
type Pair struct {
	A       string  `json:"a"`
	B       string  `json:"b"`
	Both    int     `json:"both"`
	Jaccard float64 `json:"jaccard"` // those in both among those in any of the two; 0 if nobody is
}

// MostOverlaps is how many audiences are compared if none are named: the
// largest.
const MostOverlaps = 10

// Overlaps compares audiences with each other; without names the largest ones.
func Overlaps(ctx context.Context, tables Tables, names ...string) (Overlap, error) {
	if len(names) == 0 {
		sizes, err := Sizes(ctx, tables)
		if err != nil {
			return Overlap{}, err
		}
		names = slices.SortedFunc(maps.Keys(sizes), func(a, b string) int { return cmp.Or(cmp.Compare(sizes[b], sizes[a]), cmp.Compare(a, b)) })
		names = names[:min(len(names), MostOverlaps)]
	}
	o := Overlap{Audiences: names, Sizes: make([]int, len(names)), Pairs: []Pair{}, both: make([][]int, len(names))}
	place := map[string]int{}
	for i, name := range names {
		place[name], o.both[i] = i, make([]int, len(names))
	}
	current, in := "", []int{}
	note := func() {
		for _, i := range in {
			for _, j := range in {
				o.both[i][j]++
			}
		}
	}
	err := members(ctx, tables, func(_ *part, person string, s *schemas.Standing) {
		i, wanted := place[s.Audience]
		if !wanted {
			return
		}
		if person != current {
			note()
			current, in = person, in[:0]
		}
		in = append(in, i)
	})
	note()
	for i, a := range names {
		o.Sizes[i] = o.both[i][i]
		for j := i + 1; j < len(names); j++ {
			o.Pairs = append(o.Pairs, Pair{a, names[j], o.both[i][j], o.jaccard(i, j)})
		}
	}
	return o, err
}

func (o *Overlap) jaccard(i, j int) float64 {
	union := o.both[i][i] + o.both[j][j] - o.both[i][j]
	if union == 0 {
		return 0
	}
	return float64(o.both[i][j]) / float64(union)
}
