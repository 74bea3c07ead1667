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
	points  []item // latest end first
	buckets []item // ends not yet set
}

// item is a point or a bucket. It is within a window W at time T if end+W > T.
type item struct {
	end    schemas.Instant
	point  point
	bucket *bucket         // nil: a point
	oldest schemas.Instant // the oldest exact point of the bucket's fragment
	capped bool            // there is such a point
}

// gather appends what one fragment has of the series.
func (g *gathered) gather(s *series) {
	buckets, sound := bucketsOf(s.buckets)
	points, alsoSound := pointsOf(make([]point, 0, len(s.points)/5+2), s.points)
	(&reader{bad: !sound || !alsoSound}).whole("series")
	for i := range buckets {
		it := item{bucket: &buckets[i]}
		if len(points) > 0 {
			it.oldest, it.capped = points[0].time, true
		}
		g.buckets = append(g.buckets, it)
	}
	several := len(g.points) > 0
	g.points = slices.Grow(g.points, len(points))
	for i := len(points) - 1; i >= 0; i-- {
		g.points = append(g.points, item{end: points[i].time, point: points[i]})
	}
	if several {
		slices.SortStableFunc(g.points, laterFirst)
	}
}

func laterFirst(a, b item) int { return cmp.Compare(b.end, a.end) }

// items lists all, latest end first, as a window sees them.
func (g *gathered) items(t *term) []item {
	if len(g.buckets) == 0 {
		return g.points
	}
	all := slices.Clone(g.points)
	for _, it := range g.buckets {
		if it.bucket.level <= t.level {
			it.end = endOf(it.bucket.start, t.level)
			if it.capped { // it is older than all exact points, so it does not outlive them
				it.end = min(it.end, it.oldest)
			}
		} else if t.window != 0 {
			continue // it has left, or it would not lie in so large a cell
		}
		all = append(all, it)
	}
	slices.SortStableFunc(all, laterFirst)
	return all
}

// evaluate returns the value of a term at now and the next instant at which
// the passing of time gives it another one; 0 for never.
//
// It adds up the items from the one that stays longest. The value after each
// is the value that the term will have when the others have left; where the
// last two of these differ, there is the next change.
func (t *term) evaluate(g *gathered, now schemas.Instant) (value schemas.Value, due schemas.Instant) {
	var s total
	value = t.empty
	items := g.items(t)
	for i := 0; i < len(items) && (t.window == 0 || items[i].end+t.window > now); {
		end := items[i].end
		for ; i < len(items) && (items[i].end == end || t.window == 0); i++ {
			if b := items[i].bucket; b != nil {
				s.addBucket(b)
			} else {
				s.addPoint(items[i].point, t.Aggregate == expression.Unique)
			}
		}
		if v := t.Compared(t.aggregate(&s)); v != value {
			value, due = v, end+t.window
		}
		if t.settled(&s) && len(g.buckets) == 0 {
			break
		}
	}
	if t.window == 0 {
		due = 0
	}
	return value, due
}

// total adds up items.
type total struct {
	sums
	cells sketch // of the buckets among them
}

func (s *total) addBucket(b *bucket) {
	s.addSums(&b.sums)
	s.cells.addAll(&b.unique)
	s.cells.bound() // as if they were one bucket: which of them have become one must not show
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

// settled reports whether older points cannot change the term any more. (A
// bucket that ends earlier than a point may hold a newer one.)
func (t *term) settled(s *total) bool {
	switch t.Aggregate {
	case expression.Any, expression.None:
		return true
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
