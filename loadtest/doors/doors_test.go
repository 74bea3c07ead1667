package main

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"kairos/loadtest/kafka"
)

// Ten seconds, a kill in the middle: what a door has acknowledged counts, once.
func TestWhatADoorAcknowledgedCountsOnceThroughAKill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a broker")
	}
	c := defaults()
	c.length, c.rate, c.asks, c.restarts, c.people, c.audiences = 10*time.Second, 1000, 100, 1, 500, "../definitions"
	r, err := run(t.Context(), c, kafka.Start(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", r)
	if err := r.judge(); err != nil {
		t.Error(err)
	}
	if want := int(c.length.Seconds()) * c.rate; r.events != want || r.killed != 1 {
		t.Errorf("%d events were acknowledged and kairos was killed %d times, want %d and 1", r.events, r.killed, want)
	}
}

func TestTheJudgeSeesALossADoubleAndAnExchange(t *testing.T) {
	acknowledged := map[string]figure{"view": {2, 5}, "cart": {1, 7}}
	for _, c := range []struct {
		counted map[string]figure
		want    wrong
	}{
		{map[string]figure{"view": {2, 5}, "cart": {1, 7}}, wrong{}},
		{map[string]figure{"view": {1, 2}, "cart": {1, 7}}, wrong{missing: 1, people: 1}},
		{map[string]figure{"view": {3, 8}, "cart": {1, 7}}, wrong{doubled: 1, people: 1}},
		{map[string]figure{"view": {2, 6}, "cart": {1, 7}}, wrong{sums: 1, people: 1}}, // one lost, another twice
		{map[string]figure{"view": {2, 5}}, wrong{missing: 1, people: 1}},
		{map[string]figure{"view": {2, 5}, "cart": {1, 7}, "purchase": {1, 9}}, wrong{doubled: 1, people: 1}},
	} {
		var w wrong
		bad := w.add(0, acknowledged, c.counted)
		if w.example = ""; w != c.want || bad != (w.people > 0) {
			t.Errorf("%v: %+v, want %+v", c.counted, w, c.want)
		}
	}
}

// Half a second a turn, on a broker in this process: what a quiet machine is asked
// for a minute each.
func TestTheNeighboursOfEachMoodAreMeasured(t *testing.T) {
	if testing.Short() {
		t.Skip("builds kairos")
	}
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	n := &neighbourhood{
		length: 500 * time.Millisecond, warm: 100 * time.Millisecond, rate: 100, rounds: 1, partitions: 2, patience: time.Minute,
		brokers: broker.ListenAddrs()[0], folder: t.TempDir(), due: map[int64]time.Time{},
	}
	if err := n.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", n)
	if len(n.turns) != len(moods) {
		t.Errorf("%d turns for %d moods", len(n.turns), len(moods))
	}
	for _, turn := range n.turns {
		if len(turn.took) != 50 || turn.asked == 0 {
			t.Errorf("beside one that is %s %d of 50 count, and it was asked %d times", turn.mood, len(turn.took), turn.asked)
		}
	}
}
