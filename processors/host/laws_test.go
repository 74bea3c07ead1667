package host_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
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

// story is a random log: lines to write, with ticks between them.
type story []chapter

type chapter struct {
	lines []string
	tick  schemas.Instant
}

// tellStory makes a story. What goes through the loop arrives in no certain
// order, so it goes to keys of its own, z0 to z4.
func tellStory(random *rand.Rand, chapters, lines int) story {
	var s story
	at := 0
	for range chapters {
		var c chapter
		for range lines {
			at++
			words := []string{fmt.Sprintf("k%d %d", random.IntN(15), at)}
			for range 1 + random.IntN(3) {
				words = append(words, []string{
					"hello", fmt.Sprintf("pass=p%d", at), fmt.Sprintf("say=s%d", at), fmt.Sprintf("wake=+%d", 1+random.IntN(30)),
					fmt.Sprintf("then:pass=w%d", at), "panic", "refuse", "drop", fmt.Sprintf("tell=z%d:say=t%d", random.IntN(5), at),
				}[random.IntN(9)])
			}
			c.lines = append(c.lines, strings.Join(words, " "))
		}
		c.tick = schemas.Instant(at)
		s = append(s, c)
	}
	return s
}

// outcome is all that a story leaves: tables, and streams by key in order.
func (w *world) outcome() map[string][]string {
	all := map[string][]string{}
	add := func(what string, shown map[string][]string) {
		for key, lines := range shown {
			all[what+" "+key] = lines
		}
	}
	add("writer", w.pages(writerTable))
	add("reader", w.pages(readerTable))
	add("said", w.notesOf(said.Name))
	add("echoes", w.notesOf(echoes.Name))
	for _, record := range w.read(topologies.DeadLetters("writer").Name) {
		letter, err := schemas.DeadLetterCodec.Decode(record.Value)
		if err != nil {
			w.t.Fatal(err)
		}
		all["letters "+string(letter.Key)] = append(all["letters "+string(letter.Key)], fmt.Sprintf("%s/%d %d %s", letter.Topic, letter.Partition, letter.Offset, letter.Reason))
	}
	for what, lines := range all {
		_, key, _ := strings.Cut(what, " ")
		if strings.HasPrefix(key, "z") { // in no certain order, and the row's time with it
			for i, line := range lines {
				_, lines[i], _ = strings.Cut(line, " ")
			}
			slices.Sort(lines)
		}
	}
	return all
}

func equalOutcomes(t testing.TB, got, want map[string][]string) {
	t.Helper()
	if len(want) < 20 {
		t.Fatalf("the story leaves next to nothing: %v", want)
	}
	for _, what := range slices.Sorted(maps.Keys(want)) {
		equal(t, what, got[what], want[what])
	}
	for what := range got {
		if _, ok := want[what]; !ok {
			t.Errorf("%s: %q where there should be nothing", what, got[what])
		}
	}
}

// play runs a story to its end with hosts that nothing disturbs.
func (w *world) play(s story) map[string][]string {
	w.t.Helper()
	var hosts []*running
	for _, g := range w.topology.Groups {
		hosts = append(hosts, w.start(w.config(g.Stages[0].Word)))
	}
	for _, c := range s {
		w.write(c.lines...)
		w.tick(c.tick)
		w.drain(hosts...)
	}
	for _, h := range hosts {
		h.mustEnd()
	}
	return w.outcome()
}

func TestTheSameLogGivesTheSameOutcome(t *testing.T) {
	s := tellStory(seed(t), 6, 40)
	first := newWorld(t, toys(3, true)).play(s)
	equalOutcomes(t, newWorld(t, toys(3, true)).play(s), first)
}

func TestChainedAndSeparateStagesComeOutAlike(t *testing.T) {
	s := tellStory(seed(t), 6, 40)
	chained := newWorld(t, toys(3, true)).play(s)
	equalOutcomes(t, newWorld(t, toys(3, false)).play(s), chained)
}

