package kafka_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
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

// The test runs itself again as a process that starts a broker and dies of a
// panic, as one does whose time is up.
func TestABrokerDoesNotOutliveTheProcessThatStartedIt(t *testing.T) {
	const folder = "KAIROS_TEST_ORPHAN"
	if dir := os.Getenv(folder); dir != "" {
		if _, err := kafka.Open(dir); err != nil {
			t.Fatal(err)
		}
		os.Exit(7)
	}
	if testing.Short() {
		t.Skip("-short: starts a broker")
	}
	other := kafka.Start(t) // skips where Kafka cannot run
	dir := t.TempDir()
	self := exec.Command(os.Args[0], "-test.run", t.Name())
	self.Env = append(os.Environ(), folder+"="+dir)
	if said, err := self.CombinedOutput(); self.ProcessState.ExitCode() != 7 {
		t.Fatalf("%v\n%s", err, said)
	}
	text, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	orphan, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for syscall.Kill(orphan, 0) == nil {
		if ctx.Err() != nil {
			t.Fatalf("process %d lives on", orphan)
		}
	}
	if syscall.Kill(other.PID(), 0) != nil {
		t.Error("another broker died with it")
	}
}
