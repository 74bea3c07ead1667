package profile

import "kairos/schemas"

// Points that do not fit lie in cells of an absolute grid: those of level k
// are 2^k seconds long and start at multiples of that. As time passes, cells
// become parts of cells of the next level, once these are crowding cells old,
// counted from their end. So a cell is small against its age, whatever that
// is, and there are about crowding cells per level.
//
// A window of W must not notice when that happens. Within W at most the level
// levelOf(W) can come about; a point in any cell therefore counts until its
// cell of that level is W old, at most W/crowding too long (or 2 s).
const (
	crowding    = 16
	highest     = 40 // level; 2^40 s are 34,000 years
	secondMilli = 1000
)

func span(level uint8) schemas.Instant { return secondMilli << level }

// startOf returns the start of the cell that holds t.
func startOf(t schemas.Instant, level uint8) schemas.Instant {
	s := span(level)
	if r := t % s; r < 0 {
		return t - r - s
	} else {
		return t - r
	}
}

// endOf returns the first instant after the cell that holds t.
func endOf(t schemas.Instant, level uint8) schemas.Instant { return startOf(t, level) + span(level) }

// levelOf is the highest level that cells can reach within a window.
func levelOf(window schemas.Instant) uint8 {
	level := uint8(0)
	for level < highest && crowding*span(level+1) < window {
		level++
	}
	return level
}

// risesAt is when the cell of a level that holds t becomes part of one of the
// next level.
func risesAt(t schemas.Instant, level uint8) schemas.Instant {
	return endOf(t, level+1) + crowding*span(level+1)
}

// levelAt is the level of the cell that holds t, at a time.
func levelAt(t, now schemas.Instant) uint8 {
	level := uint8(0)
	for level < highest && risesAt(t, level) <= now {
		level++
	}
	return level
}
