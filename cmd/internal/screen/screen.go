// Package screen draws a few lines in place on a terminal, again and again,
// and formats what is in them.
//
// In: lines of text, perhaps with colours. Out: the terminal's picture. State:
// how many lines are on it. Laws: nothing is left behind, no line wraps.
//
// Not here: what is shown (cmd/kairos).
package screen

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Screen is a block of lines that is redrawn in place.
type Screen struct {
	out   io.Writer
	width func() int
	lines int // drawn so far
}

// New makes a screen on a terminal of a width that may change.
func New(out io.Writer, width func() int) *Screen { return &Screen{out: out, width: width} }

const (
	hideCursor  = "\x1b[?25l"
	showCursor  = "\x1b[?25h"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
	synchronise = "\x1b[?2026h" // terminals that know it show the whole picture at once
	released    = "\x1b[?2026l"
)

// Draw replaces what was drawn before.
func (s *Screen) Draw(lines []string) {
	var b strings.Builder
	b.WriteString(synchronise + hideCursor)
	if s.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r", s.lines)
	}
	width := s.width()
	for _, line := range lines {
		b.WriteString(Cut(line, width) + clearLine + "\n")
	}
	b.WriteString(clearBelow + released)
	s.lines = len(lines)
	io.WriteString(s.out, b.String())
}

// Done leaves the last picture on the terminal and gives the cursor back.
func (s *Screen) Done() {
	s.lines = 0
	io.WriteString(s.out, showCursor)
}

// Style is how text looks: the parameters of an SGR sequence.
type Style string

// The styles that kairos uses.
const (
	Bold   Style = "1"
	Dim    Style = "2"
	Green  Style = "32"
	Red    Style = "31"
	Blue   Style = "34"
	Cyan   Style = "36"
	Yellow Style = "33"
)

// Paint gives text a style where colours are wanted.
type Paint bool

// In returns text in a style.
func (p Paint) In(style Style, text string) string {
	if !p || text == "" {
		return text
	}
	return "\x1b[" + string(style) + "m" + text + "\x1b[0m"
}

// Width is the number of columns that s takes, colours aside. Every character
// counts as one: kairos draws no wide ones.
func Width(s string) int {
	width := 0
	for rest := s; rest != ""; {
		if n := sequence(rest); n > 0 {
			rest = rest[n:]
			continue
		}
		_, n := utf8.DecodeRuneInString(rest)
		rest = rest[n:]
		width++
	}
	return width
}

// sequence returns the length of the colour sequence that s starts with.
func sequence(s string) int {
	if !strings.HasPrefix(s, "\x1b[") {
		return 0
	}
	if end := strings.IndexByte(s, 'm'); end >= 0 {
		return end + 1
	}
	return 0
}

// Cut shortens s to a number of columns, keeping its colours.
func Cut(s string, width int) string {
	if Width(s) <= width {
		return s
	}
	var b strings.Builder
	for rest, columns := s, 0; rest != ""; {
		if n := sequence(rest); n > 0 {
			b.WriteString(rest[:n])
			rest = rest[n:]
			continue
		}
		_, n := utf8.DecodeRuneInString(rest)
		if columns++; columns < width {
			b.WriteString(rest[:n])
		} else if columns == width {
			b.WriteString("…")
		}
		rest = rest[n:]
	}
	return b.String()
}

// Left pads s on the right to a number of columns; Right on the left.
func Left(s string, width int) string { return s + strings.Repeat(" ", max(0, width-Width(s))) }

// Right pads s on the left to a number of columns.
func Right(s string, width int) string { return strings.Repeat(" ", max(0, width-Width(s))) + s }

// Columns aligns cells under each other, two spaces apart and without
// trailing ones.
func Columns(rows [][]string) []string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], Width(cell))
		}
	}
	lines := make([]string, len(rows))
	for n, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = Left(cell, widths[i])
		}
		lines[n] = strings.TrimRight(strings.Join(cells, "  "), " ")
	}
	return lines
}

// Bar is a bar of a number of columns, of which part (0 to 1) is filled, to an
// eighth of a column.
func Bar(part float64, width int) string {
	eighths := int(part*float64(width)*8 + 0.5)
	eighths = max(0, min(eighths, width*8))
	bar := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		bar += string([]rune(" ▏▎▍▌▋▊▉")[rest])
	}
	return bar
}

// Age writes seconds as people say them, in two units at most: 4.2s, 2m 5s,
// 3h 12m, 2d 4h.
func Age(seconds float64) string {
	whole := int64(seconds)
	switch minutes, hours := whole/60, whole/3600; {
	case seconds < 10:
		return fmt.Sprintf("%.1fs", seconds)
	case minutes == 0:
		return fmt.Sprintf("%ds", whole)
	case hours == 0:
		return fmt.Sprintf("%dm %ds", minutes, whole%60)
	case hours < 24:
		return fmt.Sprintf("%dh %dm", hours, minutes%60)
	default:
		return fmt.Sprintf("%dd %dh", hours/24, hours%24)
	}
}

// Bytes writes n with a unit in steps of a thousand.
func Bytes(n int64) string {
	units, part := []string{"B", "KB", "MB", "GB", "TB"}, float64(n)
	for part >= 1000 && len(units) > 1 {
		part, units = part/1000, units[1:]
	}
	if units[0] == "B" || part >= 100 {
		return fmt.Sprintf("%.0f %s", part, units[0])
	}
	return fmt.Sprintf("%.1f %s", part, units[0])
}

// Number writes n with commas between thousands.
func Number[N int | int64](n N) string {
	digits := fmt.Sprint(n)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}
