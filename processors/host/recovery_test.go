package host_test

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// How rows come back: from the tables, and from disk where that is allowed.

// DESIGN, non-obvious 1.
func TestRecoveryEndsAtMarkersAndPassesOverWhatWasAborted(t *testing.T) {
	w := newWorld(t, toys(2, true))
	h := w.start(w.config("writer"))
	w.write("a 1 one", "b 1 one", "c 1 one")
	w.drain(h)
	h.mustEnd()
	foreign, err := kgo.NewClient(append(slices.Clone(w.kafka), kgo.TransactionalID("somebody"), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))...)
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	if err := foreign.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b", "c", "d"} {
		foreign.Produce(w.ctx(), &kgo.Record{Topic: writerTable.Name, Key: []byte(key), Value: []byte("never committed")}, nil)
	}
	if err := foreign.Flush(w.ctx()); err != nil {
		t.Fatal(err)
	}
	if err := foreign.EndTransaction(w.ctx(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	again := w.start(w.config("writer"))
	w.drainOwned(again, 2)
	equal(t, "page a", again.page(writerTable, "a"), []string{"1 one"})
	if row, _ := again.Row(writerTable.Name, "d"); row != nil {
		t.Errorf("a row of an aborted transaction was recovered: %q", row)
	}
}

// DESIGN, non-obvious 1: the markers of a decided transaction may be late.
func TestRecoveryWaitsForTransactionsThatAreNotYetMarked(t *testing.T) {
	w := newWorld(t, toys(1, true))
	foreign, err := kgo.NewClient(append(slices.Clone(w.kafka), kgo.TransactionalID("former owner"))...)
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	row, err := pageCodec.Append(nil, &page{Lines: []string{"1 written by the former owner"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := foreign.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	foreign.Produce(w.ctx(), &kgo.Record{Topic: writerTable.Name, Key: []byte("a"), Value: row}, nil)
	if err := foreign.Flush(w.ctx()); err != nil {
		t.Fatal(err)
	}
	reading := w.broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: writerTable.Name, Observe: true, Count: -1})
	h := w.start(w.config("writer"))
	if err := reading.Wait(w.ctx(), 1); err != nil {
		t.Fatalf("the host does not wait for the end of its table: %v", err)
	}
	if owned := len(h.Status().Partitions); owned != 0 {
		t.Errorf("the host took %d partitions before their table was complete", owned)
	}
	if err := foreign.EndTransaction(w.ctx(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	w.write("a 2 two")
	w.drainOwned(h, 1)
	equal(t, "page a", h.page(writerTable, "a"), []string{"1 written by the former owner", "2 two"})
}

func TestAKilledHostLeavesNoRowAheadOfTheTable(t *testing.T) {
	w := newWorld(t, toys(1, true))
	c := w.config("writer")
	c.StateDir, c.InstanceID, c.TransactionTimeout = t.TempDir(), "one", 2*time.Second
	line := &wire{}
	c.Kafka = append(slices.Clone(c.Kafka), line.dialer())
	h := w.start(c)
	w.write("a 1 one")
	w.drain(h)
	held, release := make(chan struct{}), make(chan struct{})
	w.broker.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		w.broker.DropControl()
		w.broker.SleepControl(func() { close(held); <-release })
		return nil, fmt.Errorf("the connection breaks"), true
	})
	w.write("a 2 two")
	<-held
	line.set(true)
	close(release)
	h.stop()
	<-h.done
	h.done <- nil
	c.Kafka = w.kafka
	again := w.start(c)
	w.drain(again)
	equal(t, "page a", again.page(writerTable, "a"), []string{"1 one", "2 two"})
	equal(t, "table", w.pages(writerTable)["a"], []string{"1 one", "2 two"})
}

func TestLocalRowsOfAnotherLifeOfTheTopicAreNotUsed(t *testing.T) {
	dir := t.TempDir()
	var lines [2][]string
	for life := range lines {
		w := newWorld(t, toys(1, true))
		c := w.config("writer")
		c.StateDir = dir
		h := w.start(c)
		for n := range 5 - 3*life { // the second life's table is shorter
			w.write(fmt.Sprintf("a %d life%d", n, life))
			w.drain(h)
		}
		lines[life] = h.page(writerTable, "a")
		h.mustEnd()
	}
	equal(t, "page a of the second life", lines[1], []string{"0 life1", "1 life1"})
}

func TestDeletingTheStateDirOfARunningHostHarmsNothing(t *testing.T) {
	w := newWorld(t, toys(2, true))
	c := w.config("writer")
	c.StateDir = t.TempDir()
	h := w.start(c)
	w.write("a 1 one", "b 1 one")
	w.drain(h)
	if err := os.RemoveAll(c.StateDir); err != nil {
		t.Fatal(err)
	}
	w.write("a 2 two", "b 2 two")
	w.drain(h)
	h.mustEnd()
	again := w.start(c)
	w.write("a 3 three")
	w.drainOwned(again, 2)
	equal(t, "page a", again.page(writerTable, "a"), []string{"1 one", "2 two", "3 three"})
	equal(t, "page b", again.page(writerTable, "b"), []string{"1 one", "2 two"})
}
