package profile

import (
	"cmp"
	"math"
	"slices"

	"kairos/processors/expression"
	"kairos/schemas"
)

// gathered is one series over the union of fragments.
type gathered struct {
	points  []point  // oldest first
	buckets []capped // in no order
	places  []place  // room for order

	following following // room for sequences
}

// capped is a bucket and when the oldest exact point of its fragment happened.
type capped struct {
	bucket
	oldest schemas.Instant
	exists bool // there is such a point
}

// place says where a point or a bucket stands: it is within a window until it
// leaves.
type place struct {
	leaves schemas.Instant
	at     int // in points; -1, -2 ...: in buckets
}

// leaves is when what happened before end, and as a point at end, leaves t's
// window.
func (t *term) leaves(end schemas.Instant) schemas.Instant {
	switch {
	case t.calendar != nil:
		return t.calendar.At(end).To
	case t.window == 0:
		return never
	default:
		return end + t.window
	}
}

func (g *gathered) clear() { g.points, g.buckets = g.points[:0], g.buckets[:0] }

// gather adds what one fragment has of the series.
func (g *gathered) gather(s *series) {
	others := len(g.points)
	points, sound := pointsOf(g.points, s.points)
	r := reader{rest: s.buckets, bad: !sound}
	for len(r.rest) > 0 {
		b := capped{bucket: bucketOf(&r)}
		if len(points) > others {
			b.oldest, b.exists = points[others].time, true
		}
		g.buckets = append(g.buckets, b)
	}
	r.whole("series")
	if others > 0 && len(points) > others {
		slices.SortStableFunc(points, func(a, b point) int { return cmp.Compare(a.time, b.time) })
	}
	g.points = points
}

// order lists everything that can be within t's window, what stays longest
// first.
func (g *gathered) order(t *term) []place {
	g.places = slices.Grow(g.places[:0], len(g.points)+len(g.buckets))
	if t.calendar != nil {
		return g.orderByCalendar(t)
	}
	for i := len(g.points) - 1; i >= 0; i-- {
		g.places = append(g.places, place{t.leaves(g.points[i].time), i})
	}
	for i := range g.buckets {
		b := &g.buckets[i]
		end := schemas.Instant(0)
		switch {
		case t.window == 0:
		case b.level > t.level:
			continue // it has left, or it would not lie in so large a cell
		default:
			end = endOf(b.start, t.level)
			if b.exists { // it is older than all exact points, so it does not outlive them
				end = min(end, b.oldest)
			}
		}
		g.places = append(g.places, place{t.leaves(end), -1 - i})
	}
	if len(g.buckets) > 0 {
		slices.SortStableFunc(g.places, func(a, b place) int { return cmp.Compare(b.leaves, a.leaves) })
	}
	return g.places
}

// orderByCalendar is order for a window that is the current period.
func (g *gathered) orderByCalendar(t *term) []place {
	var period expression.Period
	for i := len(g.points) - 1; i >= 0; i-- {
		if at := g.points[i].time; !period.Holds(at) {
			period = t.calendar.At(at)
		}
		g.places = append(g.places, place{period.To, i})
	}
	for i := range g.buckets {
		g.places = append(g.places, place{t.leaves(g.buckets[i].start), -1 - i})
	}
	slices.SortStableFunc(g.places, func(a, b place) int { return cmp.Compare(b.leaves, a.leaves) })
	return g.places
}

// evaluate returns the value of a term at now and the next instant at which
// the passing of time gives it another one; 0 for never.
//
// It adds up what there is, from what stays longest. The value after each
// is the value that the term will have when the others have left; where the
// last two of these differ, there is the next change.
func (t *term) evaluate(g *gathered, now schemas.Instant) (value schemas.Value, due schemas.Instant) {
	if t.Sequence != nil {
		return t.follow(g, now)
	}
	if t.looks {
		return t.look(g, now)
	}
	if len(g.buckets) == 0 && t.calendar == nil {
		return t.evaluatePoints(g.points, now)
	}
	var s total
	value = t.empty
	order := g.order(t)
	for i := 0; i < len(order) && order[i].leaves > now; {
		leaves := order[i].leaves
		for ; i < len(order) && order[i].leaves == leaves; i++ {
			if at := order[i].at; at < 0 {
				s.addBucket(&g.buckets[-1-at].bucket)
			} else {
				s.addFor(t.Aggregate, &g.points[at])
			}
		}
		if v := t.Compared(t.aggregate(&s)); v != value {
			value, due = v, leaves
		}
	}
	if due == never {
		due = 0
	}
	return value, due
}

