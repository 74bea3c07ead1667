package judge

import (
	"bytes"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"kairos/loadtest/cdnow"
	"kairos/schemas"
)

func TestTheJudgeReadsTheDefinitionsOfTheDemoWordForWord(t *testing.T) {
	if err := Check(os.DirFS("../../cmd/kairos/demo/definitions")); err != nil {
		t.Error(err)
	}
}

func TestDefinitionsThatTheJudgeDoesNotReadAreRefused(t *testing.T) {
	demo := os.DirFS("../../cmd/kairos/demo/definitions")
	for _, c := range []struct{ file, old, new, want string }{
		{"audiences.yaml", "name: lapsed_90d", "name: lapsed", "the audience lapsed_90d is not defined"},
		{"audiences.yaml", "name: lapsed_90d", "name: lapsed", "does not know the audience lapsed"},
		{"audiences.yaml", `within("90d").none()`, `within("91d").none()`, "the audience lapsed_90d is defined as"},
		{"repurchase.yaml", "0.5401", "0.5402", "input 1 of the model repurchase has the figures"},
		{"repurchase.yaml", "features.purchases", "features.lifetime_value", "input 1 of the model repurchase is defined as"},
		{"repurchase.yaml", "intercept: -2.0549", "intercept: -2", "the model repurchase has the intercept -2"},
		{"features.yaml", `events("purchase").count()`, `events().count()`, "the feature purchases is defined as"},
	} {
		changed := fstest.MapFS{}
		for _, file := range []string{"audiences.yaml", "features.yaml", "repurchase.yaml"} {
			text, err := fs.ReadFile(demo, file)
			if err != nil {
				t.Fatal(err)
			}
			if file == c.file {
				text = bytes.ReplaceAll(text, []byte(c.old), []byte(c.new))
			}
			changed[file] = &fstest.MapFile{Data: text}
		}
		if err := Check(changed); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s for %s: got %v, want ...%s...", c.new, c.old, err, c.want)
		}
	}
	if err := Check(fstest.MapFS{}); err == nil {
		t.Error("an empty folder was accepted")
	}
}

// The judge looks only when something can have changed. All purchases and all
// windows are whole days, so looking every day must find the same, slowly.
func TestLookingEveryDayFindsTheSame(t *testing.T) {
	purchases, err := cdnow.Purchases()
	if err != nil {
		t.Fatal(err)
	}
	const oneIn = 50
	purchases = slices.DeleteFunc(purchases, func(p cdnow.Purchase) bool { return p.Customer%oneIn != 0 })
	var all []Transition
	for start := range purchases {
		if start > 0 && purchases[start-1].Customer == purchases[start].Customer {
			continue
		}
		end := start
		for end < len(purchases) && purchases[end].Customer == purchases[start].Customer {
			end++
		}
		life := history(purchases[start:end])
		for _, a := range audiences() {
			member := false
			for at := life[0].Day; at <= cdnow.End; at = at.Add(day) {
				if now := a.holds(moment{life[0].Customer, life, at}); now != member {
					member = now
					all = append(all, Transition{Person(life[0].Customer), a.name, at, now})
				}
			}
		}
	}
	if err := Compare(outcomeOf(all), Expect(purchases, cdnow.End)); err != nil {
		t.Error(err)
	}
}

var january = schemas.InstantOf(time.Date(1998, time.January, 1, 0, 0, 0, 0, time.UTC))

func bought(days ...int) []cdnow.Purchase {
	var all []cdnow.Purchase
	for i, d := range days {
		all = append(all, cdnow.Purchase{Line: i + 1, Customer: 7, Day: january.Add(time.Duration(d) * day), CDs: 1, Cents: 1000})
	}
	return all
}

