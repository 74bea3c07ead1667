package profile

import (
	"cmp"
	"encoding/binary"
	"slices"

	"kairos/processors/expression"
	"kairos/schemas"
)

// extras is what terms ask for beyond sums and different values.
type extras struct {
	newest  int  // so many points are kept exactly at least
	oldest  int  // so many points are kept of each bucket
	tallied bool // how often each value came
	listed  bool // when each value came last
	runs    bool // which periods there are
}

func (e *extras) add(t *expression.Term) {
	e.newest, e.oldest = max(e.newest, t.Limit), max(e.oldest, -t.Limit)
	e.tallied = e.tallied || t.Aggregate == expression.MostFrequent
	e.listed = e.listed || t.Aggregate == expression.List
	e.runs = e.runs || t.Aggregate == expression.Streak
}

// extra is that, of a set of points. Each part is a function of the set, and
// that of a union one of the parts', however they are put together.
type extra struct {
	latest  schemas.Instant // of all points, once addFor has seen them
	oldest  []point         // the first ones, oldest first
	most    int             // how many those are at most
	tallies []tally         // by hash: in a bucket those of the smallest hashes only
	values  []point         // of each value the newest point, by hash: in a bucket the newest only
	runs    []run           // of periods, rising; they neither overlap nor touch
}

// tally is how often a value came, and when last.
type tally struct {
	hash   uint64
	count  int64
	newest point
}

// run is periods in a row.
type run struct{ from, to int64 }

// mostTallied bounds the values of a bucket that are counted: a sample by hash,
// so that each of them is counted right.
const mostTallied = 64

func (x *extra) addPoint(p point, asks *extras) {
	if asks.oldest > 0 {
		x.most = asks.oldest
		x.addOldest(p)
	}
	if p.value.Kind == schemas.Null {
		return
	}
	if asks.tallied {
		x.addTally(tally{hashOf(p.value), 1, p})
	}
	if asks.listed {
		x.addValue(p)
	}
	if asks.runs {
		x.addRun(run{int64(p.value.Number), int64(p.value.Number)})
	}
}

// addFor adds what an aggregate needs of a point.
func (x *extra) addFor(a expression.Aggregate, p *point) {
	x.latest = max(x.latest, p.time)
	switch {
	case p.value.Kind == schemas.Null:
	case a == expression.MostFrequent:
		x.addTally(tally{hashOf(p.value), 1, *p})
	case a == expression.List:
		x.addValue(*p)
	case a == expression.Streak:
		x.addRun(run{int64(p.value.Number), int64(p.value.Number)})
	}
}

func (x *extra) addAll(y *extra) {
	x.latest = max(x.latest, y.latest)
	x.most = max(x.most, y.most)
	for _, p := range y.oldest {
		x.addOldest(p)
	}
	for _, t := range y.tallies {
		x.addTally(t)
	}
	for _, p := range y.values {
		x.addValue(p)
	}
	for _, r := range y.runs {
		x.addRun(r)
	}
}

func (x *extra) addOldest(p point) {
	i, _ := slices.BinarySearchFunc(x.oldest, p, point.compare)
	x.oldest = slices.Insert(x.oldest, i, p) // points that are equal all count
	x.oldest = x.oldest[:min(len(x.oldest), x.most)]
}

func (x *extra) addTally(t tally) {
	i, found := slices.BinarySearchFunc(x.tallies, t.hash, func(t tally, hash uint64) int { return cmp.Compare(t.hash, hash) })
	if !found {
		x.tallies = slices.Insert(x.tallies, i, t)
		return
	}
	known := &x.tallies[i]
	known.count += t.count
	if t.newest.compare(known.newest) > 0 {
		known.newest = t.newest
	}
}

func (x *extra) addValue(p point) {
	i, found := slices.BinarySearchFunc(x.values, p.value, func(q point, v schemas.Value) int { return q.value.Compare(v) })
	if !found {
		x.values = slices.Insert(x.values, i, p)
	} else if p.time > x.values[i].time {
		x.values[i] = p
	}
}

