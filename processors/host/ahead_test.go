package host

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
)

func TestWhoCommitsForTheFirstTimeIsAtWorkToo(t *testing.T) {
	committed := func(topic string, number int32, at int64) kadm.OffsetResponses {
		return kadm.OffsetResponses{topic: {number: {Offset: kadm.Offset{Topic: topic, Partition: number, At: at}}}}
	}
	for _, c := range []struct {
		name        string
		before, now kadm.OffsetResponses
		want        bool
	}{
		{"nothing moves", committed("notes", 3, 7), committed("notes", 3, 7), false},
		{"one goes on", committed("notes", 3, 7), committed("notes", 3, 8), true},
		{"in others' partitions", committed("notes", 1, 7), committed("notes", 1, 8), false},
		{"the first of a topic", committed("notes", 3, 7), committed("loop", 3, 1), true},
		{"nobody had committed yet", kadm.OffsetResponses{}, committed("loop", 3, 1), true},
	} {
		if got := haveMoved(c.before, c.now, []int32{2, 3}); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
