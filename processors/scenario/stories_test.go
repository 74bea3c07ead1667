package scenario_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/loadtest/kafka"
	"kairos/processors/flow"
	"kairos/processors/scenario"
	"kairos/schemas"
)

var rewrite = flag.Bool("rewrite", false, "write what is really said into the stories; then read the diff")

// stories reads all stories.
func stories(t *testing.T) []*scenario.Story {
	t.Helper()
	files, err := filepath.Glob("stories/*.txt")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d stories, %v", len(files), err)
	}
	var all []*scenario.Story
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		story, err := scenario.ParseStory(file, string(text))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, story)
	}
	return all
}

// tell plays every story in worlds of its own and compares.
func tell(t *testing.T, world func(t *testing.T) scenario.World) {
	t.Helper()
	for _, story := range stories(t) {
		t.Run(strings.TrimSuffix(filepath.Base(story.Name), ".txt"), func(t *testing.T) {
			w := world(t)
			said, err := scenario.Play(story, w)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			for i, block := range story.Blocks {
				if !slices.Equal(block.Expected, said[i]) {
					t.Errorf("after\n  %s\nexpected\n  %s\nsaid\n  %s\nIf it is right: go test ./processors/scenario -run Stories -rewrite, and read the diff.",
						strings.Join(block.Input, "\n  "), strings.Join(block.Expected, "\n  "), strings.Join(said[i], "\n  "))
				}
			}
		})
	}
}

func TestStoriesInThePureWorld(t *testing.T) {
	if *rewrite {
		retell(t)
	}
	tell(t, func(*testing.T) scenario.World {
		return scenario.NewPure(scenario.Shape{Partitions: 4, Chained: true}, flow.Runner, 0)
	})
}

func retell(t *testing.T) {
	t.Helper()
	for _, story := range stories(t) {
		said, err := scenario.Play(story, scenario.NewPure(scenario.Shape{Partitions: 4, Chained: true}, flow.Runner, 0))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(story.Name, []byte(story.Format(said)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStoriesAreTheSameOnOneAndOnTwelvePartitions(t *testing.T) {
	for _, n := range []int32{1, 12} {
		tell(t, func(*testing.T) scenario.World {
			return scenario.NewPure(scenario.Shape{Partitions: n, Chained: true}, flow.Runner, 0)
		})
	}
}

func TestStoriesAreTheSameInSeparateGroups(t *testing.T) {
	tell(t, func(*testing.T) scenario.World {
		return scenario.NewPure(scenario.Shape{Partitions: 4, Chained: false}, flow.Runner, 0)
	})
}

func TestStoriesAreTheSameInAnyInterleaving(t *testing.T) {
	for seed := range uint64(5) {
		tell(t, func(*testing.T) scenario.World {
			return scenario.NewPure(scenario.Shape{Partitions: 4, Chained: seed%2 == 0}, flow.Runner, seed+1)
		})
	}
}

func TestStoriesInTheEmbeddedWorld(t *testing.T) {
	tell(t, func(t *testing.T) scenario.World {
		w, err := scenario.NewEmbedded(scenario.Shape{Partitions: 2, Chained: true}, flow.Runner, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return w
	})
}

func TestStoriesInTheEmbeddedWorldInSeparateGroups(t *testing.T) {
	if testing.Short() {
		t.Skip("five hosts a story")
	}
	tell(t, func(t *testing.T) scenario.World {
		w, err := scenario.NewEmbedded(scenario.Shape{Partitions: 3, Chained: false}, flow.Runner, "")
		if err != nil {
			t.Fatal(err)
		}
		return w
	})
}

// restless is a world that restarts whenever time has passed.
type restless struct{ scenario.World }

func (r restless) Tick(t schemas.Instant) error {
	return errors.Join(r.World.Tick(t), r.Restart())
}

func TestStoriesAreTheSameWithARestartAtEachTurn(t *testing.T) {
	if testing.Short() {
		t.Skip("some hundred restarts")
	}
	tell(t, func(t *testing.T) scenario.World {
		w, err := scenario.NewEmbedded(scenario.Shape{Partitions: 2, Chained: true}, flow.Runner, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return restless{w}
	})
}

// TestStoriesOnARealKafka plays all stories on one broker, one after another.
func TestStoriesOnARealKafka(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a broker of its own")
	}
	broker := kafka.Start(t)
	tell(t, func(t *testing.T) scenario.World {
		w, err := scenario.NewBrokers(scenario.Shape{Partitions: 2, Chained: true}, flow.Runner, "", kgo.SeedBrokers(broker.Address))
		if err != nil {
			t.Fatal(err)
		}
		return w
	})
}
