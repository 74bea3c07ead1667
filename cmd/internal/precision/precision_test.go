package precision

import (
	"context"
	"testing"

	"pgregory.net/rapid"

	"kairos/cmd/internal/rehearsal"
	"kairos/loadtest/truth"
	"kairos/processors/definition"
	"kairos/topologies"
)

func nobody(int) {}

func population(t testing.TB, people, events int, seed uint64) (*truth.Population, *Truth) {
	t.Helper()
	p, err := truth.New(truth.Config{People: people, Events: events, Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	known, err := TruthOf(context.Background(), p, nobody)
	if err != nil {
		t.Fatal(err)
	}
	return p, known
}

func judgeOne(t testing.TB, p *truth.Population, known *Truth, trial Trial) Score {
	t.Helper()
	scores, err := judge(context.Background(), p, known, []Trial{trial}, nobody)
	if err != nil {
		t.Fatal(err)
	}
	return scores[0]
}

// LAW: what is found with a protection is true to no smaller part than without
// any; nor with all of them.
func TestProtectionsNeverLowerPrecision(t *testing.T) {
	rules := Protected()
	rules.MaxIdentifiers, rules.MaxLinks = 25, 12 // so that they bite in a village
	for seed := range uint64(3) {
		c := truth.Config{People: 300, Events: 8000, Seed: seed}
		result, err := Run(t.Context(), c, Trials(rules), 1, func(float64) {})
		if err != nil {
			t.Fatal(err)
		}
		t.Log(result.Text())
		none := result.Trials[0]
		for _, l := range result.Trials {
			if l.Precision < none.Precision {
				t.Errorf("seed %d: precision is %v with %s, and %v with none", seed, l.Precision, l.Rules, none.Precision)
			}
			if l.Rules == All && (l.Precision < none.Precision+0.1 || l.Recall < 0.5) {
				t.Errorf("seed %d: protections protect from nothing, or let nothing be found: %+v, without them %+v", seed, l, none)
			}
		}
	}
}

// What is measured by a change of rules is what rules from the start give.
func TestChangedRulesScoreAsRulesFromTheStart(t *testing.T) {
	rules := Protected()
	rules.MaxIdentifiers, rules.MaxLinks = 25, 12
	c := truth.Config{People: 100, Events: 3000, Seed: 5}
	result, err := Run(t.Context(), c, Trials(rules), 1, func(float64) {})
	if err != nil {
		t.Fatal(err)
	}
	p, known := population(t, c.People, c.Events, c.Seed)
	for i, trial := range Trials(rules) {
		if want := judgeOne(t, p, known, trial); result.Trials[i].Score != want {
			t.Errorf("%s: %+v, from the start %+v", trial.Name, result.Trials[i].Score, want)
		}
	}
}

func TestEventsWithoutNewsChangeNoScore(t *testing.T) {
	p, known := population(t, 100, 3000, 7)
	for _, trial := range []Trial{{Name: None, Rules: Trials(Protected())[0].Rules}, {Name: All, Rules: Protected()}} {
		r, err := rehearsal.New(nil, &definition.Plan{Identity: trial.Rules}, topologies.Identity.Word)
		if err != nil {
			t.Fatal(err)
		}
		for told := range p.Events() {
			if err := take(r, told.Event); err != nil {
				t.Fatal(err)
			}
		}
		want, err := known.judge(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := judgeOne(t, p, known, trial); got != want {
			t.Errorf("%s: %+v, with all events %+v", trial.Name, got, want)
		}
	}
}

// The counting against a look at every pair.
func TestPairsAreCountedAsIfOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		known := &Truth{owners: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) []int32 {
			var owners []int32
			for person := range int32(4) {
				if rapid.Bool().Draw(t, "owns") {
					owners = append(owners, person)
				}
			}
			return owners
		}), 0, 12).Draw(t, "owners")}
		known.countPairs()
		clusters := map[string][]int32{}
		for i := range known.owners {
			name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "cluster")
			clusters[name] = append(clusters[name], int32(i))
		}
		want := Score{Clusters: len(clusters)}
		belongs := map[int32]string{}
		for name, c := range clusters {
			want.Largest = max(want.Largest, len(c))
			for _, i := range c {
				belongs[i] = name
			}
		}
		for i := range int32(len(known.owners)) {
			for j := range i {
				is := common(known.owners[i], known.owners[j])
				together := belongs[i] == belongs[j]
				want.True += one(is)
				want.Together += one(together)
				want.Right += one(is && together)
			}
		}
		if got := known.score(clusters); got != want {
			t.Fatalf("%+v, one by one %+v", got, want)
		}
	})
}

func common(a, b []int32) bool {
	for _, x := range a {
		for _, y := range b {
			if x == y {
				return true
			}
		}
	}
	return false
}

func one(is bool) int64 {
	if is {
		return 1
	}
	return 0
}
