package host_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kairos/processors/host"
	"kairos/schemas"
	"kairos/topologies"
)

// The holes of plain Goka (design, section 2), and that this host has none of
// them. That plain Goka really has the first one: plain_test.go.

// committed is the group's committed offset of one partition of the notes.
func (w *world) committed(group string, number int32) int64 {
	w.t.Helper()
	offsets, err := w.admin.FetchOffsets(w.ctx(), group)
	if err != nil {
		w.t.Fatal(err)
	}
	o, _ := offsets.Lookup(notes.Name, number)
	return o.At
}

func TestNoOffsetIsCommittedBeforeAllThatWasSaidIsAcknowledged(t *testing.T) {
	w := newWorld(t, toys(1, true))
	// The first write to "said" is refused, for good; all others are taken.
	refused := w.broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: said.Name, Err: kerr.InvalidRecord, When: func(kmsg.Request) bool {
		if at := w.committed0.Load(); at > 0 {
			t.Errorf("offset %d is committed although what record 0 said is not acknowledged", at)
		}
		return true
	}})
	w.watchCommits()
	h := w.start(w.config("writer"))
	w.write("a 1 say=one pass=x", "b 2 pass=y", "c 3 pass=z")
	w.drain(h)
	if refused.Hits() != 1 {
		t.Fatalf("the fault struck %d times", refused.Hits())
	}
	equal(t, "said", w.notesOf(said.Name)["a/one"], []string{"1 one"})
	equal(t, "echoes of a", w.notesOf(echoes.Name)["a"], []string{"1 echo 1 x"})
	equal(t, "page a", h.page(writerTable, "a"), []string{"1 say=one pass=x"})
}

// watchCommits notes offsets of the first partition as the broker commits them.
func (w *world) watchCommits() {
	w.broker.ControlKey(int16(kmsg.TxnOffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		w.broker.KeepControl()
		for _, t := range req.(*kmsg.TxnOffsetCommitRequest).Topics {
			for _, p := range t.Partitions {
				w.committed0.Store(p.Offset)
			}
		}
		return nil, nil, false
	})
}

// DESIGN, non-obvious 4 and 6.
func TestNothingOfAnAbortedBatchIsSeen(t *testing.T) {
	for _, fault := range []struct {
		name string
		kfake.Fault
	}{
		{"a write is refused", kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: said.Name, Err: kerr.InvalidRecord}},
		{"a row is refused", kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: writerTable.Name, Err: kerr.InvalidRecord}},
		{"the offsets are refused", kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.IllegalGeneration}},
		{"the commit is refused", kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.TransactionAbortable}},
		{"the commit is lost", kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.UnknownServerError}},
		{"the producer is fenced", kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.ProducerFenced}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			w := newWorld(t, toys(1, true))
			h := w.start(w.config("writer"))
			w.write("a 1 say=one wake=50")
			w.drain(h)
			struck := w.broker.Fault(fault.Fault)
			w.write("a 2 say=two pass=x tell=b:hello")
			if err := struck.Wait(w.ctx(), 1); err != nil {
				t.Fatal(err)
			}
			w.drain(h)
			equal(t, "page a", h.page(writerTable, "a"), []string{"1 say=one wake=50", "2 say=two pass=x tell=b:hello"})
			equal(t, "page b", h.page(writerTable, "b"), []string{"2 hello"})
			equal(t, "the reader's page a", h.page(readerTable, "a"), []string{"2 x"})
			equal(t, "said", w.notesOf(said.Name)["a/two"], []string{"2 two"})
			equal(t, "table", w.pages(writerTable)["a"], []string{"1 say=one wake=50", "2 say=two pass=x tell=b:hello"})
			w.tick(60)
			w.drain(h)
			equal(t, "page a after its wake", h.page(writerTable, "a")[2:], []string{"50 woken"})
			h.mustEnd()
		})
	}
}

