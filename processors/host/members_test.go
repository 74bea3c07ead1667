package host_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

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
