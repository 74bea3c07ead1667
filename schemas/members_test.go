package schemas_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"kairos/schemas"
)

func TestTheMembersOfARowAreThoseOfItsStandings(t *testing.T) {
	c := typedOf(schemas.SegmentRowCodec)
	rapid.Check(t, func(t *rapid.T) {
		row := c.arbit(t).Interface().(*schemas.SegmentRow)
		encoded, err := schemas.SegmentRowCodec.Append(nil, row)
		if err != nil {
			t.Fatal(err)
		}
		var want, got []string
		for _, s := range row.Standings {
			if s.Member {
				want = append(want, s.Audience)
			}
		}
		if err := schemas.MembersOf(encoded, func(a []byte) { got = append(got, string(a)) }); err != nil || !slices.Equal(got, want) {
			t.Fatalf("%v, %v, want %v", got, err, want)
		}
		if cut := rapid.IntRange(0, len(encoded)-1).Draw(t, "cut"); cut > 0 {
			_ = schemas.MembersOf(encoded[:cut], func([]byte) {}) // damage is an error at most
		}
	})
}

// BenchmarkMembersOf counts the members of a row of somebody who has been in two
// hundred audiences, against what decoding it costs.
func BenchmarkMembersOf(b *testing.B) {
	row := &schemas.SegmentRow{Rules: 7}
	for i := range 200 {
		row.Features = append(row.Features, schemas.Feature{ID: int64(i) << 50, Value: schemas.BooleanOf(true)})
		row.Standings = append(row.Standings, schemas.Standing{Audience: fmt.Sprintf("audience-%03d", i), Member: i%4 == 0, Revision: 3, Since: 1772355600000,
			Version: 1, Reason: "window of events(view) closed", EventID: "0191f7b2-7f6e-7f3a-8f00-000000000000"})
	}
	encoded, err := schemas.SegmentRowCodec.Append(nil, row)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n := 0
			if err := schemas.MembersOf(encoded, func([]byte) { n++ }); err != nil || n != 50 {
				b.Fatal(n, err)
			}
		}
	})
	b.Run("by decoding", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := schemas.SegmentRowCodec.Decode(encoded); err != nil {
				b.Fatal(err)
			}
		}
	})
}