func TestARowIsNotSeenBeforeItsTransactionIsCommitted(t *testing.T) {
	w := newWorld(t, toys(1, true))
	h := w.start(w.config("writer"))
	w.write("a 1 first")
	w.drain(h)
	held, release := make(chan struct{}), make(chan struct{})
	w.broker.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		w.broker.DropControl()
		w.broker.SleepControl(func() { close(held); <-release })
		return nil, nil, false
	})
	w.write("a 2 second")
	<-held
	equal(t, "page a while its commit hangs", h.page(writerTable, "a"), []string{"1 first"})
	if at := h.Positions()[notes.Name][0]; at != w.committed("toys.chain", 0) {
		t.Errorf("the host says %d while its commit hangs", at)
	}
	close(release)
	w.drain(h)
	equal(t, "page a", h.page(writerTable, "a"), []string{"1 first", "2 second"})
}

// DESIGN, non-obvious 5.
func TestABatchBehindAFailedOneIsUndoneWithIt(t *testing.T) {
	for _, broken := range []*kerr.Error{kerr.TransactionAbortable, kerr.UnknownServerError, nil} {
		t.Run(fmt.Sprint(broken), func(t *testing.T) {
			w := newWorld(t, toys(1, true))
			h := w.start(w.config("writer"))
			w.write("a 1 first")
			w.drain(h)
			held, release := make(chan struct{}), make(chan struct{})
			w.broker.ControlKey(int16(kmsg.EndTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
				w.broker.DropControl()
				w.broker.SleepControl(func() { close(held); <-release })
				if broken == nil {
					return nil, fmt.Errorf("the connection breaks"), true
				}
				resp := req.ResponseKind().(*kmsg.EndTxnResponse)
				resp.ErrorCode = broken.Code
				return resp, nil, true
			})
			w.write("a 2 second pass=x")
			<-held
			w.write("a 3 third pass=y")
			w.awaitOpen(h, 2)
			equal(t, "page a while its commit hangs", h.page(writerTable, "a"), []string{"1 first"})
			equal(t, "echoes while their commit hangs", w.stable(echoes.Name), nil)
			close(release)
			w.drain(h)
			equal(t, "page a", h.page(writerTable, "a"), []string{"1 first", "2 second pass=x", "3 third pass=y"})
			equal(t, "echoes", w.notesOf(echoes.Name)["a"], []string{"2 echo 1 x", "3 echo 2 y"})
		})
	}
}

// What has been polled when a batch turns out to have failed lies behind it.
func TestWhatWasPolledBehindAFailedBatchWaitsForIt(t *testing.T) {
	w := newWorld(t, toys(1, true))
	c := w.config("writer")
	c.Clock, c.TickEvery, c.Pace = host.Wall, time.Hour, time.Second/2 // in which the commit fails and the next record comes
	h := w.start(c)
	w.awaitOwned(h, 1)
	now := time.Now().UnixMilli()
	line := func(n int64, text string) string { return fmt.Sprintf("a %d %s", now+n, text) }
	page := func(n int64, text string) string { return fmt.Sprintf("%d %s", now+n, text) }
	w.write(line(1, "first"))
	w.awaitPage(h, writerTable, "a", page(1, "first"))
	failed := make(chan struct{})
	w.broker.ControlKey(int16(kmsg.EndTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
		w.broker.DropControl()
		close(failed)
		resp := req.ResponseKind().(*kmsg.EndTxnResponse)
		resp.ErrorCode = kerr.TransactionAbortable.Code
		return resp, nil, true
	})
	w.write(line(2, "second"))
	<-failed
	w.write(line(3, "third"))
	w.awaitPage(h, writerTable, "a", page(1, "first"), page(2, "second"), page(3, "third"))
}

// awaitPage waits until h shows a page.
func (w *world) awaitPage(h *running, table topologies.Table[page], key string, want ...string) {
	w.t.Helper()
	ctx := w.ctx()
	for {
		changed := h.Changed()
		if slices.Equal(h.page(table, key), want) {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			w.t.Fatalf("page %s is %q, want %q; %+v", key, h.page(table, key), want, h.Status())
		}
	}
}

