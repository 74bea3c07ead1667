// Package board lays out what the terminal shows while a history is replayed.
//
// In: a [State]. Out: lines for a screen, or one line for a log. State: none.
//
// Not here: drawing (cmd/internal/screen), counting (cmd/internal/tally).
package board

import (
	"fmt"
	"strings"
	"time"

	"kairos/cmd/internal/screen"
	"kairos/cmd/internal/tally"
	"kairos/schemas"
)

// State is everything that the board shows.
type State struct {
	Title    string
	From, To schemas.Instant // of the history
	Now      schemas.Instant // virtual time reached
	Events   int             // dealt with
	People   int             // 0: not known
	Seconds  float64         // since the beginning
	Counts   []tally.Count
	Before   []tally.Count // as shown a moment ago: what is different is marked
}

// The bars take what the other columns leave, within reason.
const (
	shortestBar = 6
	longestBar  = 28
	figureWidth = 46 // of the columns of figures, with the space before each
)

// Lines is the board, for a terminal of the given width.
func Lines(s State, paint screen.Paint, width int) []string {
	lines := []string{
		"",
		"  " + paint.In(screen.Bold, "kairos") + "  " + s.Title,
		"",
		progress(s, paint, width),
		"",
	}
	name := 8
	for _, c := range s.Counts {
		name = max(name, len(c.Name))
	}
	bar := max(shortestBar, min(longestBar, width-name-figureWidth))
	heading := fmt.Sprintf("  %s  %s  %10s  %12s  %12s", screen.Left("AUDIENCE", name), screen.Left("", bar), "PEOPLE", "ENTERED", "EXITED")
	lines = append(lines, paint.In(screen.Dim, heading))
	largest := 1
	for _, c := range s.Counts {
		largest = max(largest, c.Size)
	}
	for _, c := range s.Counts {
		lines = append(lines, audience(c, before(s.Before, c.Name), name, bar, largest, paint))
	}
	return append(lines, "")
}

func progress(s State, paint screen.Paint, width int) string {
	part := 0.0
	if s.To > s.From && s.Now > s.From {
		part = min(1, float64(s.Now-s.From)/float64(s.To-s.From))
	}
	columns := max(10, min(40, width-70))
	bar := screen.Left(screen.Bar(part, columns), columns)
	return fmt.Sprintf("  %s%s  %s  %s", paint.In(screen.Cyan, bar), paint.In(screen.Dim, "▏"), paint.In(screen.Bold, date(s.Now, s.From)), figures(s))
}

func date(now, from schemas.Instant) string { return max(now, from).Time().Format("_2 Jan 2006") }

func figures(s State) string {
	parts := []string{screen.Number(s.Events) + " events"}
	if s.People > 0 {
		parts = append(parts, screen.Number(s.People)+" people")
	}
	if s.Seconds > 0 {
		parts = append(parts, fmt.Sprintf("%s/s", screen.Number(int(float64(s.Events)/s.Seconds))), fmt.Sprintf("%.0f s", s.Seconds))
	}
	return strings.Join(parts, " · ")
}

func audience(c, was tally.Count, name, width, largest int, paint screen.Paint) string {
	bar := screen.Left(screen.Bar(float64(c.Size)/float64(largest), width), width)
	if c.Size > 0 && strings.TrimSpace(bar) == "" {
		bar = screen.Left("▏", width) // somebody is there
	}
	return fmt.Sprintf("  %s  %s  %s  %s  %s", screen.Left(c.Name, name), paint.In(screen.Blue, bar),
		paint.In(screen.Bold, screen.Right(screen.Number(c.Size), 10)),
		moved(paint, screen.Green, "+", c.Entered, was.Entered), moved(paint, screen.Red, "-", c.Exited, was.Exited))
}

// moved writes a number, in colour while it grows.
func moved(paint screen.Paint, style screen.Style, sign string, now, was int) string {
	text := screen.Right(sign+screen.Number(now), 12)
	if now == 0 {
		return paint.In(screen.Dim, screen.Right("-", 12))
	}
	if now != was {
		return paint.In(style, text)
	}
	return text
}

func before(counts []tally.Count, name string) tally.Count {
	for _, c := range counts {
		if c.Name == name {
			return c
		}
	}
	return tally.Count{}
}

// Line is the board in one line, where there is no terminal.
func Line(s State) string {
	members := 0
	for _, c := range s.Counts {
		members += c.Size
	}
	return fmt.Sprintf("%s  %s · %s memberships", date(s.Now, s.From), figures(s), screen.Number(members))
}

// Every is how often a board is drawn: often on a terminal, seldom in a log.
func Every(live bool) time.Duration {
	if live {
		return 200 * time.Millisecond
	}
	return 2 * time.Second
}
