package feed_test

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/feed"
	"kairos/processors/keyring"
	"kairos/schemas"
	"kairos/topologies"
)

func TestEveryPartitionHoldsEachTickAfterTheEventsOfItsTime(t *testing.T) {
	const partitions = 3
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topologies.Events.Name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	client, err := cluster.Connect(t.Context(), broker.ListenAddrs())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	feeder, err := feed.New(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(feeder.Close)

	var days []feed.Day
	for day := schemas.Instant(1); day <= 20; day++ {
		var events []*schemas.Event
		for _, who := range []string{"a", "b", "c", "d", "e"} {
			events = append(events, &schemas.Event{ID: who, Name: "x", Time: day, Received: day, Identifiers: []schemas.Identifier{{Namespace: "crm_id", Value: who}}})
		}
		days = append(days, feed.Day{Events: events, Until: day})
	}
	n, err := feeder.Feed(t.Context(), slices.Values(days), func(feed.Day) error { return nil })
	if err != nil || n != 100 {
		t.Fatalf("fed %d events, %v", n, err)
	}

	now, events := map[int32]schemas.Instant{}, 0
	err = client.Scan(t.Context(), topologies.Events.Name, cluster.EveryPartition, func(r *kgo.Record) error {
		if string(r.Key) == schemas.TickKey {
			tick, err := schemas.TickCodec.Decode(r.Value)
			if err == nil && (tick.Time != now[r.Partition]+1 || tick.Source != "door") {
				t.Errorf("partition %d: tick %+v after %d", r.Partition, tick, now[r.Partition])
			}
			now[r.Partition]++
			return err
		}
		e, err := topologies.Events.Codec.Decode(r.Value)
		if err == nil && e.Received != now[r.Partition]+1 {
			t.Errorf("partition %d: an event of %d after the tick of %d", r.Partition, e.Received, now[r.Partition])
		}
		if want, _ := client.PartitionOf(t.Context(), topologies.Events.Name, string(r.Key)); want != r.Partition {
			t.Errorf("%s is in partition %d, not %d", r.Key, r.Partition, want)
		}
		events++
		return err
	})
	if err != nil || events != 100 || len(now) != partitions {
		t.Errorf("%d events, %d partitions with ticks, %v", events, len(now), err)
	}
	for p, last := range now {
		if last != 20 {
			t.Errorf("partition %d: the last tick is %d", p, last)
		}
	}
}

// A history is sealed like what comes through the door, and tells nothing of who
// was erased.
func TestAHistoryIsSealedWhereThereAreKeys(t *testing.T) {
	const partitions = 3
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topologies.Events.Name), kfake.SeedTopics(1, topologies.Keys.Name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	client, err := cluster.Connect(t.Context(), broker.ListenAddrs())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if _, err := client.ChangeRing(t.Context(), func(*keyring.Ring) *keyring.Ring { return keyring.New().Lose("crm_id:gone") }); err != nil {
		t.Fatal(err)
	}
	feeder, err := feed.New(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(feeder.Close)
	day := feed.Day{Until: 2}
	for _, who := range []string{"a", "b", "c", "gone"} {
		day.Events = append(day.Events, &schemas.Event{ID: who, Name: "x", Time: 1, Received: 1, Identifiers: []schemas.Identifier{{Namespace: "crm_id", Value: who}}})
	}
	if n, err := feeder.Feed(t.Context(), slices.Values([]feed.Day{day}), func(feed.Day) error { return nil }); err != nil || n != 3 {
		t.Fatalf("fed %d events, %v", n, err)
	}
	if err := client.ScanRaw(t.Context(), topologies.Events.Name, func(r *kgo.Record) error {
		if string(r.Key) != schemas.TickKey && !keyring.IsSealed(r.Value) {
			t.Errorf("%s can be read by anybody", r.Key)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	events := 0
	if err := client.Scan(t.Context(), topologies.Events.Name, cluster.EveryPartition, func(r *kgo.Record) error {
		if string(r.Key) == schemas.TickKey {
			return nil
		}
		events++
		if want, _ := client.PartitionOf(t.Context(), topologies.Events.Name, string(r.Key)); want != r.Partition {
			t.Errorf("%s is in partition %d, not %d", r.Key, r.Partition, want)
		}
		return nil
	}); err != nil || events != 3 {
		t.Errorf("%d events, %v", events, err)
	}
}
