package expression

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"kairos/schemas"
)

// conditionAbout draws conditions of the shapes that the index knows, and others.
func conditionAbout(t *rapid.T) string {
	field := rapid.SampledFrom([]string{"e.n", "e.x", "e.t", `e["y"]`}).Draw(t, "field")
	constant := rapid.SampledFrom([]string{"0", "1", "2.5", "-1", `"a"`, `""`, "true", "null"}).Draw(t, "constant")
	switch rapid.IntRange(0, 5).Draw(t, "shape") {
	case 0:
		return field + " == " + constant
	case 1:
		return constant + " == " + field
	case 2:
		return field + ` in [1, 1, "a", ` + constant + "]"
	case 3:
		return rapid.SampledFrom([]string{"1", "0", "2.5"}).Draw(t, "bound") + rapid.SampledFrom([]string{" < ", " <= ", " > ", " >= "}).Draw(t, "operator") + "e.x"
	case 4:
		return "e.x" + rapid.SampledFrom([]string{" < ", " <= ", " > ", " >= ", " != "}).Draw(t, "operator") + rapid.SampledFrom([]string{"1", "0", "-1", "2.5"}).Draw(t, "bound")
	default:
		return "(" + field + " != " + constant + " || e.x == 1)"
	}
}

func TestTheIndexFindsWhatAskingEachSeriesFinds(t *testing.T) {
	found, sought := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		terms := NewTerms()
		c, err := NewCompiler(Environment{Terms: terms})
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 30).Draw(t, "series") {
			text := rapid.SampledFrom([]string{`events("a")`, `events("b")`, `events()`}).Draw(t, "event")
			text += rapid.SampledFrom([]string{"", "", "", `.from("app")`, `.from("web")`}).Draw(t, "from")
			for range rapid.IntRange(0, 3).Draw(t, "conditions") {
				text += ".where(e, " + conditionAbout(t) + ")"
			}
			for range rapid.IntRange(0, 2).Draw(t, "further steps") {
				text += rapid.SampledFrom([]string{`.then("a"`, `.without("b"`}).Draw(t, "step")
				text += rapid.SampledFrom([]string{")", ", e, " + conditionAbout(t) + ")", `).from("web")`}).Draw(t, "restricted")
			}
			if _, err := c.Compile(text + ".any()"); err != nil {
				t.Fatal(err)
			}
		}
		all := terms.AllSeries()
		index := NewIndex(all)
		for range 20 {
			e := &schemas.Event{
				Name:       rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name"),
				Source:     rapid.SampledFrom([]string{"app", "web", ""}).Draw(t, "source"),
				Properties: drawFields(t),
			}
			want := []int{-1}
			for place, s := range all {
				if (s.Event == "" || s.Event == e.Name) && (s.Match == nil || s.Match(e)) {
					want = append(want, place)
				}
			}
			if got := index.Find(e, []int{-1}); !slices.Equal(got, want) {
				t.Fatalf("%+v belongs to %v, the index says %v", e, want, got)
			}
			found += len(want) - 1
			sought += len(all)
		}
	})
	if found < sought/20 || found > sought*19/20 {
		t.Fatalf("%d of %d found: the test proves little", found, sought)
	}
}

// BenchmarkFind shows that an event costs what the series around it cost: each
// belongs to about four, however many there are.
func BenchmarkFind(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10_000} {
		terms := NewTerms()
		c, err := NewCompiler(Environment{Terms: terms})
		if err != nil {
			b.Fatal(err)
		}
		for i := range n {
			if _, err := c.Compile(fmt.Sprintf(`events("view").where(e, e.product == "p%d" && e.price > %d).any()`, i/4, i%4)); err != nil {
				b.Fatal(err)
			}
		}
		all := terms.AllSeries()
		index := NewIndex(all)
		e := &schemas.Event{Name: "view", Properties: schemas.Properties{
			{Name: "page", Value: schemas.TextOf("/")}, {Name: "price", Value: schemas.NumberOf(60)}, {Name: "product", Value: schemas.TextOf("p1")}}}
		places := make([]int, 0, 16)
		b.Run(fmt.Sprintf("indexed/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if places = index.Find(e, places[:0]); len(places) != 4 {
					b.Fatal(len(places))
				}
			}
		})
		b.Run(fmt.Sprintf("asking-each/%d", n), func(b *testing.B) {
			for b.Loop() {
				places = places[:0]
				for place, s := range all {
					if s.Match(e) {
						places = append(places, place)
					}
				}
			}
		})
	}
}
