package profile

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"github.com/cespare/xxhash/v2"

	"kairos/schemas"
)

// point is one event as a series sees it.
type point struct {
	time  schemas.Instant
	value schemas.Value // Null: the event has none
}

// compare is a total order; points that it finds equal are equal.
func (p point) compare(q point) int {
	return cmp.Or(cmp.Compare(p.time, q.time), p.value.Compare(q.value))
}

// wide is a sum of millionths that cannot overflow, so that it does not depend
// on the order of its parts: 128 bits in two's complement.
type wide struct {
	high int64
	low  uint64
}

func (w wide) plus(v wide) wide {
	low, carry := bits.Add64(w.low, v.low, 0)
	return wide{w.high + v.high + int64(carry), low}
}

// millionths rounds a number to millionths. One beyond 9*10^12 counts as that.
func millionths(number float64) wide {
	micros := int64(math.Round(max(-9e12, min(number, 9e12)) * 1e6))
	return wide{micros >> 63, uint64(micros)}
}

func (w wide) number() float64 {
	if w.high == int64(w.low)>>63 {
		return float64(int64(w.low)) / 1e6
	}
	return (float64(w.high)*(1<<64) + float64(w.low)) / 1e6
}

// sums is what can be said about a set of points without keeping them.
type sums struct {
	count   int64
	numbers int64 // points with a number; the next three are about these
	sum     wide
	least   float64
	most    float64
	valued  bool // there are points with a value; the next two are about these
	first   point
	last    point
	unique  sketch
}

func (s *sums) addPoint(p point, unique bool) {
	s.count++
	if p.value.Kind == schemas.Null {
		return
	}
	if n := p.value.Number; p.value.Kind == schemas.Number {
		s.addNumbers(1, millionths(n), n, n)
	}
	s.addEnds(p, p)
	if unique {
		s.unique.add(hashOf(p.value))
	}
}

// addSums adds everything but different values.
func (s *sums) addSums(t *sums) {
	s.count += t.count
	if t.numbers > 0 {
		s.addNumbers(t.numbers, t.sum, t.least, t.most)
	}
	if t.valued {
		s.addEnds(t.first, t.last)
	}
}

func (s *sums) addNumbers(n int64, sum wide, least, most float64) {
	if s.numbers == 0 {
		s.least, s.most = least, most
	}
	s.numbers += n
	s.sum = s.sum.plus(sum)
	s.least, s.most = min(s.least, least), max(s.most, most)
}

func (s *sums) addEnds(first, last point) {
	if !s.valued {
		s.valued, s.first, s.last = true, first, last
		return
	}
	if first.compare(s.first) < 0 {
		s.first = first
	}
	if last.compare(s.last) > 0 {
		s.last = last
	}
}

// sketch counts different values: the hashes themselves, as long as they are
// few; of a bucket only the smallest ones, from which the number of all can be
// estimated (k minimum values), with a standard error of 13 %.
type sketch struct {
	hashes []uint64 // sorted
	part   bool     // there were more
}

const sketchSize = 64

func hashOf(v schemas.Value) uint64 {
	var buffer [64]byte
	return xxhash.Sum64(appendValue(buffer[:0], v))
}

func (s *sketch) add(hash uint64) {
	if i, found := slices.BinarySearch(s.hashes, hash); !found {
		s.hashes = slices.Insert(s.hashes, i, hash)
	}
}

func (s *sketch) addAll(t *sketch) {
	for _, hash := range t.hashes {
		s.add(hash)
	}
	s.part = s.part || t.part
}

// bound cuts the sketch of a bucket to its size.
func (s *sketch) bound() {
	if len(s.hashes) > sketchSize {
		s.hashes, s.part = s.hashes[:sketchSize], true
	}
}

// old is the level of the one bucket that holds everything that has left all
// windows, of series that some term looks at for ever. It starts at 0.
const old = 63

// bucket sums up the points of one cell that do not fit.
type bucket struct {
	level  uint8
	start  schemas.Instant
	newest schemas.Instant // of its points
	sums
	extra *extra // nil: no term asks for it
}

// The column of buckets: per bucket, by start with the old one first, level;
// varint start, newest-start; uvarint count, numbers; if there are numbers
// varint high and fixed low half of the sum, fixed bits of least and most; one
// byte: 1 with values, 2 with hashes, 4 with a part of them; with values
// varint time-start and value of the first and the last one; with hashes
// uvarint number and fixed each; then what the byte says of summary.go.
func appendBucket(dst []byte, b *bucket) []byte {
	dst = binary.AppendVarint(append(dst, b.level), int64(b.start))
	dst = binary.AppendVarint(dst, int64(b.newest-b.start))
	dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(b.count)), uint64(b.numbers))
	if b.numbers > 0 {
		dst = appendFixed(binary.AppendVarint(dst, b.sum.high), b.sum.low)
		dst = appendFixed(appendFixed(dst, math.Float64bits(b.least)), math.Float64bits(b.most))
	}
	has := byte(0)
	if b.valued {
		has |= 1
	}
	if len(b.unique.hashes) > 0 {
		has |= 2
	}
	if b.unique.part {
		has |= 4
	}
	if b.extra != nil {
		has |= b.extra.flags()
	}
	dst = append(dst, has)
	if b.valued {
		for _, p := range [...]point{b.first, b.last} {
			dst = appendValue(binary.AppendVarint(dst, int64(p.time-b.start)), p.value)
		}
	}
	if len(b.unique.hashes) > 0 {
		dst = binary.AppendUvarint(dst, uint64(len(b.unique.hashes)))
		for _, hash := range b.unique.hashes {
			dst = appendFixed(dst, hash)
		}
	}
	if b.extra != nil {
		dst = appendExtra(dst, b.extra, b.start)
	}
	return dst
}

func bucketOf(r *reader) bucket {
	b := bucket{level: r.byte(), start: schemas.Instant(r.varint())}
	b.newest = b.start + schemas.Instant(r.varint())
	b.count, b.numbers = int64(r.uvarint()), int64(r.uvarint())
	if b.numbers > 0 {
		b.sum = wide{r.varint(), r.fixed()}
		b.least, b.most = math.Float64frombits(r.fixed()), math.Float64frombits(r.fixed())
	}
	has := r.byte()
	b.valued, b.unique.part = has&1 != 0, has&4 != 0
	if b.valued {
		b.first = point{b.start + schemas.Instant(r.varint()), r.value()}
		b.last = point{b.start + schemas.Instant(r.varint()), r.value()}
	}
	if has&2 != 0 {
		n := r.uvarint()
		for ; n > 0 && !r.bad; n-- {
			b.unique.hashes = append(b.unique.hashes, r.fixed())
		}
	}
	if has >= hasOldest {
		b.extra = extraOf(r, has, b.start)
	}
	return b
}
