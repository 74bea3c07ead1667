package cluster_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kairos/cmd/internal/cluster"
	"kairos/topologies"
)

// transact writes values under one key in one transaction and ends it.
func transact(t *testing.T, client *cluster.Client, topic string, end kgo.TransactionEndTry, values ...string) {
	t.Helper()
	producer, err := kgo.NewClient(append(client.Opts(), kgo.TransactionalID("test"))...)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	if err := producer.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for _, v := range values {
		if err := producer.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte(v)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if err := producer.EndTransaction(t.Context(), end); err != nil {
		t.Fatal(err)
	}
}

func TestAScanSeesWhatIsCommittedAndEndsAtAnAbort(t *testing.T) {
	_, client := embedded(t)
	apply(t, client, topology(t, nil))
	topic := topologies.IdentityTable.Name
	transact(t, client, topic, kgo.TryCommit, "a", "b")
	transact(t, client, topic, kgo.TryAbort, "c")
	partition, err := client.PartitionOf(t.Context(), topic, "k")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []int32{cluster.EveryPartition, partition} {
		var got []string
		err = client.Scan(t.Context(), topic, p, func(r *kgo.Record) error {
			got = append(got, string(r.Value))
			return nil
		})
		if err != nil || !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("partition %d: got %v, %v", p, got, err)
		}
	}
}

func TestAScanOfNothingIsEmpty(t *testing.T) {
	_, client := embedded(t)
	none := func(*kgo.Record) error { return fmt.Errorf("a record") }
	if err := client.Scan(t.Context(), topologies.IdentityTable.Name, cluster.EveryPartition, none); err != nil {
		t.Errorf("a topic that does not exist: %v", err)
	}
	apply(t, client, topology(t, nil))
	if err := client.Scan(t.Context(), topologies.IdentityTable.Name, cluster.EveryPartition, none); err != nil {
		t.Errorf("an empty topic: %v", err)
	}
}

func TestABrokerThatIsSlowHasNotComeToItsEnd(t *testing.T) {
	broker, client := embedded(t)
	apply(t, client, topology(t, nil))
	topic := topologies.IdentityTable.Name
	transact(t, client, topic, kgo.TryCommit, "a", "b")
	slow := make(chan struct{})
	time.AfterFunc(5*time.Second/2, func() { close(slow) }) // longer than a scan waits at an end
	broker.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		broker.SleepControl(func() { <-slow })
		return nil, nil, false
	})
	seen := 0
	if err := client.Scan(t.Context(), topic, cluster.EveryPartition, func(*kgo.Record) error { seen++; return nil }); err != nil || seen != 2 {
		t.Errorf("%d records, %v", seen, err)
	}
}
