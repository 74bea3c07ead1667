package chart

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestAChartIsTheSameBytesAndReadsAsXML(t *testing.T) {
	c := &Chart{Title: `a < b & "c"`, Unit: "us", Across: "<script>", Places: []string{"one", "two & three", "four"},
		Series: []Series{{"x", []float64{1, math.NaN(), 3}}, {"<y>", []float64{2, 2.5, 900}}, {"none", []float64{math.NaN(), math.NaN(), math.NaN()}}}}
	first := c.SVG()
	if again := c.SVG(); again != first {
		t.Error("two drawings of one chart differ")
	}
	if strings.Contains(first, "<script>") || strings.Contains(first, "NaN") {
		t.Errorf("what is written is not escaped, or nothing is drawn as something:\n%s", first)
	}
	for d := xml.NewDecoder(strings.NewReader(first)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestNamesDoNotLieOnEachOther(t *testing.T) {
	y := []float64{100, 100, 102, 300}
	order := spread(y, 15, 290)
	if order[0] != 3 {
		t.Errorf("the lowest comes first, got %v", order)
	}
	for k := 1; k < len(order); k++ {
		if y[order[k-1]]-y[order[k]] < 15 {
			t.Errorf("%v are nearer than 15 to each other", y)
		}
	}
}

func TestLabelsOfManyPlacesDoNotLieOnEachOther(t *testing.T) {
	label := regexp.MustCompile(`<text x="([0-9.]+)" [^>]*>(commit[0-9]+)</text>`)
	for _, many := range []int{1, 2, 6, 7, 10, 40} {
		c := Chart{Title: "t"}
		for n := range many {
			c.Places = append(c.Places, fmt.Sprintf("commit%02d", n))
		}
		labels := label.FindAllStringSubmatch(c.SVG(), -1)
		if len(labels) < min(many, 4) || labels[len(labels)-1][2] != c.Places[many-1] {
			t.Errorf("of %d places these are named: %q", many, labels)
		}
		end := 0.0
		for _, l := range labels {
			x, err := strconv.ParseFloat(l[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			half := float64(len(l[2])) * 7 / 2
			if x-half < end {
				t.Errorf("of %d places, %s begins before the one before it ends", many, l[2])
			}
			end = x + half
		}
	}
}

func TestTheScaleEndsAtARoundNumberAboveAll(t *testing.T) {
	for most, want := range map[float64]float64{0: 1, 1: 1, 1.2: 1.5, 81: 100, 23_347: 30_000, 0.4: 0.5, 9_800: 10_000} {
		if got := niceTop(most); math.Abs(got-want) > 1e-9*want {
			t.Errorf("above %g the scale ends at %g, want %g", most, got, want)
		}
	}
}
