package host_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kairos/processors/host"
)

func TestASecondHostWithTheSameInstanceIDTakesOver(t *testing.T) {
	w := newWorld(t, toys(2, true))
	c := w.config("writer")
	c.InstanceID, c.SessionTimeout = "one", 6*time.Second
	first := w.start(c)
	w.write("a 1 one")
	w.drain(first)
	second := w.start(c)
	w.drainOwned(second, 2)
	for n := range 20 {
		w.write(fmt.Sprintf("a %d say=x%d", n+2, n))
	}
	w.drain(second)
	if err := <-first.done; !errors.Is(err, host.ErrFenced) {
		t.Errorf("the first host ended with %v", err)
	}
	first.done <- nil
	if page := second.page(writerTable, "a"); len(page) != 21 {
		t.Errorf("page a: %q", page)
	}
	second.mustEnd()
}

// What a host leaves open that is killed holds up nobody until the broker ends
// it: the offsets of its partitions, and what is behind its rows in the tables,
// would be nobody's.
func TestWhoTakesOverEndsTheTransactionsOfTheDead(t *testing.T) {
	w := newWorld(t, toys(2, true))
	dead, err := kgo.NewClient(append(slices.Clone(w.kafka), kgo.TransactionalID("toys.chain-dead-0"), kgo.TransactionTimeout(10*time.Minute),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer dead.Close()
	if err := dead.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := dead.ProduceSync(w.ctx(), &kgo.Record{Topic: writerTable.Name, Key: []byte("a"), Value: []byte("never committed")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	h := w.start(w.config("writer"))
	w.awaitOwned(h, 2)
	w.write("a 1 one", "b 1 one")
	w.drain(h)
	equal(t, "a", h.page(writerTable, "a"), []string{"1 one"})
}

// Who comes to a group that works reads most rows before it asks for partitions.
func TestWhoJoinsHasReadItsRowsBeforeAnybodyWaitsForThem(t *testing.T) {
	w := newWorld(t, toys(4, true))
	live := func() host.Config {
		c := w.config("writer")
		c.Clock, c.TickEvery, c.TickGrace = host.Wall, 100*time.Millisecond, time.Millisecond
		return c
	}
	first := w.start(live())
	w.awaitOwned(first, 4)
	var lines []string
	for n := range 60 {
		lines = append(lines, fmt.Sprintf("k%d 1 pass=x", n))
	}
	w.write(lines...)
	for n := range 60 {
		w.awaitPage(first, writerTable, fmt.Sprintf("k%d", n), "1 pass=x")
	}
	details, err := w.admin.ListTopics(w.ctx(), writerTable.Name)
	if err != nil {
		t.Fatal(err)
	}
	id := details[writerTable.Name].ID
	var joined atomic.Bool
	var ahead, late atomic.Int64 // partitions read from their first record on, before and after it joined
	w.broker.ControlKey(int16(kmsg.JoinGroup), func(req kmsg.Request) (kmsg.Response, error, bool) {
		w.broker.KeepControl()
		if instance := req.(*kmsg.JoinGroupRequest).InstanceID; instance != nil && *instance == "second" {
			joined.Store(true)
		}
		return nil, nil, false
	})
	w.broker.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		w.broker.KeepControl()
		for _, topic := range req.(*kmsg.FetchRequest).Topics {
			for _, p := range topic.Partitions {
				if (topic.TopicID == id || topic.Topic == writerTable.Name) && p.FetchOffset == 0 {
					if joined.Load() {
						late.Add(1)
					} else {
						ahead.Add(1)
					}
				}
			}
		}
		return nil, nil, false
	})
	c := live()
	c.InstanceID = "second"
	c.TickEvery = 4 * time.Second // three of which it looks whether anybody works: longer than a busy machine stands still
	second := w.start(c)
	w.awaitOwned(second, 2)
	w.awaitOwned(first, 2)
	if ahead.Load() == 0 || late.Load() > 0 {
		t.Errorf("%d reads of whole partitions before it joined, %d after", ahead.Load(), late.Load())
	}
	there := 0
	for n := range 60 {
		for _, h := range []*running{first, second} {
			row, err := h.Row(writerTable.Name, fmt.Sprintf("k%d", n))
			if err == nil && row != nil {
				there++
			}
		}
	}
	if there != 60 {
		t.Errorf("%d rows of 60", there)
	}
}

func TestAStaticMemberThatRestartsMovesNothing(t *testing.T) {
	w := newWorld(t, toys(4, true))
	var configs []host.Config
	var hosts []*running
	for n := range 2 {
		c := w.config("writer")
		c.InstanceID, c.StateDir = fmt.Sprint("host", n), t.TempDir()
		configs = append(configs, c)
		hosts = append(hosts, w.start(c))
	}
	w.awaitOwned(hosts[0], 2)
	w.awaitOwned(hosts[1], 2)
	before := [][]int32{numbers(hosts[0]), numbers(hosts[1])}
	for n, c := range configs {
		w.write("a 1 one", "b 1 one", "c 1 one", "d 1 one")
		hosts[n].mustEnd()
		if other := numbers(hosts[1-n]); !slices.Equal(other, before[1-n]) {
			t.Errorf("while %d was away, the other had %v instead of %v", n, other, before[1-n])
		}
		hosts[n] = w.start(c)
		w.awaitOwned(hosts[n], 2)
		w.drain(hosts...)
		if after := numbers(hosts[n]); !slices.Equal(after, before[n]) {
			t.Errorf("host %d had %v, after its restart %v", n, before[n], after)
		}
	}
}

func TestARunThatCannotWorkSaysWhy(t *testing.T) {
	w := newWorld(t, toys(2, true))
	other := newWorld(t, toys(1, false)) // without the chain's topics as they must be
	c := w.config("writer")
	c.Kafka = other.kafka
	c.Topology = toys(2, true)
	if _, err := other.admin.DeleteTopics(other.ctx(), writerTable.Name); err != nil {
		t.Fatal(err)
	}
	h, err := host.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Run(w.ctx()); err == nil {
		t.Error("a host ran without its table")
	} else {
		t.Log(err)
	}
	if err := h.Run(w.ctx()); err == nil {
		t.Error("a host ran twice")
	}
	c.Producers = 0
	if _, err := host.New(c); err == nil {
		t.Error("a host without producers was made")
	}
}
