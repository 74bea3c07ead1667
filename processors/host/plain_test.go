package host_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log"
	"testing"
	"time"

	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Why there is a host at all: plain Goka, as it comes, commits the offset of a
// message whose output is not acknowledged, as soon as a later one's is. If it
// dies then, the output never comes to be. Should this test fail one day, Goka
// has mended it, and the design's first reason is gone.
func TestPlainGokaCommitsPastAnOutputThatIsNotAcknowledged(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(1, "plain.in"), kfake.SeedTopics(2, "plain.out"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	for number := range int32(2) { // each output partition has its own broker, so a held write holds only itself
		if err := broker.MoveTopicPartition("plain.out", number, number); err != nil {
			t.Fatal(err)
		}
	}
	held, release, committed := make(chan struct{}), make(chan struct{}), make(chan int64, 16)
	t.Cleanup(func() { close(release) })
	broker.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		for _, topic := range req.(*kmsg.ProduceRequest).Topics {
			if topic.Topic == "plain.out" && topic.Partitions[0].Partition == 0 {
				broker.DropControl()
				broker.SleepControl(func() { close(held); <-release })
				return nil, errors.New("the connection breaks"), true
			}
		}
		return nil, nil, false
	})
	broker.ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		for _, topic := range req.(*kmsg.OffsetCommitRequest).Topics {
			committed <- topic.Partitions[0].Offset
		}
		return nil, nil, false
	})
	startPlainGoka(t, broker.ListenAddrs())

	client, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	write := func(partition uint32) {
		record := &kgo.Record{Topic: "plain.in", Key: []byte(keyIn(partition)), Value: []byte("hello")}
		if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	write(0)
	<-held
	write(1)
	var offset int64
	for offset < 2 {
		select {
		case offset = <-committed:
		case <-ctx.Done():
			t.Fatal("Goka did not commit past the unacknowledged output")
		}
	}
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, "plain.out")
	if err != nil {
		t.Fatal(err)
	}
	if end, _ := ends.Lookup("plain.out", 0); end.Offset != 0 {
		t.Fatalf("the held output is there: %d", end.Offset)
	}
	t.Logf("offset %d is committed, the output of offset 0 does not exist", offset)
}

// keyIn is a key that Goka sends to a partition of two.
func keyIn(partition uint32) string {
	for n := 0; ; n++ {
		key := fmt.Sprintf("key%d", n)
		hash := fnv.New32a()
		_, _ = hash.Write([]byte(key))
		if h := int32(hash.Sum32()); uint32(max(h, -h))%2 == partition {
			return key
		}
	}
}

// startPlainGoka runs a processor with nothing but Goka's defaults that passes
// messages on.
func startPlainGoka(t *testing.T, brokers []string) {
	t.Helper()
	graph := goka.DefineGroup("plain",
		goka.Input("plain.in", new(codec.Bytes), func(ctx goka.Context, message any) { ctx.Emit("plain.out", ctx.Key(), message) }),
		goka.Output("plain.out", new(codec.Bytes)))
	processor, err := goka.NewProcessor(brokers, graph, goka.WithLogger(log.New(io.Discard, "", 0)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- processor.Run(ctx) }()
	t.Cleanup(cancel) // it may take its time: one of its writes hangs
	ready, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	if err := processor.WaitForReadyContext(ready); err != nil {
		t.Fatal(err)
	}
}
