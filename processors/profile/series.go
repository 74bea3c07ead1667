package profile

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"kairos/schemas"
)

// series is what one fragment remembers of the events that one
// expression.Series asks for: the newest points exactly, older ones in
// buckets, and nothing that has left every window.
type series struct {
	id      int64
	settles schemas.Instant // when the passing of time changes what is stored next; 0: never
	since   schemas.Instant // complete for events after this; 0: for all
	last    schemas.Instant // of the exact points
	count   int             // of the exact points
	points  []byte
	buckets []byte
}

// The column Series: per series, by rising id, fixed id; varint settles,
// since, last; uvarint count, length of the points and they; likewise the
// buckets.
func appendSeries(dst []byte, all []series) []byte {
	for i := range all {
		s := &all[i]
		dst = appendFixed(dst, uint64(s.id))
		dst = binary.AppendVarint(binary.AppendVarint(dst, int64(s.settles)), int64(s.since))
		dst = binary.AppendUvarint(binary.AppendVarint(dst, int64(s.last)), uint64(s.count))
		dst = appendBytes(appendBytes(dst, s.points), s.buckets)
	}
	return dst
}

// seriesOf unpacks a column. The parts still lie in it.
func seriesOf(column []byte) ([]series, bool) { return appendUnpacked(nil, column) }

func appendUnpacked(all []series, column []byte) ([]series, bool) {
	r := reader{rest: column}
	for len(r.rest) > 0 {
		all = append(all, series{
			int64(r.fixed()), schemas.Instant(r.varint()), schemas.Instant(r.varint()),
			schemas.Instant(r.varint()), int(r.uvarint()), r.bytes(), r.bytes(),
		})
	}
	return all, !r.bad
}

func findSeries(all []series, id int64) (int, bool) {
	return slices.BinarySearchFunc(all, id, func(s series, id int64) int { return cmp.Compare(s.id, id) })
}

// The points of a series, oldest first: varint time (of the first) or uvarint
// time since the one before, value.
func appendPoints(dst []byte, points []point) []byte {
	for i := range points {
		if i == 0 {
			dst = binary.AppendVarint(dst, int64(points[0].time))
		} else {
			dst = binary.AppendUvarint(dst, uint64(points[i].time-points[i-1].time))
		}
		dst = appendValue(dst, points[i].value)
	}
	return dst
}

func pointsOf(dst []point, packed []byte) ([]point, bool) {
	r := reader{rest: packed}
	var t schemas.Instant
	for first := true; len(r.rest) > 0; first = false {
		if first {
			t = schemas.Instant(r.varint())
		} else {
			t += schemas.Instant(r.uvarint())
		}
		dst = append(dst, point{t, r.value()})
	}
	return dst, !r.bad
}

func bucketsOf(dst []bucket, packed []byte) ([]bucket, bool) {
	r := reader{rest: packed}
	for len(r.rest) > 0 {
		dst = append(dst, bucketOf(&r))
	}
	return dst, !r.bad
}

// contents is a series taken apart, to be changed. It is valid until the next
// one is taken apart in the same room.
type contents struct {
	room    *room
	asked   *asked
	exact   int // how many points are kept exactly
	now     schemas.Instant
	points  []point
	buckets []bucket
	since   schemas.Instant
}

func (p *profile) contents(r *room, a *asked, s *series, now schemas.Instant) *contents {
	return unpack(r, a, p.exact(a), s, now)
}

// exact is how many points of a series are kept exactly: those that the newest
// n are asked of, at least.
func (p *profile) exact(a *asked) int { return max(p.plan.Profile.ExactPoints, a.extras.newest, 0) }

func unpack(r *room, a *asked, exact int, s *series, now schemas.Instant) *contents {
	c := &r.contents
	*c = contents{room: r, asked: a, exact: exact, now: now, since: s.since}
	var sound, alsoSound bool
	c.points, sound = pointsOf(r.points[:0], s.points)
	c.buckets, alsoSound = bucketsOf(r.buckets[:0], s.buckets)
	c.points, c.buckets = slices.Grow(c.points, 1), slices.Grow(c.buckets, 1)
	r.points, r.buckets = c.points, c.buckets // as large as they have become
	(&reader{bad: !sound || !alsoSound}).whole("series")
	return c
}

// pack returns the series that c makes of s. It holds until the visit is over.
func (c *contents) pack(s series) series {
	s.points = appendPoints(c.room.take(len(s.points)+24), c.points)
	s.buckets = nil
	for i := range c.buckets {
		s.buckets = appendBucket(s.buckets, &c.buckets[i])
	}
	s.settles, s.since = c.settlesAt(), c.since
	s.last, s.count = 0, len(c.points)
	if s.count > 0 {
		s.last = c.points[s.count-1].time
	}
	return s
}

