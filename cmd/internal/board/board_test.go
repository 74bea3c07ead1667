package board_test

import (
	"strings"
	"testing"
	"time"

	"kairos/cmd/internal/board"
	"kairos/cmd/internal/screen"
	"kairos/cmd/internal/tally"
	"kairos/schemas"
	"kairos/topologies/golden"
)

func state() board.State {
	day := func(y int, m time.Month, d int) schemas.Instant {
		return schemas.InstantOf(time.Date(y, m, d, 0, 0, 0, 0, time.UTC))
	}
	return board.State{
		Title: "a shop's purchases", From: day(1997, 1, 1), To: day(1998, 7, 1), Now: day(1997, 10, 1),
		Events: 48211, People: 23570, Seconds: 6.5,
		Counts: []tally.Count{{Name: "lapsed_90d", Size: 18034, Entered: 21253, Exited: 3219}, {Name: "vip", Size: 3, Entered: 948, Exited: 945}, {Name: "win_back"}},
		Before: []tally.Count{{Name: "lapsed_90d", Size: 18034, Entered: 21253, Exited: 3219}, {Name: "vip", Size: 2, Entered: 947, Exited: 945}},
	}
}

func TestTheBoardIsDrawnAsReviewed(t *testing.T) {
	got := strings.Join(board.Lines(state(), false, 110), "\n") + "\n" + board.Line(state()) + "\n"
	golden.File(t, "testdata/board.txt", got)
}

func TestColoursChangeNoWidthAndMarkOnlyWhatMoved(t *testing.T) {
	plain, painted := board.Lines(state(), false, 110), board.Lines(state(), true, 110)
	for i := range plain {
		if screen.Width(plain[i]) != screen.Width(painted[i]) {
			t.Errorf("line %d is %d columns wide in colour, not %d", i, screen.Width(painted[i]), screen.Width(plain[i]))
		}
	}
	const green = "\x1b[32m"
	for _, line := range painted {
		if moved := strings.Contains(line, "vip"); strings.Contains(line, green) != moved {
			t.Errorf("%q", line)
		}
	}
}

func TestTheBoardFitsATerminalOfEightyColumns(t *testing.T) {
	s := state()
	s.Counts = append(s.Counts, tally.Count{Name: "second_purchase_30d", Size: 1234567, Entered: 1234567, Exited: 1234567})
	for _, line := range board.Lines(s, true, 80) {
		if screen.Width(line) > 80 {
			t.Errorf("%d columns: %s", screen.Width(line), line)
		}
	}
}
