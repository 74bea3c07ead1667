package host_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kairos/processors/host"
	"kairos/schemas"
	"kairos/topologies"
)

func (w *world) growing(partitions int32) host.Growing {
	g := host.DefaultGrowing()
	g.Kafka, g.Topology, g.Partitions, g.Patience, g.Longest = w.kafka, w.topology, partitions, 0, time.Minute
	return g
}

// grow grows the world and makes it count.
func (w *world) grow(partitions int32) host.Grown {
	w.t.Helper()
	grown, err := host.Grow(w.ctx(), w.growing(partitions))
	if err != nil {
		w.t.Fatal(err)
	}
	w.topology = toys(partitions, true)
	return grown
}

// tickDoor ticks in as many partitions as the door has kept.
func (w *world) tickDoor(partitions int32, t schemas.Instant) {
	w.t.Helper()
	now := w.topology
	w.topology = toys(partitions, true)
	w.tick(t)
	w.topology = now
}

// withoutPlaces forgets through which topic and at which offset a letter came.
func withoutPlaces(outcome map[string][]string) map[string][]string {
	for what, lines := range outcome {
		if strings.HasPrefix(what, "letters") {
			for i, line := range lines {
				lines[i] = line[strings.LastIndex(line, " ")+1:]
			}
			slices.Sort(lines)
		}
	}
	return outcome
}

func TestAGrowthDoesNotShow(t *testing.T) {
	random := seed(t)
	s := tellStory(random, 8, 40)
	want := withoutPlaces(newWorld(t, toys(2, true)).play(s))
	w := newWorld(t, toys(2, true))
	kept := &host.Kept{}
	begin := func() *running {
		c := w.config("writer")
		if random.IntN(2) == 0 {
			c.Kept = kept
		}
		if random.IntN(2) == 0 {
			c.StateDir = t.TempDir()
		}
		return w.start(c)
	}
	h := begin()
	for i, c := range s {
		w.write(c.lines...)
		if partitions := []int32{0, 4, 12, 0, 4, 2, 6, 2}[i]; partitions != 0 { // with everything under way
			polite := random.IntN(2) == 0
			if polite {
				h.mustEnd()
			}
			w.grow(partitions)
			if !polite { // nothing was said to the host
				if err := <-h.done; !errors.Is(err, host.ErrResized) {
					t.Fatalf("the host ended with %v", err)
				}
				h.done <- nil
			}
			h = begin()
		}
		w.tickDoor(2, c.tick)
		w.drain(h)
	}
	h.mustEnd()
	equalOutcomes(t, withoutPlaces(w.outcome()), want)
}

// What a host takes over in memory is what it would have read.
func TestRowsThatAreKeptAreThoseOfTheTables(t *testing.T) {
	random := seed(t)
	s := tellStory(random, 6, 40)
	w := newWorld(t, toys(2, true))
	details, err := w.admin.ListTopics(w.ctx(), writerTable.Name)
	if err != nil {
		t.Fatal(err)
	}
	id := details[writerTable.Name].ID
	var inhabited atomic.Pointer[map[int32]bool] // partitions of the table that have rows
	var fromStart atomic.Int64                   // how often such a one was read from its first record
	w.broker.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		w.broker.KeepControl()
		for _, topic := range req.(*kmsg.FetchRequest).Topics {
			for _, p := range topic.Partitions {
				if rows := inhabited.Load(); rows != nil && (topic.TopicID == id || topic.Topic == writerTable.Name) && p.FetchOffset == 0 && (*rows)[p.Partition] {
					fromStart.Add(1)
				}
			}
		}
		return nil, nil, false
	})
	c := w.config("writer")
	c.Kept, c.StateDir = &host.Kept{}, t.TempDir()
	h := w.start(c)
	for i, chapter := range s {
		w.write(chapter.lines...)
		w.tickDoor(2, chapter.tick)
		if i%2 == 0 {
			w.drain(h)
		}
		h.mustEnd()
		if partitions := []int32{4, 12, 12, 4, 2, 2}[i]; partitions != w.topology.Config.Partitions {
			w.grow(partitions)
		}
		c.Group, c.Topology, c.Runner = w.group("writer"), w.topology, runnerOf(w.group("writer"))
		inhabited.Store(nil)
		rows := map[int32]bool{}
		for key := range w.pages(writerTable) {
			rows[host.PartitionOf(key, w.topology.Config.Partitions)] = true
		}
		inhabited.Store(&rows)
		h = w.start(c)
		w.awaitOwned(h, int(w.topology.Config.Partitions))
		inhabited.Store(nil)
		if n := fromStart.Load(); n != 0 {
			t.Errorf("chapter %d: with %d partitions tables were read from their start %d times", i, w.topology.Config.Partitions, n)
		}
		w.drain(h)
		sameRows(t, h, writerTable, w.pages(writerTable))
		sameRows(t, h, readerTable, w.pages(readerTable))
	}
	h.mustEnd()
	c.Kept = nil
	h = w.start(c) // from what is on disk, and the tables
	w.drainOwned(h, 2)
	sameRows(t, h, writerTable, w.pages(writerTable))
	sameRows(t, h, readerTable, w.pages(readerTable))
	h.mustEnd()
}

