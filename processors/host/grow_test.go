package host_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
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
	h := w.start(w.config("writer"))
	for i, c := range s {
		w.write(c.lines...)
		switch i {
		case 2: // with everything under way, and nothing said to the host
			w.grow(4)
			if err := <-h.done; !errors.Is(err, host.ErrResized) {
				t.Fatalf("the host ended with %v", err)
			}
			h.done <- nil
			h = w.start(w.config("writer"))
		case 5:
			h.mustEnd()
			w.grow(12)
			h = w.start(w.config("writer"))
		}
		w.tickDoor(2, c.tick)
		w.drain(h)
	}
	h.mustEnd()
	equalOutcomes(t, withoutPlaces(w.outcome()), want)
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
		t.Run(fmt.Sprint(i, " ", fault.Err), func(t *testing.T) {
			random := seed(t)
			s := tellStory(random, 3, 30)
			want := withoutPlaces(newWorld(t, toys(2, true)).play(s))
			w := newWorld(t, toys(2, true))
			h := w.start(w.config("writer"))
			w.write(s[0].lines...)
			w.tickDoor(2, s[0].tick)
			w.drain(h)
			w.write(s[1].lines...)
			h.mustEnd() // in the middle
			w.broker.Fault(fault)
			_, err := host.Grow(w.ctx(), w.growing(6))
			abort, again := random.IntN(2) == 0, random.IntN(2) == 0
			var refused *host.GrowthError // nothing had begun, or all was done
			if abort {
				if err := host.AbortGrowth(w.ctx(), w.growing(6)); err != nil && !errors.As(err, &refused) {
					t.Fatal(err)
				}
			}
			if again || err != nil && !abort {
				if _, err := host.Grow(w.ctx(), w.growing(6)); err != nil && !errors.As(err, &refused) {
					t.Fatal(err)
				}
			}
			grown, err := host.ReadGrowth(w.ctx(), w.kafka)
			if err != nil {
				t.Fatal(err)
			}
			if grown.Counted() == 6 {
				w.topology = toys(6, true)
			}
			h = w.start(w.config("writer"))
			w.tickDoor(2, s[1].tick)
			w.drain(h)
			w.write(s[2].lines...)
			w.tickDoor(2, s[2].tick)
			w.drain(h)
			h.mustEnd()
			equalOutcomes(t, withoutPlaces(w.outcome()), want)
		})
	}
}

func TestRowsOfOldPartitionsGoWhenTheyHaveMoved(t *testing.T) {
	w := newWorld(t, toys(2, true))
	h := w.start(w.config("writer"))
	var lines []string
	for n := range 60 {
		lines = append(lines, fmt.Sprintf("k%d 1 pass=x", n))
	}
	w.write(lines...)
	w.drain(h)
	h.mustEnd()
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

func TestAGrowthThatCannotBeIsRefused(t *testing.T) {
	w := newWorld(t, toys(4, true))
	for partitions, why := range map[int32]string{2: "takes none away", 4: "is what the topology has", 6: "no multiple"} {
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
