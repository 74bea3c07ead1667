package host

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// drawLayer is one that writes and deletes rows of few keys.
func drawLayer(t *rapid.T, next int64) *layer {
	l := newLayer(len(diskTables))
	for change := range rapid.IntRange(0, 4).Draw(t, "changes") {
		table, key := rapid.IntRange(0, len(diskTables)-1).Draw(t, "table"), fmt.Sprint("k", rapid.IntRange(0, 3).Draw(t, "key"))
		var row []byte
		if rapid.Bool().Draw(t, "writes") {
			row = fmt.Appendf(nil, "row %d.%d", next, change)
		}
		l.put(table, key, row)
		l.next[table] = next
	}
	if rapid.Bool().Draw(t, "host") {
		l.host = fmt.Appendf(nil, "host %d", next)
	}
	return l
}

func textOf(r *rows) string {
	text := fmt.Sprintf("next %v, host %s, %d keys\n", r.next, r.host, r.count)
	for i := range r.shards {
		for _, key := range r.shards[i].after("") {
			set := make(rowSet, len(r.tables))
			r.fill(set, string(key))
			text += fmt.Sprintf("%s: %s\n", key, set)
		}
	}
	return text
}

func TestLayersGatheredSayWhatTheySayOneAfterTheOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		single, together, gathered := newRows(diskTables), newRows(diskTables), newLayer(len(diskTables))
		for n := range int64(rapid.IntRange(1, 8).Draw(t, "layers")) {
			l := drawLayer(t, n+1)
			single.apply(l)
			gathered.take(l)
		}
		together.apply(gathered)
		if want, got := textOf(single), textOf(together); got != want {
			t.Fatalf("one after the other:\n%sgathered:\n%s", want, got)
		}
	})
}

func TestWhatAnErasureLeavesIsWrittenAtOnce(t *testing.T) {
	d := testDisk(t, t.TempDir(), 1)
	defer d.db.Close()
	close(d.queue)
	<-d.done // nobody else gathers
	purging := layerOf(2, "k", "v")
	purging.purge = true
	for _, l := range []*layer{layerOf(1, "k", "v"), purging} {
		if err := d.gather(3, l); err != nil {
			t.Fatal(err)
		}
	}
	close(d.purges)
	<-d.purged
	if marks, _, err := d.marks(3); err != nil || marks[0] != 2 {
		t.Errorf("on disk to %v, %v", marks, err)
	}
}
