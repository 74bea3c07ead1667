package kafka_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/loadtest/kafka"
)

func TestARecordOutlivesAKilledBroker(t *testing.T) {
	b := kafka.Start(t)
	client, err := kgo.NewClient(
		kgo.SeedBrokers(b.Address),
		kgo.ConsumeTopics("letters"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, 1, 1, nil, "letters"); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(ctx, &kgo.Record{Topic: "letters", Value: []byte("kept")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	b.Kill(t)
	b.Restart(t)
	fetched := client.PollFetches(ctx)
	for fetched.NumRecords() == 0 && ctx.Err() == nil {
		fetched = client.PollFetches(ctx)
	}
	if fetched.NumRecords() != 1 || string(fetched.Records()[0].Value) != "kept" {
		t.Fatalf("got %d records: %v", fetched.NumRecords(), fetched.Errors())
	}
}
