package profile

import (
	"cmp"
	"math"
	"slices"

	"kairos/processors/expression"
	"kairos/schemas"
)

const dayMilli = 24 * 60 * 60 * secondMilli

// look evaluates a term that cannot be added up from what stays longest: one
// that the passing of time changes while nothing leaves, or that looks at some
// of the points only. It looks at the window again at each instant at which it
// may have another value, until it has one.
func (t *term) look(g *gathered, now schemas.Instant) (value schemas.Value, due schemas.Instant) {
	order := g.order(t)
	if t.Limit > 0 {
		order = g.newest(order, t.Limit)
	}
	value, next := t.at(g, order, now)
	for next != never {
		later, after := t.at(g, order, next)
		if later != value {
			return value, next
		}
		next = after
	}
	return value, 0
}

// at is the value at an instant, and the next one at which it may be another;
// never if that cannot be.
func (t *term) at(g *gathered, order []place, now schemas.Instant) (value schemas.Value, next schemas.Instant) {
	s := total{now: now, extra: &extra{}, of: &extra{}}
	next = never
	n := 0
	for n < len(order) && order[n].leaves > now {
		next = order[n].leaves
		n++
	}
	if t.Limit == 0 {
		for _, place := range order[:n] {
			t.add(&s, g, place)
		}
	} else {
		for _, p := range g.limited(t, order[:n]) {
			s.addFor(t.Aggregate, &p)
		}
	}
	s.extra.addAll(s.of)
	value = t.Compared(t.aggregate(&s))
	return value, min(next, t.turns(&s))
}

func (t *term) add(s *total, g *gathered, p place) {
	if p.at < 0 {
		s.addBucket(&g.buckets[-1-p.at].bucket)
		return
	}
	s.addFor(t.Aggregate, &g.points[p.at])
}

// newest leaves the places of the newest points, at least so many, and of all
// others of the same instant. None of them lies in a bucket: as many are kept
// exactly, and leave later.
func (g *gathered) newest(order []place, many int) []place {
	kept := order[:0]
	for _, place := range order {
		if place.at < 0 {
			continue
		}
		if len(kept) >= many && g.points[place.at].time != g.points[kept[len(kept)-1].at].time {
			break
		}
		kept = append(kept, place)
	}
	return kept
}

// limited lists the newest or oldest points at places.
func (g *gathered) limited(t *term, places []place) []point {
	var points []point
	for _, place := range places {
		switch {
		case place.at >= 0:
			points = append(points, g.points[place.at])
		case t.Limit < 0:
			points = append(points, g.buckets[-1-place.at].firstOnes()...)
		}
	}
	slices.SortFunc(points, point.compare)
	if t.Limit > 0 {
		return points[max(0, len(points)-t.Limit):]
	}
	return points[:min(len(points), -t.Limit)]
}

func (b *bucket) firstOnes() []point {
	if b.extra == nil {
		return nil
	}
	return b.extra.oldest
}

// turns is the next instant after s.now at which the aggregate may change
// although nothing leaves.
func (t *term) turns(s *total) schemas.Instant {
	switch t.Aggregate {
	case expression.Recency:
		if s.count == 0 {
			return never
		}
		if t.Compare == expression.NoComparison {
			return s.now + dayMilli - (s.now-s.extra.latest)%dayMilli
		}
		return soonest(s.now, s.extra.latest, t.Operand, dayMilli)
	case expression.Elapsed:
		if s.count == 0 {
			return never
		}
		return soonest(s.now, s.extra.latest, t.Operand, 1)
	case expression.Streak:
		if t.streak(s) > 0 {
			return t.Unit.At(s.now).To
		}
	}
	return never
}

// soonest is the first instant after now at which the number of whole units
// since an instant may compare differently with an operand; never if there is
// none.
func soonest(now, since schemas.Instant, operand float64, unit schemas.Instant) schemas.Instant {
	const farthest = 1 << 50 // units: beyond every time there can be
	if math.Abs(operand) > farthest/float64(unit) {
		return never
	}
	for _, n := range []float64{math.Ceil(operand), math.Floor(operand) + 1} {
		if at := since + schemas.Instant(n)*unit; at > now {
			return at
		}
	}
	return never
}

// extraAggregate is the value of an aggregate behind expression.Unique.
func (t *term) extraAggregate(s *total) schemas.Value {
	switch {
	case t.Aggregate == expression.Streak:
		return schemas.NumberOf(float64(t.streak(s)))
	case t.Aggregate == expression.List:
		return listOf(s.extra.values)
	case t.Aggregate == expression.MostFrequent:
		return mostFrequent(s.extra.tallies)
	case s.count == 0:
		return schemas.Value{}
	case t.Aggregate == expression.Elapsed:
		return schemas.NumberOf(float64(s.now - s.extra.latest))
	default:
		return schemas.NumberOf(float64((s.now - s.extra.latest) / dayMilli))
	}
}

// streak counts the periods in a row up to now.
func (t *term) streak(s *total) int64 {
	if len(s.extra.runs) == 0 {
		return 0
	}
	current := t.Unit.At(s.now).Index
	last := s.extra.runs[len(s.extra.runs)-1]
	if last.to < current-1 {
		return 0
	}
	return last.to - last.from + 1
}

// listOf lists values, newest first.
func listOf(values []point) schemas.Value {
	sorted := slices.Clone(values)
	slices.SortFunc(sorted, func(a, b point) int { return -a.compare(b) })
	list := make([]schemas.Value, len(sorted))
	for i := range sorted {
		list[i] = sorted[i].value
	}
	return expression.ListOf(list)
}

// mostFrequent finds the value that came most often.
func mostFrequent(tallies []tally) schemas.Value {
	var best tally
	for _, y := range tallies {
		if cmp.Or(cmp.Compare(y.count, best.count), y.newest.compare(best.newest)) > 0 {
			best = y
		}
	}
	return best.newest.value
}
