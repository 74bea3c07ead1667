package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kairos/loadtest/kafka"
	"kairos/loadtest/rig"
	"kairos/schemas"
)

// TestMain is one of those who are measured, if it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "goka" || os.Args[1] == "floor") {
		if err := work(context.Background(), os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func small() *job {
	j := &job{}
	bought := j.term("purchase", "", "", time.Hour, 1)
	j.audience("cart", []int{j.term("cart", "category", "books", 2*time.Hour, 1)}, []int{bought})
	return j
}

func did(name, category string, at time.Duration) *schemas.Event {
	e := &schemas.Event{Name: name, Time: schemas.Instant(at.Milliseconds()), Received: schemas.Instant(at.Milliseconds())}
	e.Properties = e.Properties.Set("category", schemas.TextOf(category))
	return e
}

func TestTheJudgeLetsPeopleLeaveWhenAWindowClosesAndComeBackWhenAnotherDoes(t *testing.T) {
	j := newJudge(small(), 2)
	j.hear(0, did("cart", "shoes", 1*time.Minute))
	j.hear(0, did("cart", "books", 2*time.Minute))
	j.hear(0, did("purchase", "books", 10*time.Minute))
	j.hear(1, did("purchase", "books", 10*time.Minute))
	minute := func(n int64) schemas.Instant { return schemas.Instant(n * time.Minute.Milliseconds()) }
	want := map[answer]int{
		{0, 0, true, minute(2)}:    1,
		{0, 0, false, minute(10)}:  1,
		{0, 0, true, minute(70)}:   1,
		{0, 0, false, minute(122)}: 1,
	}
	given := j.answers(minute(122))
	if missing, surplus, _ := j.differences(want, given); missing != 0 || surplus != 0 {
		t.Errorf("the answers are %v, want %v", given, want)
	}
	if missing, surplus, examples := j.differences(want, j.answers(minute(121))); missing != 1 || surplus != 0 || len(examples) != 1 {
		t.Errorf("a minute before the end %d are missing and %d too many, want 1 and 0", missing, surplus)
	}
}

func TestWhoLeavesAndComesBackWithinAnInstantHasDoneNothing(t *testing.T) {
	j := newJudge(small(), 1)
	flicker := map[answer]int{{0, 0, true, 5}: 1, {0, 0, false, 5}: 1, {0, 0, true, 9}: 1}
	for _, given := range []map[answer]int{flicker, {{0, 0, true, 9}: 1}} {
		if missing, surplus, _ := j.differences(flicker, given); missing+surplus > 0 {
			t.Errorf("%v: %d missing, %d too many", given, missing, surplus)
		}
	}
	if _, surplus, _ := j.differences(flicker, map[answer]int{{0, 0, true, 9}: 2}); surplus != 1 {
		t.Errorf("%d too many where one is told twice", surplus)
	}
	l := &listener{given: map[answer]int{}}
	for a := range flicker {
		l.given[a]++
		l.seen += l.lasts(a)
	}
	if l.seen != 1 || sum(flicker) != 1 {
		t.Errorf("%d answers last, want 1", l.seen)
	}
}

func TestEverybodyIsToldTheSameAudiences(t *testing.T) {
	j, folder := twenty(), t.TempDir()
	if len(j.audiences) != 20 || len(j.terms) > 64 {
		t.Fatalf("%d audiences of %d terms", len(j.audiences), len(j.terms))
	}
	definitions, rules := filepath.Join(folder, "definitions.yaml"), filepath.Join(folder, "rules")
	if err := j.writeDefinitions(definitions); err != nil {
		t.Fatal(err)
	}
	if err := j.writeRules(rules); err != nil {
		t.Fatal(err)
	}
	yaml, err := os.ReadFile(definitions)
	if err != nil {
		t.Fatal(err)
	}
	tabs, err := os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range j.audiences {
		if !strings.Contains(string(yaml), "name: "+a.name+"\n") || !strings.Contains(string(tabs), "audience\t"+a.name+"\t"+list(a.all)+"\t"+list(a.none)+"\n") {
			t.Errorf("%s is not told to everybody", a.name)
		}
	}
	if n := strings.Count(string(tabs), "\nterm\t") + 1; n != len(j.terms) {
		t.Errorf("%d terms are written, want %d", n, len(j.terms))
	}
}

func TestTheReportComparesMediansWithKairos(t *testing.T) {
	r := &Result{Sizes: Sizes{Rates: []int{1000}}, Runs: []Run{
		{Peer: "kairos", EventsPerSecond: 100}, {Peer: "kairos", EventsPerSecond: 300},
		{Peer: "kairos", EventsPerSecond: 200, Rates: []rig.Rate{{EventsPerSecond: 1000, P50: 12, P99: 34, P999: 56}}, Half: &rig.Rate{EventsPerSecond: 100, P99: 78}},
		{Peer: "other", EventsPerSecond: 100, Missing: 2, Surplus: 1},
	}, Left: []string{"floor: broken"}}
	text := r.report()
	for _, want := range []string{"200 (100 to 300)", "2.00 times that", " 3 |", "12.0", "34.0", "56.0", "at half of what each works off", "78.0", "- floor: broken"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestColumnsLieUnderEachOther(t *testing.T) {
	var b strings.Builder
	table{{"who", "events/s"}, {"kafka-streams", "1,000"}, {"é", "12"}}.write(&b)
	want := "| who           | events/s |\n|---------------|---------:|\n| kafka-streams |    1,000 |\n| é             |       12 |\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

// What is committed is what its data give: `make bench-plot` writes it.
func TestReportsAndFiguresAreThoseOfTheKeptData(t *testing.T) {
	const folder = "../results"
	runs, err := readKept(folder)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for file, svg := range figures(runs) {
		want[filepath.Join(folder, plotFolder, file)] = svg
	}
	for _, r := range runs {
		want[filepath.Join(folder, r.Name+".md")] = r.report()
	}
	for file, text := range want {
		if got, err := os.ReadFile(file); err != nil || string(got) != text {
			t.Errorf("%s is not what the data give: run 'make bench-plot' (%v)", file, err)
		}
	}
	plots, err := filepath.Glob(filepath.Join(folder, plotFolder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range plots {
		if _, known := want[file]; !known {
			t.Errorf("%s is of no data: run 'make bench-plot'", file)
		}
	}
}

func TestASecondRunOfADayHasANumber(t *testing.T) {
	folder, day := t.TempDir(), time.Date(2026, 3, 1, 23, 0, 0, 0, time.UTC)
	for _, want := range []string{"2026-03-01", "2026-03-01-2", "2026-03-01-3"} {
		name, err := freeName(folder, day)
		if err != nil || name != want {
			t.Fatalf("got %q, %v, want %q", name, err, want)
		}
		if err := (&Result{Name: name, Date: day}).keep(folder); err != nil {
			t.Fatal(err)
		}
		day = day.Add(time.Minute)
	}
	runs, err := readKept(folder)
	if err != nil || len(runs) != 3 || runs[0].Name != "2026-03-01" || runs[2].Name != "2026-03-01-3" {
		t.Errorf("kept are %v, %v", runs, err)
	}
}

func TestCurvesThatNobodyKnowsAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-curves", "height=1"}, {"-curves", "people"}, {"-curves", "people=x"}, {"-peers", "nobody"}, {"-rates", "-1"}} {
		if _, err := parse(append(args, "-name", "x")); err == nil {
			t.Errorf("%v are taken", args)
		}
	}
}

func TestABrokerThatDoesNotStartIsAnErrorAndLeavesNothing(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("PATH", "")
	if _, err := defaults().set(t.Context(), &tools{dir: folder}, nil); err == nil {
		t.Error("it is set")
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// From events to a report, as short as it can be, on a real Kafka; -quick is
// the same with kairos, and takes a minute.
func TestALittleOfEverythingIsMeasured(t *testing.T) {
	kafka.Need(t)
	c, folder := defaults(), t.TempDir()
	c.quick()
	c.peers, c.events, c.wholeToo, c.curves = []string{"goka", "floor"}, 30_000, false, nil
	c.name, c.results = "little", folder
	var out strings.Builder
	t.Chdir("../..")
	if err := run(t.Context(), c, t.Output(), &out); err != nil {
		t.Fatal(err)
	}
	runs, err := readKept(folder)
	if err != nil || len(runs) != 1 {
		t.Fatalf("kept are %v, %v", runs, err)
	}
	r := runs[0]
	if len(r.Left) > 0 || len(r.Runs) != len(c.peers) {
		t.Errorf("not all was measured: %s", out.String())
	}
	for _, one := range r.Runs {
		if one.Missing+one.Surplus > 0 || one.EventsPerSecond <= 0 || one.Peer != "floor" && (one.Answers == 0 || len(one.Rates) != 1) {
			t.Errorf("%s gave %+v", one.Peer, one)
		}
	}
	if figure := filepath.Join(folder, plotFolder, "events-per-second.svg"); !strings.Contains(read(t, figure), ">goka<") {
		t.Errorf("%s does not show Goka", figure)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestADeviceOfThePopulationSaysWhoseItIs(t *testing.T) {
	for device, want := range map[string]int{"device-17-0": 17, "device-50000-12": 50_000} {
		if got, err := personWith(device); err != nil || got != want {
			t.Errorf("%s: %d, %v", device, got, err)
		}
	}
	for _, device := range []string{"", "device-", "device-17", "device-x-1", "phone-17-1"} {
		if got, err := personWith(device); err == nil {
			t.Errorf("%q is %d's", device, got)
		}
	}
}
