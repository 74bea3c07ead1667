package profile

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"kairos/schemas"
)

// naive says what a series must hold at a time, from all its points.
func naive(a *asked, exact int, all []point, now schemas.Instant) string {
	all = slices.Clone(all)
	slices.SortFunc(all, point.compare)
	kept := all[max(0, len(all)-exact):]
	cells := map[string]int{}
	var order []string
	since := schemas.Instant(0)
	for i, p := range all {
		left := a.longest == 0 || p.time/span(a.level)*span(a.level)+span(a.level)+a.longest <= now
		overflows := i < len(all)-len(kept)
		if left && !a.forEver {
			since = max(since, p.time)
			if !overflows {
				kept = kept[1:]
			}
			continue
		}
		if !overflows {
			continue
		}
		level, cell := 0, "old"
		for k := 30; k > 0 && level == 0; k-- {
			size := schemas.Instant(1000) << k
			if (p.time/size+1)*size+16*size <= now {
				level = k
			}
		}
		if !left {
			cell = fmt.Sprint(level, " from ", p.time/(1000<<level)*(1000<<level))
		}
		if cells[cell]++; cells[cell] == 1 {
			order = append(order, cell)
		}
	}
	text := fmt.Sprint("since ", since, " exact ", kept)
	for _, cell := range order {
		text += fmt.Sprint("; ", cells[cell], " in ", cell)
	}
	return text
}

func (c *contents) String() string {
	text := fmt.Sprint("since ", c.since, " exact ", c.points)
	for _, b := range c.buckets {
		cell := "old"
		if b.level != old {
			cell = fmt.Sprint(b.level, " from ", b.start)
		}
		text += fmt.Sprint("; ", b.count, " in ", cell)
	}
	return text
}

func TestASeriesIsAFunctionOfItsPointsAndTheTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := &asked{longest: schemas.Instant(rapid.SampledFrom([]int{0, 16_000, 32_000, 100_000, 500_000}).Draw(t, "longest")), unique: true}
		a.forEver = a.longest == 0 || rapid.Bool().Draw(t, "for ever")
		a.level = levelOf(a.longest)
		exact := rapid.IntRange(0, 3).Draw(t, "exact")
		type arrival struct {
			point point
			cause schemas.Instant
		}
		arrivals := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) arrival {
			at := schemas.Instant(rapid.IntRange(1000, 1100).Draw(t, "second")) * second
			late := schemas.Instant(rapid.SampledFrom([]int{0, 0, 1, 16, 17, 32, 64}).Draw(t, "late")) * second
			return arrival{point{at, schemas.NumberOf(float64(rapid.IntRange(0, 3).Draw(t, "value")))}, at + late}
		}), 1, 20).Draw(t, "arrivals")
		var s series
		now := schemas.Instant(0)
		var points []point
		for _, x := range arrivals {
			now = max(now, x.cause)
			points = append(points, x.point)
			if !s.follows(&room{}, x.point, exact, now) {
				c := unpack(&room{}, a, exact, &s, now)
				if s.settles != 0 && s.settles <= now {
					c.settle()
				}
				c.insert(x.point)
				s = c.pack(s)
			}
			if s.settles != 0 && s.settles <= now {
				t.Fatalf("settles at %d, at %d", s.settles, now)
			}
			if again := unpack(&room{}, a, exact, &s, now).pack(s); fmt.Sprint(again) != fmt.Sprint(s) {
				t.Fatalf("packed as %v, that is %v", s, again)
			}
			if got, want := unpack(&room{}, a, exact, &s, now).String(), naive(a, exact, points, now); got != want {
				t.Fatalf("at %d\ngot  %s\nwant %s", now, got, want)
			}
		}
	})
}

func TestACellIsSmallAgainstEveryWindowThatSeesIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := schemas.Instant(rapid.Int64Range(1, 10*366*24*3600*1000).Draw(t, "window"))
		at := schemas.Instant(rapid.Int64Range(-1e12, 2e12).Draw(t, "at"))
		level := levelOf(window)
		over := endOf(at, level) - at
		if over <= 0 || over > max(2*second, window/crowding+1) {
			t.Fatalf("an event leaves a window of %d too late by %d", window, over)
		}
		if risesAt(at, level) < endOf(at, level)+window {
			t.Fatalf("a cell of level %d rises while a window of %d sees it", level, window)
		}
	})
}

func TestSumsDoNotOverflow(t *testing.T) {
	var s, negative wide
	for range 1000 {
		s = s.plus(millionths(9e12))
		negative = negative.plus(millionths(-9e12))
	}
	if s.number() != 9e15 || negative.number() != -9e15 || s.plus(negative).number() != 0 {
		t.Errorf("sums are %v, %v, %v", s.number(), negative.number(), s.plus(negative).number())
	}
}

func TestManyDifferentValuesInBucketsAreEstimated(t *testing.T) {
	a := &asked{forEver: true, unique: true}
	s := series{}
	c := unpack(&room{}, a, 10, &s, 1e9)
	for i := range 5000 {
		c.insert(point{schemas.Instant(i * 1000), schemas.NumberOf(float64(i % 2000))})
	}
	s = c.pack(s)
	var sum total
	for _, b := range unpack(&room{}, a, 10, &s, 1e9).buckets {
		sum.addBucket(&b)
	}
	if d := sum.different(); math.Abs(d-2000) > 4*0.13*2000 || len(s.buckets) > 2000 {
		t.Errorf("2000 different values are estimated as %v, in %d bytes", d, len(s.buckets))
	}
	if d := sum.different(); sum.count != 4990 || d == 64 {
		t.Errorf("count %d, different %v", sum.count, d)
	}
}

const second = schemas.Instant(1000)

func TestWhichBucketsHaveBecomeOneDoesNotShow(t *testing.T) {
	var apart, together total
	var one bucket
	for k := range 2 {
		var b bucket
		for i := range 40 {
			b.addPoint(point{schemas.Instant(i), schemas.NumberOf(float64(100*k + i))}, true)
		}
		apart.addBucket(&b)
		one.merge(&b)
	}
	together.addBucket(&one)
	if a, b := apart.different(), together.different(); a != b {
		t.Errorf("80 different values in two buckets count as %v, in one as %v", a, b)
	}
}