// sameRows compares a host's rows with what the table's topic holds.
func sameRows(t *testing.T, h *running, table topologies.Table[page], want map[string][]string) {
	t.Helper()
	got := map[string][]string{}
	if err := h.Scan(table.Name, "", func(key string, row []byte) bool {
		p, err := table.Codec.Decode(row)
		if err != nil {
			t.Fatal(err)
		}
		got[key] = p.Lines
		return true
	}); err != nil {
		t.Fatal(err)
	}
	for key, lines := range want {
		equal(t, table.Name+" "+key, got[key], lines)
	}
	if len(got) != len(want) || len(want) == 0 {
		t.Errorf("%s has %d rows, its topic %d", table.Name, len(got), len(want))
	}
}

// growthFaults are what may go wrong between a growth and its brokers.
var growthFaults = []kfake.Fault{
	{Keys: []kmsg.Key{kmsg.Produce}, Topic: "toys.reader-table", Err: kerr.InvalidRecord},
	{Keys: []kmsg.Key{kmsg.Produce}, Topic: "toys.writer-table", Err: kerr.InvalidProducerEpoch},
	{Keys: []kmsg.Key{kmsg.Produce}, Topic: topologies.Growths.Name, Err: kerr.InvalidRecord},
	{Keys: []kmsg.Key{kmsg.CreatePartitions}, Topic: "toys.writer-loop", Err: kerr.PolicyViolation},
	{Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.UnknownServerError},
	{Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.ProducerFenced},
}

func TestAGrowthThatFailsAnywhereIsDoneAgainOrUndone(t *testing.T) {
	for i, fault := range growthFaults {
		for _, sizes := range [][2]int32{{2, 6}, {6, 2}} {
			if sizes[1] < sizes[0] && slices.Contains(fault.Keys, kmsg.CreatePartitions) {
				continue // none are made
			}
			t.Run(fmt.Sprintf("%d %v from %d to %d", i, fault.Err, sizes[0], sizes[1]), func(t *testing.T) {
				failingGrowth(t, fault, sizes[0], sizes[1])
			})
		}
	}
}

func failingGrowth(t *testing.T, fault kfake.Fault, from, to int32) {
	random := seed(t)
	s := tellStory(random, 3, 30)
	want := withoutPlaces(newWorld(t, toys(2, true)).play(s))
	w := newWorld(t, toys(2, true))
	if from != 2 {
		w.grow(from)
	}
	h := w.start(w.config("writer"))
	w.write(s[0].lines...)
	w.tickDoor(2, s[0].tick)
	w.drain(h)
	w.write(s[1].lines...)
	h.mustEnd() // in the middle
	w.broker.Fault(fault)
	_, err := host.Grow(w.ctx(), w.growing(to))
	abort, again := random.IntN(2) == 0, random.IntN(2) == 0
	var refused *host.GrowthError // nothing had begun, or all was done
	if abort {
		if err := host.AbortGrowth(w.ctx(), w.growing(to)); err != nil && !errors.As(err, &refused) {
			t.Fatal(err)
		}
	}
	if again || err != nil && !abort {
		if _, err := host.Grow(w.ctx(), w.growing(to)); err != nil && !errors.As(err, &refused) {
			t.Fatal(err)
		}
	}
	grown, err := host.ReadGrowth(w.ctx(), w.kafka)
	if err != nil {
		t.Fatal(err)
	}
	if grown.Counted() == to {
		w.topology = toys(to, true)
	}
	h = w.start(w.config("writer"))
	w.tickDoor(2, s[1].tick)
	w.drain(h)
	w.write(s[2].lines...)
	w.tickDoor(2, s[2].tick)
	w.drain(h)
	h.mustEnd()
	equalOutcomes(t, withoutPlaces(w.outcome()), want)
}

// fillSixty gives sixty keys a row in each of two tables.
func (w *world) fillSixty() {
	w.t.Helper()
	h := w.start(w.config("writer"))
	var lines []string
	for n := range 60 {
		lines = append(lines, fmt.Sprintf("k%d 1 pass=x", n))
	}
	w.write(lines...)
	w.drain(h)
	h.mustEnd()
}

func TestPartitionsThatDoNotCountAnyMoreAreEmpty(t *testing.T) {
	w := newWorld(t, toys(2, true))
	w.grow(6)
	w.fillSixty()
	grown := w.grow(2)
	if grown.Rows < 20 {
		t.Errorf("of 120 rows %d moved", grown.Rows)
	}
	w.topology = toys(6, true) // to read all of it
	held := map[string]map[int32]bool{}
	for _, table := range []string{writerTable.Name, readerTable.Name} {
		for _, r := range w.read(table) {
			key := table + " " + string(r.Key)
			if held[key] == nil {
				held[key] = map[int32]bool{}
			}
			held[key][r.Partition] = r.Value != nil
		}
	}
	if len(held) < 120 {
		t.Errorf("%d keys of two tables, of 60", len(held))
	}
	for key, numbers := range held {
		for number, there := range numbers {
			if there && number >= 2 {
				t.Errorf("%q is in partition %d, which does not count", key, number)
			}
		}
	}
}