func TestAWindowEndsExactlyAsLateAsItIsLong(t *testing.T) {
	m := moment{7, bought(0, 10), january.Add(30 * day)}
	if got := len(m.within(30 * day)); got != 1 {
		t.Errorf("30 days after the first purchase the window of 30 days holds %d, want only the second", got)
	}
	m.at--
	if got := len(m.within(30 * day)); got != 2 {
		t.Errorf("a millisecond earlier it holds %d, want both", got)
	}
}

func TestWhatComesAfterTheEndIsNotExpected(t *testing.T) {
	purchases := bought(0, 5)
	if got, want := Expect(purchases, january.Add(4*day)), Expect(purchases[:1], january.Add(4*day)); Compare(want, got) != nil {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func record(revision int64, at int, entered bool) *schemas.Transition {
	return &schemas.Transition{Person: "somebody", Audience: "lapsed_90d", Revision: revision, Entered: entered, Cause: january.Add(time.Duration(at) * day)}
}

func TestATransitionThatIsLostOrDoubledIsAnError(t *testing.T) {
	for name, story := range map[string][]*schemas.Transition{
		"the first lost":    {record(2, 0, false)},
		"one lost":          {record(1, 0, true), record(3, 2, true)},
		"doubled":           {record(1, 0, true), record(1, 0, true)},
		"entered twice":     {record(1, 0, true), record(2, 1, true)},
		"backwards in time": {record(1, 3, true), record(2, 1, false)},
	} {
		if got, err := Observed(story); err == nil {
			t.Errorf("%s: accepted as %+v", name, got)
		}
	}
}

func TestWhatIsUndoneAtItsOwnInstantHasNotHappened(t *testing.T) {
	got, err := Observed([]*schemas.Transition{
		record(4, 9, false), // in any order
		record(1, 0, true), record(2, 5, false), record(3, 5, true),
		record(5, 20, true), record(6, 20, false),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []Transition{
		{"somebody", "lapsed_90d", january, true},
		{"somebody", "lapsed_90d", january.Add(9 * day), false},
	}
	if !slices.Equal(got.Transitions, want) {
		t.Errorf("got %v, want %v", got.Transitions, want)
	}
}

func TestADifferenceIsShownWithSizesAndTransitions(t *testing.T) {
	a, err := Observed([]*schemas.Transition{record(1, 0, true)})
	if err != nil {
		t.Fatal(err)
	}
	b, err := Observed([]*schemas.Transition{record(1, 1, true)})
	if err != nil {
		t.Fatal(err)
	}
	if err := Compare(a, a); err != nil {
		t.Errorf("an outcome differs from itself: %v", err)
	}
	err = Compare(a, b)
	if err == nil {
		t.Fatal("a transition at another time is no difference")
	}
	for _, want := range []string{
		"missing: somebody entered lapsed_90d at 1998-01-01T00:00:00Z",
		"not expected: somebody entered lapsed_90d at 1998-01-02T00:00:00Z",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if err := Compare(a, outcomeOf(nil)); err == nil || !strings.Contains(err.Error(), "size 0, want 1") {
		t.Errorf("got %v", err)
	}
}

// A score that lies on its bound would be in or out by the last bit of a sum.
func TestNoScoreLiesSoNearItsBoundThatRoundingDecides(t *testing.T) {
	purchases, err := cdnow.Purchases()
	if err != nil {
		t.Fatal(err)
	}
	lives := map[int]history{}
	for _, p := range purchases {
		lives[p.Customer] = append(lives[p.Customer], p)
	}
	nearest := 1.0
	for customer, life := range lives {
		for _, p := range life {
			for _, window := range append([]time.Duration{0}, repurchaseWindows...) {
				chance := repurchase(moment{customer, life, p.Day.Add(window)})
				nearest = min(nearest, math.Abs(chance-0.5), math.Abs(chance-0.2))
			}
		}
	}
	if nearest < 1e-12 {
		t.Errorf("the nearest score lies %g from its bound: move the bound in the definition", nearest)
	}
	t.Logf("the nearest score lies %g from its bound", nearest)
}