// awaitOpen waits until the only partition of h has n batches on their way.
func (w *world) awaitOpen(h *running, n int) {
	w.t.Helper()
	ctx := w.ctx()
	for {
		changed := h.Changed()
		if ps := h.Status().Partitions; len(ps) == 1 && ps[0].Open == n {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			w.t.Fatalf("%+v: want %d batches on their way", h.Status(), n)
		}
	}
}

// stable lists what committed readers may see of the first partition of a topic
// now, by how far it goes; nil for nothing.
func (w *world) stable(topic string) []string {
	w.t.Helper()
	offsets, err := w.admin.ListCommittedOffsets(w.ctx(), topic)
	if err != nil {
		w.t.Fatal(err)
	}
	if o, _ := offsets.Lookup(topic, 0); o.Offset > 0 {
		return []string{fmt.Sprint(o.Offset)}
	}
	return nil
}

// DESIGN, non-obvious 2 and 3.
func TestAPausedOwnerThatWakesUpChangesNothing(t *testing.T) {
	w := newWorld(t, toys(2, true))
	c := w.config("writer")
	c.TransactionTimeout, c.SessionTimeout = 2*time.Second, 6*time.Second
	line := &wire{}
	paused := c
	paused.Kafka = append(slices.Clone(c.Kafka), line.dialer())
	first := w.start(paused)
	w.write("a 1 say=one", "b 1 say=one")
	w.drain(first)
	held, release := make(chan struct{}), make(chan struct{})
	w.broker.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		w.broker.DropControl()
		w.broker.SleepControl(func() { close(held); <-release })
		return nil, fmt.Errorf("the connection breaks"), true
	})
	w.write("a 2 say=two", "b 2 say=two")
	<-held
	line.set(true)
	close(release)
	second := w.start(c)
	w.drainOwned(second, 2)
	equal(t, "said", w.notesOf(said.Name)["a/two"], []string{"2 two"})
	line.set(false) // the first one wakes up, with rows and a batch of its own
	w.write("a 3 say=three", "b 3 say=three")
	w.drain(first, second)
	for _, key := range []string{"a", "b"} {
		equal(t, "page "+key, w.pages(writerTable)[key], []string{"1 say=one", "2 say=two", "3 say=three"})
		equal(t, "said", w.notesOf(said.Name)[key+"/three"], []string{"3 three"})
		equal(t, "said", w.notesOf(said.Name)[key+"/two"], []string{"2 two"})
	}
}

// drainOwned waits until h owns all n partitions and has nothing left to do.
func (w *world) drainOwned(h *running, n int) {
	w.t.Helper()
	w.awaitOwned(h, n)
	w.drain(h)
}

// awaitOwned waits until h owns n partitions.
func (w *world) awaitOwned(h *running, n int) {
	w.t.Helper()
	ctx := w.ctx()
	for {
		changed := h.Changed()
		if len(h.Status().Partitions) == n {
			return
		}
		select {
		case <-changed:
		case err := <-h.done:
			h.done <- err
			w.t.Fatalf("the host ended: %v", err)
		case <-ctx.Done():
			w.t.Fatalf("the host owns %d partitions, want %d", len(h.Status().Partitions), n)
		}
	}
}

