// Package precision judges the identity stage by people of whom it is known
// who they are.
//
// In: a population with its truth, and rules. Out: how many pairs of
// identifiers that became one person's truly are, and how many that truly are
// became so. State: none. Laws: the same population and rules give the same
// figures, and the same as all events through the stage's own rows, up to the
// bound of a row, which is left out here.
//
// Not here: the people (loadtest/truth), the stage (processors/identity).
package precision

// Score says how well clusters fit the truth. A pair is two identifiers; it is
// true if some person truly owns both. What nobody owns (a terminal in a shop,
// the word "null") is in no true pair.
type Score struct {
	Clusters int   `json:"clusters"` // what became people
	Largest  int   `json:"largest"`  // identifiers in the largest one
	Together int64 `json:"together"` // pairs that are one person's, as the stage has it
	Right    int64 `json:"right"`    // those of them that are true
	True     int64 `json:"true"`     // all that are true
}

// Precision is the part of the pairs found that is true; 1 without pairs.
func (s Score) Precision() float64 { return share(s.Right, s.Together) }

// Recall is the part of the true pairs that is found; 1 without true pairs.
func (s Score) Recall() float64 { return share(s.Right, s.True) }

func share(part, of int64) float64 {
	if of == 0 {
		return 1
	}
	return float64(part) / float64(of)
}

// every is how many events pass between two words about progress.
const every = 10_000
