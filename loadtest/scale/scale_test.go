package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kairos/loadtest/rig"
	"kairos/schemas"
)

func TestAnExitAtAnotherInstantIsAnError(t *testing.T) {
	x := &exits{gone: map[string]bool{}}
	x.expect(1000)
	x.observe(&schemas.Transition{Person: "ann", Audience: visitors, Cause: 1000}, time.Now())
	if _, gone, err := x.state(); gone != 1 || err != nil {
		t.Errorf("%d gone, %v", gone, err)
	}
	x.observe(&schemas.Transition{Person: "bob", Audience: visitors, Cause: 1001}, time.Now())
	if _, _, err := x.state(); err == nil {
		t.Error("an exit a millisecond late is none")
	}
}

func TestWhoIsFoundTwiceIsAnError(t *testing.T) {
	e := &entries{entered: map[string]bool{}}
	for range 2 {
		e.observe(&schemas.Transition{Person: "ann", Audience: regulars, Entered: true, Revision: 1}, time.Now())
	}
	if _, err := e.state(); err == nil || !strings.Contains(err.Error(), "ann") {
		t.Errorf("got %v", err)
	}
}

func TestATransitionThatIsLostOrComesTwiceIsAnError(t *testing.T) {
	told := func(person string, entered bool, revision int64) *schemas.Transition {
		return &schemas.Transition{Person: person, Audience: "beacon", Entered: entered, Revision: revision}
	}
	for _, c := range []struct {
		what string
		told []*schemas.Transition
		bad  bool
	}{
		{"two people, in their order", []*schemas.Transition{told("ann", true, 1), told("bob", true, 1), told("ann", false, 2)}, false},
		{"a lost exit", []*schemas.Transition{told("ann", true, 1), told("ann", true, 3)}, true},
		{"a lost exit and entry", []*schemas.Transition{told("ann", true, 1), told("ann", false, 4)}, true},
		{"a doubled entry", []*schemas.Transition{told("ann", true, 1), told("ann", true, 2)}, true},
		{"a transition told twice", []*schemas.Transition{told("ann", true, 1), told("ann", true, 1)}, true},
	} {
		s := succession{told: map[[2]string]*schemas.Transition{}}
		for _, x := range c.told {
			s.observe(x, time.Now())
		}
		if heard, err := s.state(); (err != nil) != c.bad || heard != len(c.told) {
			t.Errorf("%s: %d heard, %v", c.what, heard, err)
		}
	}
}

func TestAStoryOfInstancesThatCannotBeIsRefused(t *testing.T) {
	for story, ok := range map[string]bool{"join,join,restart,crash,leave,kill": true, "join,leave,kill": false, "kill": false, "join,jump": false, "": false} {
		if err := (&fleet{}).check(story); (err == nil) != ok {
			t.Errorf("%q: %v", story, err)
		}
	}
}

func TestEveryMeasureHasItsTable(t *testing.T) {
	folder := t.TempDir()
	c := newResult(rig.Config{Name: "curve"}, "curve")
	for _, n := range []int{10, 20, 10_000} {
		c.Curve = append(c.Curve, Point{Audiences: n, Backlog: rig.Backlog{Events: 1, EventsPerSecond: float64(1000 - n/20)}})
	}
	c.relate()
	b := newResult(rig.Config{Name: "boundary"}, "boundary")
	b.Boundary = &Boundary{Members: 4711}
	s := newResult(rig.Config{Name: "seeding"}, "seeding")
	s.Seeding = &Seeding{Events: 4712, Before: rig.Rate{P99: 100}, Meanwhile: rig.Rate{P99: 123}}
	e := newResult(rig.Config{Name: "endurance"}, "endurance")
	e.Endurance = []Stretch{{Rate: rig.Rate{Sent: 100, Seconds: 40}}, {Rate: rig.Rate{Sent: 100, Seconds: 7.13}, Memory: rig.Memory{HeapBytes: 4_714_000, StateBytes: 2_357_000}}}
	i := newResult(rig.Config{Name: "instances"}, "instances")
	i.Instances = &Instances{Rows: 4715, Changes: []Change{{What: "instance-2 joins", Live: rig.Rate{Max: 8100}}}}
	q := newResult(rig.Config{Name: "idle"}, "idle")
	q.Idle = []Stillness{{Partitions: 48, Idle: rig.Idle{Records: 4717}}}
	for _, r := range []*Result{c, b, s, e, i, q} {
		if err := r.write(folder); err != nil {
			t.Fatal(err)
		}
	}
	table, err := os.ReadFile(filepath.Join(folder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"10000", "with 20 = 0.50", "4711", "4712", "1.23", "4713", "4.7", "2.00", "4715", "instance-2 joins", "8.1", "4717", "(endurance.svg)"} {
		if !strings.Contains(string(table), want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
}

func TestTablesAndFiguresAreThoseOfWhatIsKept(t *testing.T) {
	kept, folder := os.DirFS("../results/scale"), t.TempDir()
	if err := os.CopyFS(folder, kept); err != nil {
		t.Fatal(err)
	}
	derived := slices.Concat(named(t, kept, "*.md"), named(t, kept, "*.svg"))
	for _, name := range derived {
		if err := os.Remove(filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeTables(folder); err != nil {
		t.Fatal(err)
	}
	for _, name := range derived {
		want, err := fs.ReadFile(os.DirFS(folder), name)
		if got, err2 := fs.ReadFile(kept, name); err != nil || err2 != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what is kept beside it: go run ./loadtest/scale tables (%v, %v)", name, err, err2)
		}
	}
}

func named(t *testing.T, folder fs.FS, pattern string) []string {
	t.Helper()
	names, err := fs.Glob(folder, pattern)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestMemoryIsFlatWhereTheLastThirdHoldsNoMoreThanTheOneBefore(t *testing.T) {
	for _, c := range []struct {
		peaks []int64
		want  float64
	}{
		{[]int64{10, 90, 100, 90, 80, 100}, 1}, // it grows in the first third
		{[]int64{10, 50, 100, 100, 100, 150}, 1.5},
		{[]int64{1, 2, 3, 100, 100, 50, 50}, 0.5}, // more than three thirds: the first is the longest
	} {
		var all []Stretch
		for _, peak := range c.peaks {
			all = append(all, Stretch{PeakBytes: peak})
		}
		if got := flatness(all); got != c.want {
			t.Errorf("%v: %v, want %v", c.peaks, got, c.want)
		}
	}
}
