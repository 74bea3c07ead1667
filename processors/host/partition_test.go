package host

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kairos/processors/stage"
)

// DESIGN, non-obvious 37.
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
		step := func(n int) {
			key, table := rapid.SampledFrom(keys).Draw(t, "key"), rapid.IntRange(0, 1).Draw(t, "table")
			if dumb[key] == nil {
				dumb[key] = make(rowSet, len(diskTables))
			}
			if got := p.at(key).rows; !slices.EqualFunc(got, dumb[key], slices.Equal) {
				t.Fatalf("a step finds %q, not %q", got, dumb[key])
			}
			if rapid.Bool().Draw(t, "is there") {
				dumb[key][table] = append(wakingRow(0), fmt.Sprint("row ", n)...)
				p.put([]stage.RowChange{{Table: diskTables[table], Key: key, Value: dumb[key][table]}})
				return
			}
			dumb[key] = make(rowSet, len(diskTables))
			p.put([]stage.RowChange{{Table: diskTables[0], Key: key}, {Table: diskTables[1], Key: key}})
		}
		for range rapid.IntRange(10, 50).Draw(t, "batches") {
			p.open()
			for n := range rapid.IntRange(0, 30).Draw(t, "steps") {
				step(n)
			}
			p.retime()
			for len(p.layers) > rapid.IntRange(0, 3).Draw(t, "open") {
				p.commit()
			}
		}
		for len(p.layers) > 0 {
			p.commit()
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
