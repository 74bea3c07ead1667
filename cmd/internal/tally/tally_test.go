package tally_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/tally"
	"kairos/schemas"
	"kairos/topologies"
)

func TestSizeIsEnteredMinusExited(t *testing.T) {
	counted := tally.New()
	counted.Expect("lapsed")
	for i, entered := range []bool{true, true, false} {
		counted.Add(&schemas.Transition{Audience: "winback", Entered: entered, Cause: schemas.Instant(10 - i)})
	}
	want := []tally.Count{{Name: "lapsed"}, {Name: "winback", Size: 1, Entered: 2, Exited: 1}}
	if got := counted.Counts(); !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if seen, newest := counted.Seen(); seen != 3 || newest != 10 {
		t.Errorf("seen %d, newest %d", seen, newest)
	}
}

func TestTheSlowestPartitionSaysHowFarAReplayIs(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, topologies.Transitions.Name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	client, err := cluster.Connect(t.Context(), broker.ListenAddrs(), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	for partition, causes := range [][]schemas.Instant{{10, 90}, {20, 30}} {
		for _, cause := range causes {
			value, err := topologies.Transitions.Codec.Append(nil, &schemas.Transition{Person: "p", Audience: "a", Cause: cause})
			if err != nil {
				t.Fatal(err)
			}
			r := &kgo.Record{Topic: topologies.Transitions.Name, Partition: int32(partition), Value: value}
			if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	counted := tally.New()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	listened := make(chan error, 1)
	go func() { listened <- counted.Listen(ctx, client) }()
	if err := counted.CatchUp(ctx, client); err != nil {
		t.Fatal(err)
	}
	if slowest := counted.Slowest(); slowest != 30 {
		t.Errorf("the slowest partition is at %d, not at 30", slowest)
	}
	stop()
	if err := <-listened; err != nil {
		t.Error(err)
	}
}
