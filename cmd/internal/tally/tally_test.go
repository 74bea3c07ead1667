package tally_test

import (
	"slices"
	"testing"

	"kairos/cmd/internal/tally"
	"kairos/schemas"
)

func TestSizeIsEnteredMinusExited(t *testing.T) {
	counted := tally.New()
	counted.Expect("lapsed")
	for i, entered := range []bool{true, true, false} {
		counted.Add(&schemas.Transition{Audience: "winback", Entered: entered, Cause: schemas.Instant(10 - i)})
	}
	want := []tally.Count{{Name: "lapsed"}, {Name: "winback", Size: 1, Entered: 2, Exited: 1}}
	if got := counted.Counts(); !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if seen, newest := counted.Seen(); seen != 3 || newest != 10 {
		t.Errorf("seen %d, newest %d", seen, newest)
	}
}