func (x *extra) addRun(r run) {
	from, _ := slices.BinarySearchFunc(x.runs, r.from-1, func(s run, from int64) int { return cmp.Compare(s.to, from) })
	until := from
	for ; until < len(x.runs) && x.runs[until].from <= r.to+1; until++ {
		r.from, r.to = min(r.from, x.runs[until].from), max(r.to, x.runs[until].to)
	}
	x.runs = slices.Replace(x.runs, from, until, r)
}

// bound cuts what a bucket keeps to its size.
func (x *extra) bound() {
	x.tallies = x.tallies[:min(len(x.tallies), mostTallied)]
	if len(x.values) <= expression.MostListed {
		return
	}
	newest := slices.Clone(x.values)
	slices.SortFunc(newest, func(a, b point) int { return -a.compare(b) })
	newest = newest[:expression.MostListed]
	slices.SortFunc(newest, func(a, b point) int { return a.value.Compare(b.value) })
	x.values = newest
}

const (
	hasOldest  = 8
	hasTallies = 16
	hasValues  = 32
	hasRuns    = 64
)

func (x *extra) flags() (has byte) {
	if len(x.oldest) > 0 {
		has |= hasOldest
	}
	if len(x.tallies) > 0 {
		has |= hasTallies
	}
	if len(x.values) > 0 {
		has |= hasValues
	}
	if len(x.runs) > 0 {
		has |= hasRuns
	}
	return has
}

// appendExtra packs what flags tells of: with 8 uvarint most and number of the
// oldest points and they; with 16 uvarint number of tallies and per tally
// uvarint count and the newest point; with 32 uvarint number of values and
// their newest points; with 64 uvarint number of runs and per run varint from
// (since the end of the one before) and uvarint length. A point is varint
// time-start and value.
func appendExtra(dst []byte, x *extra, start schemas.Instant) []byte {
	if len(x.oldest) > 0 {
		dst = appendNear(binary.AppendUvarint(dst, uint64(x.most)), x.oldest, start)
	}
	if len(x.tallies) > 0 {
		dst = binary.AppendUvarint(dst, uint64(len(x.tallies)))
		for _, t := range x.tallies {
			dst = appendNearPoint(binary.AppendUvarint(dst, uint64(t.count)), t.newest, start)
		}
	}
	if len(x.values) > 0 {
		dst = appendNear(dst, x.values, start)
	}
	if len(x.runs) > 0 {
		dst = binary.AppendUvarint(dst, uint64(len(x.runs)))
		end := int64(0)
		for _, r := range x.runs {
			dst = binary.AppendUvarint(binary.AppendVarint(dst, r.from-end), uint64(r.to-r.from))
			end = r.to
		}
	}
	return dst
}

func appendNear(dst []byte, points []point, start schemas.Instant) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(points)))
	for _, p := range points {
		dst = appendNearPoint(dst, p, start)
	}
	return dst
}

func appendNearPoint(dst []byte, p point, start schemas.Instant) []byte {
	return appendValue(binary.AppendVarint(dst, int64(p.time-start)), p.value)
}

func extraOf(r *reader, has byte, start schemas.Instant) *extra {
	x := &extra{}
	near := func() point { return point{start + schemas.Instant(r.varint()), r.value()} }
	if has&hasOldest != 0 {
		x.most = int(r.uvarint())
		for n := r.uvarint(); n > 0 && !r.bad; n-- {
			x.oldest = append(x.oldest, near())
		}
	}
	if has&hasTallies != 0 {
		for n := r.uvarint(); n > 0 && !r.bad; n-- {
			t := tally{count: int64(r.uvarint()), newest: near()}
			t.hash = hashOf(t.newest.value)
			x.tallies = append(x.tallies, t)
		}
	}
	if has&hasValues != 0 {
		for n := r.uvarint(); n > 0 && !r.bad; n-- {
			x.values = append(x.values, near())
		}
	}
	if has&hasRuns != 0 {
		end := int64(0)
		for n := r.uvarint(); n > 0 && !r.bad; n-- {
			from := end + r.varint()
			end = from + int64(r.uvarint())
			x.runs = append(x.runs, run{from, end})
		}
	}
	return x
}
