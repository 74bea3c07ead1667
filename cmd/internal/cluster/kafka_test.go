package cluster_test

import (
	"testing"

	"kairos/cmd/internal/cluster"
	"kairos/loadtest/kafka"
)

func TestARealKafkaHoldsWhatIsAppliedAndIsFit(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a broker")
	}
	broker := kafka.Start(t, "add.partitions.to.txn.retry.backoff.ms=20")
	client, err := cluster.Connect(t.Context(), []string{broker.Address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	declared := topology(t, nil)
	if applied := apply(t, client, declared); len(applied.Created) != len(declared.Topics()) {
		t.Errorf("created %d of %d topics", len(applied.Created), len(declared.Topics()))
	}
	if differences, err := client.Diff(t.Context(), declared); err != nil || len(differences) > 0 {
		t.Errorf("after apply: %v, %v", differences, err)
	}
	if again := apply(t, client, declared); len(again.Created)+len(again.Changed)+len(again.Refused) > 0 {
		t.Errorf("applying twice did something: %+v", again)
	}
	findings, err := client.Check(t.Context(), declared)
	if err != nil || said(findings, cluster.Wrong, "") || !said(findings, cluster.Hint, "20: each hop may wait") {
		t.Errorf("check says %+v, %v", findings, err)
	}
}
