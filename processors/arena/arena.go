// Package arena gives out memory that is given back all at once, by whoever does
// the same work again and again.
package arena

import "unsafe"

// Of is an arena of T. It is as large as the largest work was; what a smaller one
// does not use costs nothing. Its zero value is empty. It is for one goroutine at
// a time.
type Of[T any] struct {
	pieces [][]T // what was given stays where it is
	full   int   // of them; the next one is at work
	used   int   // of that
}

const (
	pieceItems = 1 << 8  // of the first piece; the next ones are twice as large,
	pieceBytes = 1 << 16 // until they are so large
)

// more is how many items the next piece has, for n of them.
func (a *Of[T]) more(n int) int {
	var item T
	most := max(pieceItems, pieceBytes/int(unsafe.Sizeof(item)))
	return max(n, min(pieceItems<<min(len(a.pieces), 16), most))
}

// Take gives n zero values, which nobody else has until Clear.
func (a *Of[T]) Take(n int) []T {
	for ; a.full < len(a.pieces); a.full, a.used = a.full+1, 0 {
		if piece := a.pieces[a.full]; len(piece)-a.used >= n {
			a.used += n
			return piece[a.used-n : a.used : a.used]
		}
	}
	a.pieces = append(a.pieces, make([]T, a.more(n)))
	a.used = n
	return a.pieces[a.full][:n:n]
}

// Clear takes back all that was given, and empties it.
func (a *Of[T]) Clear() {
	for _, piece := range a.pieces[:a.full] {
		clear(piece)
	}
	if a.used > 0 {
		clear(a.pieces[a.full][:a.used])
	}
	a.full, a.used = 0, 0
}
