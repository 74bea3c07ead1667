package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestEachRowOfTheDashboardHasAPictureThatIsXML(t *testing.T) {
	rows, err := readDashboard("../../deploy/grafana/kairos.json")
	if err != nil || len(rows) < 3 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, r := range rows {
		text, err := os.ReadFile(filepath.Join("../../deploy/pictures", r.file()))
		if err != nil {
			t.Fatalf("%v: `make pictures` draws it", err)
		}
		for decoder := xml.NewDecoder(strings.NewReader(string(text))); ; {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", r.file(), err)
			}
		}
		for _, p := range r.panels {
			if !strings.Contains(string(text), ">"+p.Title+"<") {
				t.Errorf("%s does not show %q: `make pictures` draws it anew", r.file(), p.Title)
			}
		}
	}
}

func TestALineBreaksWherePrometheusHasNothing(t *testing.T) {
	begin := time.Unix(0, 0)
	l := line{points: [][2]float64{{0, 1}, {2, 1}, {4, math.NaN()}, {20, 1}, {22, 0}}}
	path := box{0, 0, 100, 10}.path(l, begin, begin.Add(100*time.Second), 1)
	if want := "M0.0 0.0L2.0 0.0M20.0 0.0L22.0 10.0"; path != want {
		t.Errorf("got %s, want %s", path, want)
	}
}

func TestValuesAreWordedInTheirUnits(t *testing.T) {
	for _, c := range []struct {
		value      float64
		unit, want string
	}{
		{0.02, "s", "20 ms"}, {2.5, "s", "2.5 s"}, {0, "s", "0 s"}, {2048, "bytes", "2 KiB"}, {1500, "cps", "1.5k/s"}, {12, "none", "12"}, {3e6, "none", "3M"},
	} {
		if got := worded(c.value, c.unit); got != c.want {
			t.Errorf("%v %s is worded %s, want %s", c.value, c.unit, got, c.want)
		}
	}
	for _, v := range []float64{0.0003, 0.07, 1, 3, 4.9, 99, 12345} {
		if r := round(v); r < v*(1-1e-6) || r > 2.5*v {
			t.Errorf("%v is rounded to %v", v, r)
		}
	}
}
