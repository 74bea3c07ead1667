package precision

import (
	"testing"

	"pgregory.net/rapid"

	"kairos/cmd/internal/rehearsal"
	"kairos/loadtest/truth"
	"kairos/processors/definition"
	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// throughTheStage lets all events of a population go through the stage and its
// rows, and scores the people that come out.
func throughTheStage(t testing.TB, p *truth.Population, known *Truth, rules definition.IdentityRules) Score {
	t.Helper()
	r, err := rehearsal.New(nil, &definition.Plan{Identity: rules}, topologies.Identity.Word)
	if err != nil {
		t.Fatal(err)
	}
	for told := range p.Events() {
		value, err := schemas.EventCodec.Append(nil, told.Event)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Take(stage.Message{Topic: topologies.Events.Name, Key: told.Event.Identifiers[0].String(), Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	people := map[string][]string{}
	for key, encoded := range r.All(topologies.IdentityTable.Name) {
		row, err := schemas.IdentityRowCodec.Decode(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if row.Arrived {
			people[row.Person] = append(people[row.Person], key)
		}
	}
	s := Score{True: known.pairs}
	for _, identifiers := range people {
		known.add(&s, identifiers)
	}
	return s
}

// LAW: what is found with a protection is true to no smaller part than without
// any; nor with all of them.
func TestProtectionsNeverLowerPrecision(t *testing.T) {
	rules := Protected()
	rules.MaxIdentifiers, rules.MaxLinks = 25, 12 // so that they bite in a village
	for seed := range uint64(5) {
		c := truth.Config{People: 300, Events: 8000, Seed: seed}
		result, err := Run(t.Context(), c, Trials(rules), func(float64) {})
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

// What is measured is what the stage does, event by event and row by row.
func TestScoresAreThoseOfTheStageItself(t *testing.T) {
	rules := Protected()
	rules.MaxIdentifiers, rules.MaxLinks = 25, 12
	c := truth.Config{People: 120, Events: 4000, Seed: 5}
	result, err := Run(t.Context(), c, Trials(rules), func(float64) {})
	if err != nil {
		t.Fatal(err)
	}
	p, err := truth.New(c)
	if err != nil {
		t.Fatal(err)
	}
	known, _, err := gather(t.Context(), p, nil, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	for i, trial := range Trials(rules) {
		if want := throughTheStage(t, p, known, trial.Rules); result.Trials[i].Score != want {
			t.Errorf("%s: %+v, the stage itself %+v", trial.Name, result.Trials[i].Score, want)
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
		got := Score{True: known.pairs}
		for _, c := range clusters {
			known.addNumbers(&got, c)
		}
		if got != want {
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
