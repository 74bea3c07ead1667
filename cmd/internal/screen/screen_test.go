package screen_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kairos/cmd/internal/screen"
)

func TestNumbersAreGroupedInThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 69659: "69,659", -1234567: "-1,234,567"} {
		if got := screen.Number(n); got != want {
			t.Errorf("%d is written %s, want %s", n, got, want)
		}
	}
}

func TestAgesAndBytesAreSaidAsPeopleSayThem(t *testing.T) {
	for seconds, want := range map[float64]string{0: "0.0s", 4.24: "4.2s", 12: "12s", 59.9: "59s", 125: "2m 5s", 3*3600 + 720: "3h 12m", 52 * 3600: "2d 4h"} {
		if got := screen.Age(seconds); got != want {
			t.Errorf("%v s are %s, want %s", seconds, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1500: "1.5 KB", 310_000_000: "310 MB", 2_340_000_000: "2.3 GB", 7e15: "7000 TB"} {
		if got := screen.Bytes(n); got != want {
			t.Errorf("%d bytes are %s, want %s", n, got, want)
		}
	}
}

func TestABarNeverLeavesItsColumns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.Float64Range(-1, 2).Draw(t, "part")
		width := rapid.IntRange(0, 60).Draw(t, "width")
		if got := screen.Width(screen.Bar(part, width)); got > width {
			t.Errorf("%d columns, of %d", got, width)
		}
	})
	if got := screen.Bar(0.5, 3); got != "█▌" {
		t.Errorf("half of three columns is %q", got)
	}
}

func TestCuttingKeepsColoursAndWidth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-z█é]{0,20}`).Draw(t, "text")
		width := rapid.IntRange(1, 30).Draw(t, "width")
		painted := screen.Paint(true).In(screen.Green, text) + " end"
		got := screen.Cut(painted, width)
		if screen.Width(got) > width {
			t.Errorf("%q has %d columns, not %d", got, screen.Width(got), width)
		}
		if strings.Count(got, "\x1b") != strings.Count(painted, "\x1b") {
			t.Errorf("%q lost a colour sequence of %q", got, painted)
		}
	})
}

func TestADrawingReplacesTheOneBefore(t *testing.T) {
	var out strings.Builder
	s := screen.New(&out, func() int { return 80 })
	s.Draw([]string{"one", "two"})
	out.Reset()
	s.Draw([]string{"three"})
	if got := out.String(); !strings.Contains(got, "\x1b[2A\rthree\x1b[K\n\x1b[J") {
		t.Errorf("drew %q", got)
	}
}
