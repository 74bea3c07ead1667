package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kairos/schemas"
)

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
	if missing, surplus := differences(want, given); missing != 0 || surplus != 0 {
		t.Errorf("the answers are %v, want %v", given, want)
	}
	if missing, surplus := differences(want, j.answers(minute(121))); missing != 1 || surplus != 0 {
		t.Errorf("a minute before the end %d are missing and %d too many, want 1 and 0", missing, surplus)
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

func TestTheTableComparesMediansWithKairos(t *testing.T) {
	r := &Result{Runs: []Run{
		{Peer: "kairos", EventsPerSecond: 100}, {Peer: "kairos", EventsPerSecond: 300}, {Peer: "kairos", EventsPerSecond: 200},
		{Peer: "other", EventsPerSecond: 100, Missing: 2, Surplus: 1},
	}}
	lines := strings.Split(r.table(), "\n")
	if !strings.Contains(lines[1], " 200 ") || !strings.Contains(lines[2], " 2.00 ") || !strings.Contains(lines[2], " 3 ") {
		t.Errorf("kairos' median is 200, twice the other's, who gave 3 wrong answers:\n%s", r.table())
	}
}