func TestTheNumberOfPartitionsDoesNotShow(t *testing.T) {
	s := tellStory(seed(t), 6, 40)
	withoutPlaces := func(outcome map[string][]string) map[string][]string {
		for what, lines := range outcome {
			if strings.HasPrefix(what, "letters") {
				for i, line := range lines {
					_, lines[i], _ = strings.Cut(line, " ")
					_, lines[i], _ = strings.Cut(lines[i], " ")
				}
				slices.Sort(lines)
			}
		}
		return outcome
	}
	one := withoutPlaces(newWorld(t, toys(1, true)).play(s))
	equalOutcomes(t, withoutPlaces(newWorld(t, toys(5, true)).play(s)), one)
}

// DESIGN, non-obvious 4 to 7.
func TestRestartsAndFaultsAnywhereDoNotShow(t *testing.T) {
	random := seed(t)
	s := tellStory(random, 8, 40)
	want := newWorld(t, toys(3, true)).play(s)
	w := newWorld(t, toys(3, true))
	c := w.config("writer")
	c.TransactionTimeout, c.SessionTimeout, c.BatchRecords = 2*time.Second, 6*time.Second, 10
	var h *running
	begin := func() {
		c.InstanceID, c.StateDir, c.Producers = "one", "", 1+random.IntN(6)
		if random.IntN(2) == 0 {
			c.StateDir = t.TempDir()
		}
		h = w.start(c)
	}
	begin()
	for _, chapter := range s {
		for _, line := range chapter.lines {
			w.write(line)
			switch random.IntN(12) {
			case 0:
				w.broker.Fault(faults[random.IntN(len(faults))])
			case 1:
				h.mustEnd()
				begin()
			}
		}
		w.tick(chapter.tick)
		w.drain(h)
	}
	h.mustEnd()
	equalOutcomes(t, w.outcome(), want)
}

// faults are what may go wrong between a host and its brokers at any time.
var faults = []kfake.Fault{
	{Keys: []kmsg.Key{kmsg.Produce}, Topic: "toys.said", Err: kerr.InvalidRecord},
	{Keys: []kmsg.Key{kmsg.Produce}, Topic: "toys.reader-table", Err: kerr.InvalidRecord},
	{Keys: []kmsg.Key{kmsg.Produce}, Topic: "toys.writer-loop", Err: kerr.InvalidProducerEpoch},
	{Keys: []kmsg.Key{kmsg.Produce}, Topic: "toys.writer-table", Err: kerr.NotLeaderForPartition},
	{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.RebalanceInProgress},
	{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.CoordinatorLoadInProgress},
	{Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.UnknownServerError},
	{Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.TransactionAbortable},
	{Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.ProducerFenced},
	{Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.NotCoordinator},
}

func TestAMassOfWakesRunsInOrderAndInChunks(t *testing.T) {
	w := newWorld(t, toys(1, true))
	c := w.config("writer")
	c.WakeChunk = 7
	h := w.start(c)
	var lines, want []string
	for n := range 40 {
		lines = append(lines, fmt.Sprintf("k%02d 1 wake=20", n))
		want = append(want, fmt.Sprintf("k%02d 20", n))
	}
	lines = append(lines, "late 1 wake=21", "early 1 wake=19 then:wake=20", "k17 2 nothing,new")
	want = slices.Concat([]string{"early 19"}, want, []string{"late 21"})
	want = slices.Insert(want, slices.Index(want, "k00 20"), "early 20")
	w.write(lines...)
	w.tick(30)
	w.drain(h)
	var got []string
	for _, record := range w.read(said.Name) {
		n, err := noteCodec.Decode(record.Value)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %d", record.Key, n.Time))
	}
	// The second wake of "early" comes into being with the first chunk, so it
	// runs with the second one; all others are in order of time, then key.
	early := slices.Index(got, "early 20")
	if early < 0 {
		t.Fatalf("the second wake of early did not run: %q", got)
	}
	equal(t, "order", slices.Delete(got, early, early+1), slices.Delete(want, 1, 2))
}