// follows adds a point without taking the series apart, if it comes after all
// others and nothing else has to happen. They hold until the visit is over.
func (s *series) follows(r *room, p point, exact int, now schemas.Instant) bool {
	if s.count == 0 || s.count >= exact || p.time <= s.last || s.settles != 0 && s.settles <= now {
		return false
	}
	longer := r.take(len(s.points) + 24 + len(p.value.Text))
	longer = binary.AppendUvarint(append(longer, s.points...), uint64(p.time-s.last))
	s.points = appendValue(longer, p.value)
	s.last, s.count = p.time, s.count+1
	return true
}

// insert adds a point to what has been settled.
func (c *contents) insert(p point) {
	place := len(c.points)
	for place > 0 && p.compare(c.points[place-1]) < 0 {
		place--
	}
	c.points = slices.Insert(c.points, place, p)
	c.fit()
}

// fit moves the oldest points to buckets, or forgets them where sequences look
// at them, until the others fit, and forgets those that no window will ever see
// again.
func (c *contents) fit() {
	excess := max(len(c.points)-c.exact, 0)
	for _, p := range c.points[:excess] {
		c.overflow(p)
	}
	c.points = c.points[excess:]
	for len(c.points) > 0 && c.forgets(c.points[0].time) {
		c.since = max(c.since, c.points[0].time)
		c.points = c.points[1:]
	}
}

// leftAt is when a point in a bucket has left the longest window.
func (a *asked) leftAt(t schemas.Instant) schemas.Instant {
	if a.calendar != nil {
		return a.calendar.At(t).To
	}
	if a.longest == 0 {
		return math.MinInt64
	}
	return endOf(t, a.level) + a.longest
}

// forgets reports whether a point of time t may go: no term looks at it for
// ever, and even in a bucket it would have left the longest window. The latter
// keeps the content independent of what came first, a point or its leaving.
func (c *contents) forgets(t schemas.Instant) bool {
	return !c.asked.forEver && c.asked.leftAt(t) <= c.now
}

func (c *contents) overflow(p point) {
	if c.asked.inOrder { // a sum knows of no order
		c.since = max(c.since, p.time)
		return
	}
	b := bucket{start: startOf(p.time, 0), newest: p.time}
	if c.asked.calendar != nil { // the only period that is not over
		b.start = c.asked.calendar.At(p.time).From
	}
	b.addPoint(p, c.asked.unique)
	if c.asked.extras != (extras{}) {
		b.extra = &extra{}
		b.extra.addPoint(p, &c.asked.extras)
	}
	c.put(b)
}

// put adds a bucket to those there are.
func (c *contents) put(b bucket) {
	if c.age(&b); b.count == 0 {
		return
	}
	i, found := slices.BinarySearchFunc(c.buckets, b, compareBuckets)
	if !found {
		c.buckets = slices.Insert(c.buckets, i, b)
	} else {
		c.buckets[i].merge(&b)
	}
}

// age brings a bucket to c.now: its cell rises, or becomes old, or has no
// points any more.
func (c *contents) age(b *bucket) {
	switch {
	case c.asked.calendar != nil && c.asked.leftAt(b.start) > c.now:
	case b.level != old && c.asked.leftAt(b.start) > c.now:
		b.level = max(b.level, levelAt(b.start, c.now))
		b.start = startOf(b.start, b.level)
	case c.asked.forEver:
		b.level, b.start = old, 0
	default:
		c.since = max(c.since, b.newest)
		b.count = 0
	}
}

func (b *bucket) merge(other *bucket) {
	b.newest = max(b.newest, other.newest)
	b.addSums(&other.sums)
	b.unique.addAll(&other.unique)
	b.unique.bound()
	if other.extra != nil {
		if b.extra == nil {
			b.extra = &extra{}
		}
		b.extra.addAll(other.extra)
		b.extra.bound()
	}
}

func compareBuckets(a, b bucket) int {
	if (a.level == old) != (b.level == old) {
		return cmp.Compare(b.level, a.level)
	}
	return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.level, b.level))
}

// settle brings the content to c.now: cells rise to higher levels, and what
// has left all windows becomes old or is forgotten. Neighbours stay neighbours.
func (c *contents) settle() {
	kept := c.buckets[:0]
	for _, b := range c.buckets {
		c.age(&b)
		last := len(kept) - 1
		switch {
		case b.count == 0:
		case last >= 0 && compareBuckets(kept[last], b) == 0:
			kept[last].merge(&b)
		default:
			kept = append(kept, b)
		}
	}
	c.buckets = kept
	c.fit()
}

// settlesAt is when settle has something to do next.
func (c *contents) settlesAt() schemas.Instant {
	next := schemas.Instant(0)
	earliest := func(t schemas.Instant) {
		if next == 0 || t < next {
			next = t
		}
	}
	if len(c.points) > 0 && !c.asked.forEver {
		earliest(c.asked.leftAt(c.points[0].time))
	}
	for i := range c.buckets {
		switch b := &c.buckets[i]; {
		case c.asked.calendar != nil:
			earliest(c.asked.leftAt(b.start))
		case b.level != old:
			earliest(min(risesAt(b.start, b.level), c.asked.leftAt(b.start)))
		}
	}
	return next
}
