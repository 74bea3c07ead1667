package profile

import (
	"encoding/binary"
	"math"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"kairos/schemas"
)

func drawn(t *rapid.T) schemas.Value {
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		return schemas.Value{}
	case 1:
		return schemas.BooleanOf(rapid.Bool().Draw(t, "boolean"))
	case 2:
		return schemas.NumberOf(rapid.OneOf(rapid.Float64(), rapid.Map(rapid.Int64(), func(i int64) float64 { return float64(i) }),
			rapid.SampledFrom([]float64{math.Copysign(0, -1), largestInteger, -largestInteger - 2, math.MaxFloat64})).Draw(t, "number"))
	default:
		return schemas.TextOf(rapid.String().Draw(t, "text"))
	}
}

func TestAPackedValueComesBackAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := clean(drawn(t), 1<<20)
		packed := appendValue(nil, v)
		r := reader{rest: packed}
		back := r.value()
		if r.bad || len(r.rest) > 0 || back != v || math.Signbit(back.Number) != math.Signbit(v.Number) {
			t.Fatalf("%#v came back as %#v", v, back)
		}
		if again := clean(v, 1<<20); again != v {
			t.Fatalf("cleaning %#v again makes it %#v", v, again)
		}
	})
}

func TestWhatCannotBeComparedIsNull(t *testing.T) {
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if v := clean(schemas.NumberOf(f), 10); v != (schemas.Value{}) {
			t.Errorf("%v became %v", f, v)
		}
	}
	odd := schemas.Value{Kind: schemas.Boolean, Number: 7, Text: "x"}
	if v := clean(odd, 10); v != schemas.BooleanOf(true) {
		t.Errorf("%#v became %#v", odd, v)
	}
	if v := clean(schemas.TextOf("éé"), 3); v != schemas.TextOf("é") {
		t.Errorf("a text was cut to %q", v.Text)
	}
}

func TestAPackedTimelineIsItsNewestMomentsInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(0, 6).Draw(t, "most")
		var column []byte
		var all []string
		for range rapid.IntRange(0, 12).Draw(t, "events") {
			m := Moment{Time: schemas.Instant(rapid.Int64Range(-3, 3).Draw(t, "time")), ID: rapid.StringN(0, 3, 9).Draw(t, "id"), Name: "look",
				Source: "web", Future: rapid.Bool().Draw(t, "future"), Properties: schemas.Properties{{Name: "a", Value: clean(drawn(t), 100)}}}
			m.Received = m.Time + 5
			entry, _ := fitting(nil, &m)
			column = remember(column, entry, m.Time, most)
			all = append(all, string(entry))
		}
		slices.SortFunc(all, func(a, b string) int {
			x, _ := momentOf([]byte(a))
			y, _ := momentOf([]byte(b))
			if x.Time != y.Time {
				return int(x.Time - y.Time)
			}
			return slices.Compare([]byte(a), []byte(b))
		})
		all = all[max(0, len(all)-most):]
		got, ok := moments(column)
		if !ok || len(got) != len(all) {
			t.Fatalf("%d moments, want %d", len(got), len(all))
		}
		for i := range got {
			if string(appendMoment(nil, &got[i])) != all[i] {
				t.Fatalf("moment %d is %+v", i, got[i])
			}
		}
	})
}

func TestAMomentIsCutToItsBound(t *testing.T) {
	long := string(make([]byte, 5000))
	for _, m := range []Moment{
		{ID: "1", Name: "look", Properties: schemas.Properties{{Name: "a", Value: schemas.TextOf("x")}, {Name: "b", Value: schemas.TextOf(long)}}},
		{ID: long, Name: long, Source: long},
	} {
		entry, wasCut := fitting(nil, &m)
		back, ok := momentOf(entry)
		if !wasCut || !ok || !back.Cut || len(entry) > largestMoment {
			t.Errorf("%d bytes, cut %v, reads back %v", len(entry), wasCut, ok)
		}
	}
}

// What was written before names were words and prices cents is read for ever.
func TestOlderMomentsAndValuesStillRead(t *testing.T) {
	entry := append(binary.AppendVarint(nil, 9000), flagFuture)
	entry = binary.AppendUvarint(entry, 500)
	entry = appendText(appendText(appendText(entry, "e1"), "purchase"), "web")
	entry = appendFixed(append(appendText(entry, "price"), tagDouble), math.Float64bits(2.95))
	want := Moment{
		Time: 9000, Received: 9500, ID: "e1", Name: "purchase", Source: "web", Future: true,
		Properties: schemas.Properties{{Name: "price", Value: schemas.NumberOf(2.95)}},
	}
	if m, ok := momentOf(entry); !ok || !reflect.DeepEqual(m, want) {
		t.Errorf("%+v %v", m, ok)
	}
	if name, at := nameOf(entry); name != "purchase" || at != 9000 {
		t.Errorf("%s at %d", name, at)
	}
}

func TestMomentsComeBackWhateverTheyAreCalled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.SampledFrom(words), rapid.String())
		number := rapid.OneOf(rapid.Float64(), rapid.Map(rapid.IntRange(-1e6, 1e6), func(n int) float64 { return float64(n) / 100 }))
		m := Moment{
			Time: schemas.Instant(rapid.Int64Range(-1e15, 1e15).Draw(t, "time")), ID: rapid.String().Draw(t, "id"), Name: text.Draw(t, "name"), Source: text.Draw(t, "source"),
			Future: rapid.Bool().Draw(t, "future"), Cut: rapid.Bool().Draw(t, "cut"),
		}
		m.Received = m.Time + schemas.Instant(rapid.Int64Range(0, 1e6).Draw(t, "later"))
		for range rapid.IntRange(0, 3).Draw(t, "properties") {
			m.Properties = append(m.Properties, schemas.Property{Name: text.Draw(t, "property"), Value: clean(schemas.NumberOf(number.Draw(t, "value")), 100)})
		}
		entry := appendMoment(nil, &m)
		if back, ok := momentOf(entry); !ok || !reflect.DeepEqual(back, m) {
			t.Fatalf("%+v becomes %+v %v", m, back, ok)
		}
		if name, at := nameOf(entry); name != m.Name || at != m.Time {
			t.Fatalf("%+v is called %s at %d", m, name, at)
		}
	})
}

// FuzzDamagedColumns: no bytes that arrive as a fragment may do more than be
// refused.
func FuzzDamagedColumns(f *testing.F) {
	b := bucket{level: 3, start: 8000, newest: 9000}
	b.addPoint(point{9000, schemas.NumberOf(1.5)}, true)
	s := series{id: 1, points: appendPoints(nil, []point{{1, schemas.Value{}}, {2, schemas.TextOf("x")}}), buckets: appendBucket(nil, &b)}
	f.Add(appendSeries(nil, []series{s}))
	f.Add(appendClaims(nil, []claim{{name: "a", value: schemas.NumberOf(1), time: 5, source: "web"}}))
	f.Add(appendBytes(nil, appendMoment(nil, &Moment{ID: "1"})))
	f.Fuzz(func(t *testing.T, column []byte) {
		good := sound(&schemas.Fragment{Series: column, Claims: column, Timeline: column, Recent: column})
		if all, ok := seriesOf(column); ok && good {
			again, ok := seriesOf(appendSeries(nil, all))
			if !ok || len(again) != len(all) {
				t.Fatal("what could be unpacked cannot be packed again")
			}
		}
	})
}