func TestRowsOfOldPartitionsGoWhenTheyHaveMoved(t *testing.T) {
	w := newWorld(t, toys(2, true))
	w.fillSixty()
	grown := w.grow(6)
	held := map[string]map[int32]bool{}
	for _, r := range w.read(writerTable.Name) {
		key := string(r.Key)
		if held[key] == nil {
			held[key] = map[int32]bool{}
		}
		held[key][r.Partition] = r.Value != nil
	}
	moved := int64(0)
	for n := range 60 {
		key := fmt.Sprintf("k%d", n)
		for number, there := range held[key] {
			if home := host.PartitionOf(key, 6); there != (number == home) {
				t.Errorf("%s, at home in %d: a row in partition %d: %v", key, home, number, there)
			}
		}
		if host.PartitionOf(key, 6) != host.PartitionOf(key, 2) {
			moved++
		}
	}
	if grown.Rows != 2*moved || moved == 0 {
		t.Errorf("%d rows of two tables moved, of %d keys", grown.Rows, moved)
	}
}

// DESIGN, non-obvious 29.
func TestWhatIsUnderWayToAKeyThatComesHomeIsReadBeforeTheDoor(t *testing.T) {
	w := newWorld(t, toys(2, true))
	w.grow(6)
	var sentOn []*kgo.Record
	var lines []string
	for n := range 30 {
		key := fmt.Sprintf("k%d", n)
		for _, r := range w.records(key + " 1 first") { // as the host of the door's partition has sent it
			r.Topic, r.Partition = loop.Name, host.PartitionOf(key, 6)
			sentOn = append(sentOn, r)
		}
		lines = append(lines, key+" 2 second")
	}
	client, err := kgo.NewClient(append(slices.Clone(w.kafka), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(w.ctx(), sentOn...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	w.write(lines...)
	w.grow(2)
	h := w.start(w.config("writer"))
	w.drain(h)
	for n := range 30 {
		key := fmt.Sprintf("k%d", n)
		equal(t, key, h.page(writerTable, key), []string{"1 first", "2 second"})
	}
	h.mustEnd()
}

func TestAGrowthThatCannotBeIsRefused(t *testing.T) {
	w := newWorld(t, toys(4, true))
	for partitions, why := range map[int32]string{2: "keeps its 4 partitions", 3: "one of [1 2]", 4: "is what the topology has", 6: "no multiple"} {
		var refused *host.GrowthError
		if _, err := host.Grow(w.ctx(), w.growing(partitions)); !errors.As(err, &refused) || !strings.Contains(err.Error(), why) {
			t.Errorf("to %d: %v", partitions, err)
		}
	}
	if err := host.AbortGrowth(w.ctx(), w.growing(8)); err == nil {
		t.Error("a growth was aborted that nobody had begun")
	}
	w.grow(8)
	w.topology = toys(4, true)
	h := w.start(w.config("writer"))
	if err := <-h.done; !errors.Is(err, host.ErrResized) {
		t.Errorf("a host for 4 of 8 partitions ended with %v", err)
	}
	h.done <- nil
}

func TestAnUndoneGrowthLeavesNoCopies(t *testing.T) {
	w := newWorld(t, toys(2, true))
	h := w.start(w.config("writer"))
	var lines []string
	for n := range 40 {
		lines = append(lines, fmt.Sprintf("k%d 1 pass=x", n))
	}
	w.write(lines...)
	w.drain(h)
	h.mustEnd()
	w.broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.UnknownServerError, Count: -1})
	ctx, cancel := context.WithTimeout(w.ctx(), 2*time.Second)
	defer cancel()
	if _, err := host.Grow(ctx, w.growing(6)); err == nil {
		t.Fatal("it grew without offsets")
	}
	copies := func() (there int) {
		w.topology = toys(6, true)
		defer func() { w.topology = toys(2, true) }()
		held := map[string]bool{}
		for _, r := range w.read(writerTable.Name) {
			if r.Partition >= 2 {
				held[string(r.Key)] = r.Value != nil
			}
		}
		for _, row := range held {
			if row {
				there++
			}
		}
		return there
	}
	if copies() == 0 {
		t.Fatal("nothing had been copied ahead: the test tests nothing")
	}
	if err := host.AbortGrowth(w.ctx(), w.growing(6)); err != nil {
		t.Fatal(err)
	}
	if n := copies(); n != 0 {
		t.Errorf("%d copies are left", n)
	}
}
