package rig

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/loadtest/population"
	"kairos/schemas"
	"kairos/topologies"
)

// echo stands in for kairos: it answers beacons with transitions.
func echo(ctx context.Context, t *testing.T, brokers string, answer func(n int, e *schemas.Event) []*schemas.Transition) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.ConsumeTopics(topologies.Events.Name),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.ProducerLinger(0))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { client.Close(); <-done })
	go func() {
		defer close(done)
		n := 0
		for {
			fetches := client.PollFetches(ctx)
			if fetches.IsClientClosed() || ctx.Err() != nil {
				return
			}
			fetches.EachRecord(func(r *kgo.Record) {
				e, err := topologies.Events.Codec.Decode(r.Value)
				if err != nil {
					t.Error(err)
					return
				}
				if e.Name != "beacon" {
					return
				}
				for _, x := range answer(n, e) {
					value, err := topologies.Transitions.Codec.Append(nil, x)
					if err != nil {
						t.Error(err)
						return
					}
					client.Produce(ctx, &kgo.Record{Topic: topologies.Transitions.Name, Key: r.Key, Value: value}, nil)
				}
				n++
			})
		}
	}()
}

func answered(e *schemas.Event) *schemas.Transition {
	return &schemas.Transition{Person: "somebody", Audience: beacon, Entered: e.Attributes.Get("beacon").True(), EventID: e.ID}
}

// echoWorld is a world without kairos, on a broker in this process.
func echoWorld(t *testing.T, answer func(n int, e *schemas.Event) []*schemas.Transition) *World {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, topologies.Events.Name, topologies.Transitions.Name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	people, err := population.New(100, 1)
	if err != nil {
		t.Fatal(err)
	}
	w := &World{Config: Config{People: 100, Patience: time.Minute}, on: make([]bool, 100), people: people, brokerPID: os.Getpid()}
	brokers := strings.Join(cluster.ListenAddrs(), ",")
	if err := w.connect(t.Context(), brokers); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	echo(t.Context(), t, brokers, answer)
	return w
}

func TestAnEchoIsQuickAndEveryBeaconIsTimed(t *testing.T) {
	w := echoWorld(t, func(_ int, e *schemas.Event) []*schemas.Transition { return []*schemas.Transition{answered(e)} })
	got, err := w.KeepUp(t.Context(), 1000, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if got.Beacons != 200 || got.P50 <= 0 || got.P50 > got.P99 || got.P99 > got.P999 || got.P999 > got.Max {
		t.Errorf("got %+v", got)
	}
}

func TestABeaconThatIsAnsweredTwiceIsAnError(t *testing.T) {
	w := echoWorld(t, func(_ int, e *schemas.Event) []*schemas.Transition {
		return []*schemas.Transition{answered(e), answered(e)}
	})
	if _, err := w.KeepUp(t.Context(), 1000, time.Second); err == nil || !strings.Contains(err.Error(), "comes twice") {
		t.Errorf("got %v", err)
	}
}

func TestABeaconThatIsNeverAnsweredIsAnError(t *testing.T) {
	w := echoWorld(t, func(n int, e *schemas.Event) []*schemas.Transition {
		if n == 7 {
			return nil
		}
		return []*schemas.Transition{answered(e)}
	})
	ids, err := w.lightMany(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.watcher.await(t.Context(), ids[:5]); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := w.watcher.await(ctx, ids); err == nil || !strings.Contains(err.Error(), "not seen") {
		t.Errorf("got %v", err)
	}
}

func TestPercentilesAreNearestRanks(t *testing.T) {
	var took []time.Duration
	for i := range 1000 {
		took = append(took, time.Duration(i+1)*time.Millisecond)
	}
	for _, c := range []struct{ p, want float64 }{{0.5, 500}, {0.99, 990}, {0.999, 999}, {1, 1000}} {
		if got := Percentile(took, c.p); got != c.want {
			t.Errorf("p%v is %v, want %v", c.p*100, got, c.want)
		}
	}
}

func TestUsageOfThisProcessGrows(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("needs Linux's /proc")
	}
	before, err := UsageOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for {
		after, err := UsageOf(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if used := after.Since(before); used.CPU > 0 {
			return
		}
	}
}

func TestWhatCannotBeOpenedIsAnErrorAndLeavesNothing(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	t.Setenv("PATH", "") // kairos cannot be built
	if _, err := Open(t.Context(), Config{People: closers, Partitions: 4}); err == nil {
		t.Error("it is open")
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

func TestPartitionsAreInBalanceWhenAllAreHeldEvenly(t *testing.T) {
	groups := []topologies.Group{{Name: "identity"}, {Name: "person"}}
	held := func(processes []string, owners ...string) Holdings {
		h := Holdings{Processes: processes, Held: map[Place]Holding{}}
		for n, name := range owners {
			for _, g := range groups {
				if name != "" {
					h.Held[Place{g.Name, int32(n)}] = Holding{name, 10}
				}
			}
		}
		return h
	}
	two := []string{"a", "b"}
	for _, c := range []struct {
		what string
		held Holdings
		ok   bool
	}{
		{"three and two", held(two, "a", "b", "a", "b", "a"), true},
		{"all with one of one", held(two[:1], "a", "a", "a", "a", "a"), true},
		{"none with who has just come", held(two, "a", "a", "a", "a", "a"), false},
		{"four and one", held(two, "a", "a", "a", "a", "b"), false},
		{"one with nobody", held(two, "a", "b", "a", "b", ""), false},
	} {
		if why := c.held.imbalance(groups, 5); (why == "") != c.ok {
			t.Errorf("%s: %q", c.what, why)
		}
	}
	before, now := held(two, "a", "a", "a", "b", "b"), held(two, "a", "a", "b", "b", "a")
	if moved := now.Moved(before); moved != 4 {
		t.Errorf("%d partitions of two groups moved", moved)
	}
	if rows := now.Rows(); rows != 100 {
		t.Errorf("%d rows", rows)
	}
}
