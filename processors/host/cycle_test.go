package host

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/schemas"
	"kairos/topologies"
)

// DESIGN, non-obvious 29.
func TestTheDoorWaitsForTheLoopAsFarAsItMust(t *testing.T) {
	for _, order := range [][]string{{"door", "loop"}, {"loop", "door"}} {
		r := &run{
			config: Config{Topology: &topologies.Topology{Config: topologies.Config{Partitions: 1}}},
			doors:  []string{"door"}, partitionsOf: map[string]int32{"door": 1}, looping: map[string]bool{"loop": true},
		}
		p := newPartition(0, []string{"table"})
		p.state.Behind = []schemas.Position{{Topic: "loop", Offset: 2}}
		r.owned = map[int32]*partition{0: p}
		var heard []string
		hear := func() {
			p.open()
			left := 1000
			for _, m := range r.collectRecords(p, 100, 1000, &left) {
				heard = append(heard, fmt.Sprint(m.Topic, m.Offset))
			}
		}
		for offset := range int64(3) {
			for _, topic := range order {
				r.take(polled(topic, offset))
				hear()
			}
		}
		if want := []string{"loop0", "loop1", "door0", "door1"}; !slices.Equal(heard[:4], want) || len(heard) != 6 || p.state.Behind != nil {
			t.Errorf("%v: heard %v, still behind %v", order, heard, p.state.Behind)
		}
	}
}

// After a restart the loop may be read already, and silent.
func TestTheDoorDoesNotWaitForWhatHasBeenRead(t *testing.T) {
	r := &run{
		config: Config{Topology: &topologies.Topology{Config: topologies.Config{Partitions: 1}}},
		doors:  []string{"door"}, partitionsOf: map[string]int32{"door": 1},
	}
	p := newPartition(0, []string{"table"})
	p.state.Behind = []schemas.Position{{Topic: "loop", Offset: 2}}
	p.next["loop"] = 2
	r.owned = map[int32]*partition{0: p}
	r.take(polled("door", 0))
	if len(p.inbox) != 1 || len(p.held) != 0 {
		t.Errorf("%d records are let in, %d wait", len(p.inbox), len(p.held))
	}
}

// DESIGN, non-obvious 36.
func TestABatchTakesAsMuchOfEachPartitionAsOfTheOthers(t *testing.T) {
	for _, c := range []struct{ waiting, taken []int }{
		{[]int{300, 400, 250, 900}, []int{25, 25, 25, 25}},
		{[]int{900, 0, 0, 0}, []int{100, 0, 0, 0}},
		{[]int{900, 3, 400, 0}, []int{48, 3, 48, 0}}, // the busy ones use what the others leave
		{[]int{9, 8, 7, 6}, []int{9, 8, 7, 6}},
		{[]int{50, 50, 0, 0}, []int{50, 50, 0, 0}},
	} {
		r := waitingRun(Config{BatchRecords: 100, BatchBytes: 1 << 20}, c.waiting)
		b := r.collect()
		for number, want := range c.taken {
			if got := len(b.messages[int32(number)]); got != want {
				t.Errorf("%v wait, of partition %d the batch takes %d, not %d", c.waiting, number, got, want)
			}
		}
	}
}

func TestABatchOfLargeRecordsIsBoundedAndEachPartitionHasItsTurn(t *testing.T) {
	const each, size = 3, 2 // a key and a value of a byte each
	for _, most := range []int{1, 4, 5} {
		r := waitingRun(Config{BatchRecords: 100, BatchBytes: most}, []int{each, each, each, each})
		taken := map[int32]int{}
		for batches := 0; r.countWaiting() > 0; batches++ {
			if batches > 4*each {
				t.Fatalf("%d bytes: batches take nothing", most)
			}
			b, bytes := r.collect(), 0
			for number, messages := range b.messages {
				bytes += size * len(messages)
				taken[number] += len(messages)
			}
			if bytes >= most+size {
				t.Errorf("%d bytes in a batch of %d", bytes, most)
			}
			if batches == 4 && slices.Contains([]int{taken[0], taken[1], taken[2], taken[3]}, 0) {
				t.Errorf("%d bytes: after some batches somebody had no turn: %v", most, taken)
			}
		}
	}
}

func TestABatchHasAsManyRecordsAsItsTimeAllows(t *testing.T) {
	for name, c := range map[string]struct {
		cost time.Duration
		want int
	}{
		"nothing is known of the cost":         {0, 1_000},
		"as many as half a second takes":       {50 * time.Microsecond, 10_000},
		"records that cost next to nothing":    {1, 40_000},
		"a record that costs more than it all": {time.Second, 1_000},
	} {
		r := &run{config: DefaultConfig(), cost: c.cost}
		if got := r.mostRecords(); got != c.want {
			t.Errorf("%s: %d records, want %d", name, got, c.want)
		}
	}
}

// waitingRun has partitions of which so many records wait.
func waitingRun(c Config, waiting []int) *run {
	c.Topology = &topologies.Topology{Config: topologies.Config{Partitions: int32(len(waiting))}}
	r := &run{config: c, host: &Host{}, owned: map[int32]*partition{}, partitionsOf: map[string]int32{"topic": int32(len(waiting))}}
	for number, n := range waiting {
		p := newPartition(int32(number), []string{"table"})
		p.timers = newTimers()
		for offset := range n {
			p.inbox = append(p.inbox, &kgo.Record{Topic: "topic", Offset: int64(offset), Key: []byte("k"), Value: []byte("v")})
		}
		r.owned[int32(number)] = p
	}
	return r
}

// DESIGN, non-obvious 40: what kgo does not accept would keep a host from starting.
func TestBrokersGatherForAsLongAsTheHostRests(t *testing.T) {
	for _, c := range []struct {
		clock Clock
		pace  time.Duration
		want  int
	}{
		{Wall, DefaultConfig().Pace, 2},
		{Wall, 0, 0},
		{Wall, time.Millisecond, 0},
		{Log, DefaultConfig().Pace, 0},
	} {
		opts := Config{Clock: c.clock, Pace: c.pace}.fetching()
		if len(opts) != c.want {
			t.Errorf("clock %v, pace %v: %d options, want %d", c.clock, c.pace, len(opts), c.want)
		}
		if err := kgo.ValidateOpts(append(opts, kgo.SeedBrokers("127.0.0.1:1"))...); err != nil {
			t.Errorf("clock %v, pace %v: %v", c.clock, c.pace, err)
		}
	}
}

func TestNothingIsPolledWhileEnoughWaits(t *testing.T) {
	r := &run{config: Config{BatchRecords: 2}, waiting: 2} // to poll without a client would panic
	if got := r.poll(t.Context()); got != nil {
		t.Errorf("polled %v", got)
	}
}

func polled(topic string, offset int64) kgo.Fetches {
	return kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: topic, Partitions: []kgo.FetchPartition{{
		Records: []*kgo.Record{{Topic: topic, Offset: offset, Key: []byte("k"), Value: []byte("v")}},
	}}}}}}
}
