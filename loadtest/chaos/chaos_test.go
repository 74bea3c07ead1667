package chaos

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"kairos/loadtest/cdnow"
	"kairos/loadtest/kafka"
	"kairos/topologies"
)

// seed of everything that is random here. A failure prints it with the moments
// that it led to.
const seed = 20260101

// inProcess is a broker within the test.
func inProcess(t *testing.T) string {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return strings.Join(cluster.ListenAddrs(), ",")
}

func skipShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: replays eighteen months of purchases through a process of its own")
	}
}

// What three kills on a real Kafka leave is what the judge expects and, byte for
// byte, what an embedded broker holds that nobody disturbed.
func TestAKilledProcessLeavesNoTraceInTheTransitions(t *testing.T) {
	skipShort(t)
	p := newPipeline(t, kafka.Start(t).Address, 4)
	replay := p.replay(cdnow.Plain, 0)
	random := rand.New(rand.NewPCG(seed, 1))
	shares := []float64{0.9 * random.Float64(), 0.9 * random.Float64(), 0.9 * random.Float64()}
	slices.Sort(shares)
	p.start()
	for i, share := range shares {
		group := p.topology.Groups[random.IntN(len(p.topology.Groups))]
		forget := i == 1 // a store is a cache: it may be lost as well
		p.awaitShare(group, share)
		p.kill()
		t.Logf("seed %d: killed when %s had committed %.1f %% of its input; store forgotten: %t", seed, group.Name, 100*share, forget)
		if forget {
			p.forget()
		}
		p.start()
	}
	p.fed(replay)
	p.judged()

	undisturbed := newPipeline(t, inProcess(t), 4)
	undisturbed.start()
	undisturbed.fed(undisturbed.replay(cdnow.Plain, 0))
	undisturbed.judged()
	for _, topic := range []string{topologies.Transitions.Name, topologies.Scores.Name, topologies.Activations("crm").Name} {
		sameBytes(t, topic, undisturbed.said(topic), p.said(topic))
	}
}

// sameBytes compares what two worlds said about each key, in order.
func sameBytes(t *testing.T, topic string, want, got map[string][]string) {
	t.Helper()
	if len(want) == 0 || len(want) != len(got) {
		t.Errorf("%s: the embedded broker has %d keys, the killed process on Kafka %d", topic, len(want), len(got))
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if !slices.Equal(want[key], got[key]) {
			t.Fatalf("%s, key %s: the embedded broker has\n%q\nthe killed process on Kafka\n%q", topic, key, want[key], got[key])
		}
	}
}

// Each case bends the story in several ways at once: a replay takes its time,
// and if one fails, one can bend it less.
func TestTheOutcomeIsTheSameHoweverTheStoryIsToldAndSpread(t *testing.T) {
	skipShort(t)
	for _, c := range []struct {
		name       string
		variant    cdnow.Variant
		partitions int32
		flags      []string
		restart    bool
	}{
		{"every event twice, in one partition", cdnow.Doubled, 1, nil, false},
		{"shuffled within the day, in twelve partitions", cdnow.Shuffled, 12, nil, false},
		{"each stage in a group of its own, restarted in the middle", cdnow.Plain, 4, []string{"--unchained"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Logf("seed %d", seed)
			p := newPipeline(t, inProcess(t), c.partitions, c.flags...)
			p.start()
			replay := p.replay(c.variant, seed)
			if c.restart {
				p.awaitShare(p.topology.Groups[1], 0.5)
				p.stop()
				p.start()
			}
			p.fed(replay)
			p.judged()
		})
	}
}
