package profile

import (
	"cmp"
	"math"
	"slices"

	"kairos/processors/expression"
	"kairos/schemas"
)

// deed is a point of a series with roles.
type deed struct {
	time  schemas.Instant
	roles uint64
}

func (d *deed) plays(role int) bool { return d.roles&(1<<role) != 0 }

// match is one way to come to the end of a sequence, or on the way there only
// to some step.
type match struct {
	begin  schemas.Instant // of the first event: the latest possible
	end    schemas.Instant // of the last event
	exists bool            // on the way: there is one; at the end: nothing that must not come has come
}

// never is later than all that can happen.
const never schemas.Instant = math.MaxInt64

// following is the room in which sequences are followed.
type following struct {
	deeds   []deed
	way     []match // by step, the latest match up to it
	matches []match // complete
	looked  []int   // by Without of the last step, how many of matches it has been held against
	borders []border
}

// border is when a match begins or ceases to hold.
type border struct {
	at   schemas.Instant
	more int
}

// follow returns the value of a sequence's term at now and the next instant at
// which the passing of time gives it another one; 0 for never.
func (t *term) follow(g *gathered, now schemas.Instant) (value schemas.Value, due schemas.Instant) {
	f := &g.following
	f.read(g.points)
	f.run(t.Sequence)
	holding := f.bordersOf(t, now)
	value = t.counted(holding)
	for i, b := range f.borders {
		holding += b.more
		if last := i == len(f.borders)-1 || f.borders[i+1].at != b.at; last && t.counted(holding) != value {
			return value, b.at
		}
	}
	return value, 0
}

// counted is the value of the term while so many matches hold.
func (t *term) counted(matches int) schemas.Value {
	return t.Compared(t.aggregate(&total{sums: sums{count: int64(matches)}}))
}

// read puts points, in the order in which sequences see them: by time, then by
// event id.
func (f *following) read(points []point) {
	if !slices.IsSortedFunc(points, point.compare) { // those of several fragments are sorted by time alone
		slices.SortFunc(points, point.compare)
	}
	f.deeds = f.deeds[:0]
	for i := range points {
		f.deeds = append(f.deeds, deed{points[i].time, expression.RolesOf(points[i].value)})
	}
}

// run finds the matches. It keeps only the latest match up to each step: of two
// that end at the same step the later one begins no earlier, since it could
// take every event that the earlier one took, and all that limits how it may go
// on limits the earlier one first.
func (f *following) run(q *expression.Sequence) {
	last := len(q.Steps) - 1
	f.way = append(f.way[:0], make([]match, len(q.Steps))...)
	f.looked = append(f.looked[:0], make([]int, len(q.Steps[last].Without))...)
	f.matches = f.matches[:0]
	for i := range f.deeds {
		d := &f.deeds[i]
		for k, w := range q.Steps[last].Without {
			if d.plays(w.Role) {
				f.spoil(k, w, d.time)
			}
		}
		for k := last; k >= 0; k-- { // backwards: an event is one step only
			s := &q.Steps[k]
			reached := match{begin: d.time, end: d.time, exists: true}
			if k > 0 {
				before := f.way[k-1]
				reached.begin = before.begin
				reached.exists = before.exists && (s.Within == 0 || d.time-before.end <= schemas.Instant(s.Within.Milliseconds()))
			}
			reached.exists = reached.exists && d.plays(s.Role)
			switch {
			case reached.exists && k == last:
				f.matches = append(f.matches, reached)
			case reached.exists:
				f.way[k] = reached
			case k < last && slices.ContainsFunc(s.Without, func(w expression.Without) bool { return d.plays(w.Role) }):
				f.way[k].exists = false
			}
		}
	}
}

// spoil ends the matches after which an event at t must not have come. Those
// that an earlier such event left alone are too old for a later one as well.
func (f *following) spoil(k int, w expression.Without, t schemas.Instant) {
	for i := len(f.matches) - 1; i >= f.looked[k]; i-- {
		if m := &f.matches[i]; w.For == 0 || t-m.end <= schemas.Instant(w.For.Milliseconds()) {
			m.exists = false
		}
	}
	f.looked[k] = len(f.matches)
}

// bordersOf counts the matches that hold at now, and lists when the passing of
// time will change that.
func (f *following) bordersOf(t *term, now schemas.Instant) (holding int) {
	wait := schemas.Instant(0)
	for _, w := range t.Sequence.Steps[len(t.Sequence.Steps)-1].Without {
		wait = max(wait, schemas.Instant(w.For.Milliseconds()))
	}
	f.borders = f.borders[:0]
	for _, m := range f.matches {
		from, until := m.end+wait, never
		if t.window != 0 {
			until = m.begin + t.window
		}
		if !m.exists || until <= now || from >= until {
			continue
		}
		if from <= now {
			holding++
		} else {
			f.borders = append(f.borders, border{from, 1})
		}
		if until != never {
			f.borders = append(f.borders, border{until, -1})
		}
	}
	slices.SortFunc(f.borders, func(a, b border) int { return cmp.Compare(a.at, b.at) })
	return holding
}
