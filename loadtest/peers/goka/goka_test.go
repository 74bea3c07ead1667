package goka

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"kairos/schemas"
)

const written = "term\tcart\t\t\t3600000\t1\nterm\tview\tcategory\tbooks\t60000\t2\naudience\tcart\t0\t1\n"

func rulesOf(t *testing.T, text string) *rules {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rules")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := readRules(file)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestKeysGoWhereFranzGoSendsThem(t *testing.T) {
	other := kgo.StickyKeyPartitioner(nil).ForTopic("")
	rapid.Check(t, func(t *rapid.T) {
		key, partitions := rapid.StringN(1, -1, -1).Draw(t, "key"), rapid.IntRange(1, 1000).Draw(t, "partitions")
		p := newPlaced()
		_, _ = p.Write([]byte(key)) // cannot fail
		if got, want := int(p.Sum32())%partitions, other.Partition(&kgo.Record{Key: []byte(key)}, partitions); got != want {
			t.Fatalf("%q of %d: %d, want %d", key, partitions, got, want)
		}
	})
}

func TestARowIsReadAsItWasWritten(t *testing.T) {
	c := rowCodec{rulesOf(t, written)}
	w := c.rules.newRow()
	w.now, w.wake, w.in[0], w.revisions[0] = 70, 90, true, 5
	for _, at := range []schemas.Instant{30, 10, 20} {
		w.add(1, at, 2)
	}
	data, err := c.Encode(w)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Decode(data)
	if err != nil || !reflect.DeepEqual(got, w) {
		t.Errorf("got %+v, %v, want %+v", got, err, w)
	}
	if want := []schemas.Instant{20, 30}; !reflect.DeepEqual(w.times[1], want) {
		t.Errorf("of the times %v are kept, want %v", w.times[1], want)
	}
	for n := range data {
		if _, err := c.Decode(data[:n]); err == nil {
			t.Errorf("%d of %d bytes are read as a row", n, len(data))
		}
	}
}

func TestOnlyTheNewestWakeOfARowIsDue(t *testing.T) {
	c := rowCodec{rulesOf(t, written)}
	all := &stores{}
	s, err := all.build("", 3)
	if err != nil {
		t.Fatal(err)
	}
	set := func(key string, wake schemas.Instant) {
		w := c.rules.newRow()
		w.wake = wake
		data, err := c.Encode(w)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Set(key, data); err != nil {
			t.Fatal(err)
		}
	}
	set("a", 10)
	set("b", 20)
	set("a", 30)
	set("c", 0)
	for _, c := range []struct {
		now  schemas.Instant
		want []string
	}{{10, nil}, {25, []string{"b"}}, {25, nil}, {40, []string{"a"}}} {
		if got := all.due(3, c.now); !reflect.DeepEqual(got, c.want) {
			t.Errorf("at %d %v are due, want %v", c.now, got, c.want)
		}
	}
}

func TestRulesThatMakeNoSenseAreRefused(t *testing.T) {
	for _, text := range []string{"term\ta\n", "audience\tx\t0\t\n", "term\ta\t\t\tx\t1\n", "audience\tx\n"} {
		file := filepath.Join(t.TempDir(), "rules")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := readRules(file); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}