// evaluatePoints is evaluate where nothing lies in buckets: points stay in the
// order in which they came, and often the newest few decide.
func (t *term) evaluatePoints(points []point, now schemas.Instant) (value schemas.Value, due schemas.Instant) {
	var s total
	value = t.empty
	for i := len(points) - 1; i >= 0 && t.leaves(points[i].time) > now; {
		at := points[i].time
		for ; i >= 0 && (points[i].time == at || t.window == 0 && !t.settled(&s)); i-- {
			at = points[i].time
			s.addFor(t.Aggregate, &points[i])
		}
		if v := t.Compared(t.aggregate(&s)); v != value {
			value, due = v, t.leaves(at)
		}
		if t.settled(&s) {
			break
		}
	}
	if due == never {
		due = 0
	}
	return value, due
}

// total adds up points and buckets.
type total struct {
	sums
	cells sketch // of the buckets among them
	now   schemas.Instant
	extra *extra // of terms that look; nil: not one
	of    *extra // likewise, of the buckets
}

func (s *total) addBucket(b *bucket) {
	s.addSums(&b.sums)
	s.cells.addAll(&b.unique)
	if s.of != nil {
		s.extra.latest = max(s.extra.latest, b.newest)
		if b.extra != nil {
			s.of.addAll(b.extra)
			s.of.bound()
		}
	}
	s.cells.bound() // as if they were one bucket: which of them have become one must not show
}

// addFor adds what an aggregate needs of a point.
func (s *total) addFor(a expression.Aggregate, p *point) {
	s.count++
	switch a {
	case expression.Any, expression.None, expression.Count:
	case expression.First, expression.Last:
		if p.value.Kind != schemas.Null {
			s.addEnds(*p, *p)
		}
	case expression.Unique:
		if p.value.Kind != schemas.Null {
			s.unique.add(hashOf(p.value))
		}
	case expression.Sum, expression.Avg, expression.Min, expression.Max:
		if n := p.value.Number; p.value.Kind == schemas.Number {
			s.addNumbers(1, millionths(n), n, n)
		}
	default:
		s.extra.addFor(a, p)
	}
}

// different counts different values: exactly, unless those in buckets are too
// many for a sketch.
func (s *total) different() float64 {
	if len(s.cells.hashes) == 0 {
		return float64(len(s.unique.hashes))
	}
	all := sketch{hashes: slices.Clone(s.unique.hashes)}
	all.addAll(&s.cells)
	if !all.part {
		return float64(len(all.hashes))
	}
	share := (float64(all.hashes[sketchSize-1]) + 1) / (1 << 64)
	return math.Round((sketchSize - 1) / share)
}

// settled reports whether older points cannot change the term any more.
func (t *term) settled(s *total) bool {
	switch t.Aggregate {
	case expression.Any, expression.None:
		return s.count > 0
	case expression.Count:
		return t.Compare != expression.NoComparison && float64(s.count) > t.Operand
	case expression.Last:
		return s.valued
	default:
		return false
	}
}

func (t *term) aggregate(s *total) schemas.Value {
	switch t.Aggregate {
	case expression.Any:
		return schemas.BooleanOf(s.count > 0)
	case expression.None:
		return schemas.BooleanOf(s.count == 0)
	case expression.Count:
		return schemas.NumberOf(float64(s.count))
	case expression.Sum:
		return schemas.NumberOf(s.sum.number())
	case expression.Unique:
		return schemas.NumberOf(s.different())
	case expression.First:
		return s.first.value
	case expression.Last:
		return s.last.value
	case expression.MostFrequent, expression.List, expression.Recency, expression.Elapsed, expression.Streak:
		return t.extraAggregate(s)
	}
	if s.numbers == 0 {
		return schemas.Value{}
	}
	switch t.Aggregate {
	case expression.Avg:
		return schemas.NumberOf(s.sum.number() / float64(s.numbers))
	case expression.Min:
		return schemas.NumberOf(s.least)
	default:
		return schemas.NumberOf(s.most)
	}
}