func TestBadRecordsBecomeDeadLettersAndTheirPartitionGoesOn(t *testing.T) {
	w := newWorld(t, toys(1, true))
	h := w.start(w.config("writer"))
	bad := []*kgo.Record{
		{Topic: notes.Name, Key: []byte("a"), Value: []byte("no Avro at all")},
		{Topic: notes.Name, Key: []byte("a"), Value: nil},
		{Topic: notes.Name, Key: []byte{}, Value: []byte("no key")},
		{Topic: notes.Name, Key: []byte("a"), Value: slices.Concat([]byte{0xc3, 0x01}, make([]byte, 30))},
		{Topic: notes.Name, Key: []byte(schemas.TickKey), Value: []byte("no tick")},
	}
	w.produce(bad...)
	w.write("a 1 panic", "a 2 refuse say=no", "a 3 pass=after")
	w.drain(h)
	equal(t, "page a", h.page(writerTable, "a"), []string{"3 pass=after"})
	equal(t, "echoes", w.notesOf(echoes.Name)["a"], []string{"3 echo 1 after"})
	var reasons []string
	for i, record := range w.read(topologies.DeadLetters("writer").Name) {
		letter, err := schemas.DeadLetterCodec.Decode(record.Value)
		if err != nil {
			t.Fatal(err)
		}
		reasons = append(reasons, strings.TrimPrefix(letter.Reason, "kairos-writer-"))
		if i < 4 && (string(letter.Value) != string(bad[i].Value) || letter.Offset != int64(i)) {
			t.Errorf("letter %d does not hold the original: %+v", i, letter)
		}
	}
	equal(t, "reasons", reasons, []string{"undecodable", "undecodable", "empty-key", "unknown-schema", "panic", "unwanted"})
}

// DESIGN, non-obvious 14 and 18.
func TestWhatNoTopicTakesBecomesADeadLetter(t *testing.T) {
	w := newWorld(t, toys(1, true))
	limit := "3000000" // of the door's topic; the others take a million or so
	if _, err := w.admin.AlterTopicConfigs(w.ctx(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &limit}}, notes.Name); err != nil {
		t.Fatal(err)
	}
	writer, err := kgo.NewClient(append(slices.Clone(w.kafka), kgo.ProducerBatchMaxBytes(3_000_000))...)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	h := w.start(w.config("writer"))
	large := bytes.Repeat([]byte("x"), 2_500_000)
	if err := writer.ProduceSync(w.ctx(), &kgo.Record{Topic: notes.Name, Key: []byte("a"), Value: large}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	w.write("a 1 wake=5 "+strings.Repeat("y", 600_000), "a 2 "+strings.Repeat("z", 600_000), "a 3 pass=on")
	w.drain(h)
	if page := h.page(writerTable, "a"); len(page) != 2 || page[1] != "3 pass=on" {
		t.Errorf("page a has %d lines", len(page))
	}
	var letters []*schemas.DeadLetter
	for _, record := range w.read(topologies.DeadLetters("writer").Name) {
		letter, err := schemas.DeadLetterCodec.Decode(record.Value)
		if err != nil {
			t.Fatal(err)
		}
		letters = append(letters, letter)
	}
	if len(letters) != 2 || letters[0].Reason != "kairos-writer-too-large" || letters[1].Reason != "kairos-writer-row-too-large" {
		t.Fatalf("%d letters", len(letters))
	}
	if !bytes.Equal(letters[0].Value, large) || letters[1].Offset != 2 {
		t.Errorf("the letters do not hold the originals: %d bytes, offset %d", len(letters[0].Value), letters[1].Offset)
	}
}

// DESIGN, non-obvious 10.
func TestPartitionsAreWhatForeignProducersBelieve(t *testing.T) {
	// From Kafka's own tests of murmur2: key, hash; the partition is the hash
	// without its sign bit, modulo the number of partitions.
	for key, hash := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
	} {
		w := newWorld(t, toys(7, true))
		h := w.start(w.config("writer"))
		w.write(key+" 1 say=x tell="+key+":again", key+" 2 pass=y")
		w.drain(h)
		want := hash & 0x7fffffff % 7
		for _, topic := range []string{said.Name, loop.Name, writerTable.Name, readerTable.Name, echoes.Name} {
			found := false
			for _, record := range w.read(topic) {
				if strings.HasPrefix(string(record.Key), key) {
					found = true
					if record.Partition != want {
						t.Errorf("%s: key %s lies in partition %d, want %d", topic, record.Key, record.Partition, want)
					}
				}
			}
			if !found {
				t.Errorf("%s holds nothing of %s", topic, key)
			}
		}
		h.mustEnd()
	}
}
