package host

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kairos/processors/stage"
)

// DESIGN, non-obvious 37 and 41: memory of batches that are committed is used again.
func TestRowsAreAsTheStepsLeaveThemHoweverLateABatchIsCommitted(t *testing.T) {
	var keys []string // of one shard, and long: so that its heads are tidied again and again
	for n := 0; len(keys) < 8; n++ {
		if key := fmt.Sprint(strings.Repeat("long ", 400), n); shardOf(key) == 0 {
			keys = append(keys, key)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		p := newPartition(0, diskTables)
		p.timers = timersOf(p.rows)
		dumb := map[string]rowSet{}
		var open []*share
		var wrote [][]string // keys, in each of them
		commit := func() {
			s := open[0]
			for i, key := range wrote[0] {
				if got := string(s.records[i].record.Key); got != key {
					t.Fatalf("record %d of a batch has the key %q, not %q", i, got, key)
				}
			}
			p.commit()
			s.layer.forget()
			s.close()
			open, wrote = open[1:], wrote[1:]
		}
		step := func(n int) {
			key, table := rapid.SampledFrom(keys).Draw(t, "key"), rapid.IntRange(0, 1).Draw(t, "table")
			if dumb[key] == nil {
				dumb[key] = make(rowSet, len(diskTables))
			}
			if got := p.at(key).rows; !slices.EqualFunc(got, dumb[key], slices.Equal) {
				t.Fatalf("a step finds %q, not %q", got, dumb[key])
			}
			p.share.records = append(p.share.records, output{p.share.record(key), -1})
			wrote[len(wrote)-1] = append(wrote[len(wrote)-1], key)
			if rapid.Bool().Draw(t, "is there") {
				dumb[key][table] = append(wakingRow(0), fmt.Sprint("row ", n)...)
				p.put([]stage.RowChange{{Table: diskTables[table], Key: key, Value: dumb[key][table]}})
				return
			}
			dumb[key] = make(rowSet, len(diskTables))
			p.put([]stage.RowChange{{Table: diskTables[0], Key: key}, {Table: diskTables[1], Key: key}})
		}
		for range rapid.IntRange(10, 50).Draw(t, "batches") {
			open, wrote = append(open, p.open()), append(wrote, nil)
			for n := range rapid.IntRange(0, 30).Draw(t, "steps") {
				step(n)
			}
			p.retime()
			for len(open) > rapid.IntRange(0, 3).Draw(t, "open") {
				commit()
			}
		}
		for len(open) > 0 {
			commit()
		}
		there := 0
		for key, want := range dumb {
			if got := p.at(key).rows; !slices.EqualFunc(got, want, slices.Equal) {
				t.Fatalf("committed is %q, not %q", got, want)
			}
			if !want.empty() {
				there++
			}
		}
		if p.rows.count != there {
			t.Fatalf("%d keys are counted, of %d", p.rows.count, there)
		}
	})
}

func TestKeysWhoseHashesMeetHaveChangesOfTheirOwn(t *testing.T) {
	l := newLayer(len(diskTables))
	for n := range 200 {
		l.change(uint64(n%3), fmt.Sprint("key ", n)).put(0, []byte(fmt.Sprint("row ", n)))
	}
	for n := range 200 {
		c := l.of(uint64(n%3), fmt.Sprint("key ", n))
		if c == nil || string(c.rows[0]) != fmt.Sprint("row ", n) {
			t.Fatalf("key %d has the change %v", n, c)
		}
	}
	if c := l.of(0, "key 1"); c != nil {
		t.Errorf("a key with another hash has the change %v", c)
	}
}