// DESIGN, non-obvious 12.
func TestASweepGoesOnAfterARestartAndVisitsEachRowOnce(t *testing.T) {
	w := newWorld(t, toys(2, true))
	c := w.config("writer")
	c.SweepChunk, c.InstanceID = 3, "one"
	h := w.start(c)
	var lines []string
	for n := range 60 {
		lines = append(lines, fmt.Sprintf("k%d 1 hello", n))
	}
	w.write(lines...)
	w.drain(h)
	redefine := func(rules int64) {
		t.Helper()
		if err := h.Redefine(runnerOf(c.Group), rules, "writer"); err != nil {
			t.Fatal(err)
		}
	}
	redefine(7)
	for restarts := 0; ; {
		changed := h.Changed()
		var done, total int64
		for _, p := range h.Status().Partitions {
			for _, s := range p.Sweeps {
				done, total = done+s.Done, total+s.Total
			}
		}
		if done > int64(10*(restarts+1)) && restarts < 3 {
			restarts++
			h.mustEnd()
			h = w.start(c)
			redefine(7) // as whoever starts a host does, who cannot know how far sweeps are
			continue
		}
		if total == 60 && done == 60 && restarts > 0 {
			break
		}
		<-changed
	}
	w.drain(h)
	for n := range 60 {
		key := fmt.Sprintf("k%d", n)
		equal(t, "page "+key, h.page(writerTable, key), []string{"1 hello", "1 swept"})
	}
	redefine(8)
	w.drain(h)
	equal(t, "page k0 under other rules", h.page(writerTable, "k0"), []string{"1 hello", "1 swept", "1 swept"})
}

func TestASweepThatIsAskedForBeforePartitionsComeVisitsThemToo(t *testing.T) {
	w := newWorld(t, toys(2, true))
	h := w.start(w.config("writer"))
	w.write("a 1 one", "b 1 one", "c 1 one")
	w.drain(h)
	h.mustEnd()
	c := w.config("writer")
	again, err := host.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Redefine(runnerOf(c.Group), 0, "writer"); err != nil {
		t.Fatal(err)
	}
	h = w.run(again)
	w.drainOwned(h, 2)
	for _, key := range []string{"a", "b", "c"} {
		equal(t, "page "+key, h.page(writerTable, key), []string{"1 one", "1 swept"})
	}
	if err := h.Redefine(runnerOf(c.Group), 0, "nobody"); err == nil {
		t.Error("a stage that is not there was to be swept")
	}
}

func TestTwoHostsShareThePartitionsAndOneGoesOnAlone(t *testing.T) {
	w := newWorld(t, toys(4, true))
	first := w.start(w.config("writer"))
	w.write("a 1 one", "b 1 one", "c 1 one", "d 1 one", "e 1 one", "f 1 one")
	w.drain(first)
	began := time.Now()
	second := w.start(w.config("writer"))
	w.awaitOwned(second, 2)
	w.awaitOwned(first, 2)
	w.write("a 2 two", "b 2 two", "c 2 two", "d 2 two", "e 2 two", "f 2 two")
	w.drain(first, second)
	kept := numbers(first)
	second.mustEnd()
	w.write("a 3 three", "b 3 three", "c 3 three", "d 3 three", "e 3 three", "f 3 three")
	w.drainOwned(first, 4)
	for _, number := range kept {
		if !slices.Contains(numbers(first), number) {
			t.Errorf("partition %d moved without need", number)
		}
	}
	for _, key := range strings.Fields("a b c d e f") {
		equal(t, "page "+key, first.page(writerTable, key), []string{"1 one", "2 two", "3 three"})
	}
	// Goka would sleep five seconds in each of the generations that came to pass.
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("three generations took %v", took)
	}
}

func numbers(h *running) []int32 {
	var all []int32
	for _, p := range h.Status().Partitions {
		all = append(all, p.Number)
	}
	return all
}
