package host

import (
	"fmt"
	"slices"
	"testing"

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
			records, bytes := 100, 1000
			p.open()
			for _, m := range r.collectRecords(p, &records, &bytes) {
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

func polled(topic string, offset int64) kgo.Fetches {
	return kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: topic, Partitions: []kgo.FetchPartition{{
		Records: []*kgo.Record{{Topic: topic, Offset: offset, Key: []byte("k"), Value: []byte("v")}},
	}}}}}}
}
