package host

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

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

// Whatever is committed while some of it is on its way, in the end rows are on disk
// as they are in memory.
func TestWhatIsGatheredIsWrittenAsTheRowsAreInTheEnd(t *testing.T) {
	d, number := atHand(t), int32(0)
	rapid.Check(t, func(t *rapid.T) {
		number++
		r := newRows(diskTables)
		for n := range int64(rapid.IntRange(1, 8).Draw(t, "layers")) {
			l := drawLayer(t, n+1)
			r.apply(l)
			err := d.gather(number, l)
			if rapid.Bool().Draw(t, "begins") {
				d.beginAll()
			}
			if len(d.writing) > 0 && rapid.Bool().Draw(t, "goes on") {
				err = errors.Join(err, d.writeNext())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := d.writeAllGathered(); err != nil {
			t.Fatal(err)
		}
		found := newPartition(number, diskTables)
		marks, _, err := d.marks(number)
		if err := errors.Join(err, d.loadRows(found)); err != nil {
			t.Fatal(err)
		}
		copy(found.rows.next, marks)
		if want, got := textOf(r), textOf(found.rows); got != want {
			t.Fatalf("in memory:\n%son disk:\n%s", want, got)
		}
	})
}

func TestWhatAnErasureLeavesIsWrittenAtOnce(t *testing.T) {
	d := atHand(t)
	purging := layerOf(2, "k", "v")
	purging.purge = true
	r := newRows(diskTables)
	for _, l := range []*layer{layerOf(1, "k", "v"), purging} {
		r.apply(l)
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

// atHand is a disk that does nothing by itself.
func atHand(t *testing.T) *disk {
	t.Helper()
	d := testDisk(t, t.TempDir(), 1)
	close(d.queue)
	<-d.done
	t.Cleanup(func() { _ = d.db.Close() })
	return d
}

// written is what is on such a disk of partition 3, whatever its marks say.
func written(t *testing.T, d *disk) *partition {
	t.Helper()
	p := newPartition(3, diskTables)
	if err := d.loadRows(p); err != nil {
		t.Fatal(err)
	}
	return p
}

// largeLayer takes several times to write.
func largeLayer(next int64, value string) *layer {
	l := newLayer(len(diskTables))
	for n := range 2*writeSome + 1 {
		l.put(0, fmt.Sprint("k", n), []byte(value))
	}
	l.next[0], l.next[1] = next, next
	return l
}

// DESIGN, non-obvious 38.
func TestALayerIsWrittenInPartsAndItsMarksLast(t *testing.T) {
	d, r := atHand(t), newRows(diskTables)
	write := func(l *layer) {
		r.apply(l)
		if err := d.gather(3, l); err != nil {
			t.Fatal(err)
		}
		d.beginAll()
	}
	write(layerOf(1, "k", "v"))
	write(largeLayer(2, "w"))
	for part, want := range []struct {
		marked int64
		keys   int
	}{{1, 1}, {1, 1 + writeSome}, {1, 1 + 2*writeSome}, {2, 2 + 2*writeSome}} {
		if err := d.writeNext(); err != nil {
			t.Fatal(err)
		}
		p := written(t, d)
		marks, _, err := d.marks(3)
		if err != nil || marks[0] != want.marked || p.rows.count != want.keys {
			t.Errorf("after part %d: marks %v, %d keys, not %d and %d; %v", part, marks, p.rows.count, want.marked, want.keys, err)
		}
	}
}

func TestWhatIsOnItsWayToDiskIsNotOvertaken(t *testing.T) {
	d, r := atHand(t), newRows(diskTables)
	older, newer := largeLayer(1, "older"), largeLayer(2, "newer")
	r.apply(older)
	if err := d.gather(3, older); err != nil {
		t.Fatal(err)
	}
	d.beginAll()
	err := d.writeNext()
	r.apply(newer)
	if err := errors.Join(err, d.gather(3, newer), d.writeGathered(3)); err != nil {
		t.Fatal(err)
	}
	p := written(t, d)
	for n := range 2*writeSome + 1 {
		if got := string(p.rows.get(0, fmt.Sprint("k", n))); got != "newer" {
			t.Fatalf("k%d is %s", n, got)
		}
	}
	if len(d.writing) != 0 {
		t.Errorf("%d layers are still on their way", len(d.writing))
	}
}

// DESIGN, non-obvious 38.
func TestALayerThatIsFullGoesOnItsWayAndIsWrittenAtOnceOnlyBehindAnother(t *testing.T) {
	d, r := atHand(t), newRows(diskTables)
	full := func(next int64) *layer {
		l := newLayer(len(diskTables))
		for n := range gatherMost {
			l.put(0, fmt.Sprint("k", n), []byte("v"))
		}
		l.next[0], l.next[1] = next, next
		r.apply(l)
		return l
	}
	if err := d.gather(3, full(1)); err != nil {
		t.Fatal(err)
	}
	if marks, _, err := d.marks(3); err != nil || marks[0] != 0 || len(d.writing) != 1 || len(d.gathered) != 0 {
		t.Errorf("the first one: marks %v, %d on their way, %d gathered, %v", marks, len(d.writing), len(d.gathered), err)
	}
	if err := d.gather(3, full(2)); err != nil {
		t.Fatal(err)
	}
	if marks, _, err := d.marks(3); err != nil || marks[0] != 2 || len(d.writing) != 0 {
		t.Errorf("the second one: marks %v, %d on their way, %v", marks, len(d.writing), err)
	}
}

// DESIGN, non-obvious 38.
func TestPartsOnTheirWayToDiskAreSpreadOverTheTimeThatThereIs(t *testing.T) {
	over := time.Now()
	took := 2 * time.Millisecond
	for _, c := range []struct {
		parts int
		left  time.Duration
		want  time.Duration
	}{
		{10, time.Second, 100 * time.Millisecond},
		{10, 20 * time.Millisecond, writeRest * took}, // late, but never all of a CPU
		{10, -time.Second, writeRest * took},
		{0, time.Second, time.Second},
	} {
		d := &disk{writeTill: over.Add(c.left), writing: []onWay{
			{layer: &layer{changes: make([]change, 3*writeSome)}, done: 3 * writeSome},
			{layer: &layer{changes: make([]change, c.parts*writeSome)}},
		}}
		if got := d.nextPart(over.Add(-took), over).Sub(over); got != c.want {
			t.Errorf("%d parts in %v: the next one after %v, not %v", c.parts, c.left, got, c.want)
		}
	}
}

func TestWhatIsForgottenIsNotWrittenAnyMore(t *testing.T) {
	d, r, l := atHand(t), newRows(diskTables), largeLayer(1, "v")
	r.apply(l)
	if err := d.gather(3, l); err != nil {
		t.Fatal(err)
	}
	d.beginAll()
	if err := errors.Join(d.writeNext(), d.writeOne(diskWrite{number: 3}, true), d.writeAllGathered()); err != nil {
		t.Fatal(err)
	}
	if p := written(t, d); p.rows.count != 0 {
		t.Errorf("%d keys", p.rows.count)
	}
}

// BenchmarkDisk puts rows of many keys, each in its turn, through layers into
// memory and files: what an event costs beside the step, for each row that it changes.
func BenchmarkDisk(b *testing.B) {
	const keys, together = 300_000, 2_000
	d := testDisk(b, b.TempDir(), 1)
	var of [4]*rows
	for n := range of {
		of[n] = newRows(diskTables)
	}
	r := rand.New(rand.NewPCG(1, 2))
	row := make([]byte, 400)
	for i := range row[:len(row)/2] { // half of it can be compressed
		row[i] = byte(r.Uint32())
	}
	b.ResetTimer()
	for n := 0; n < b.N; {
		l := newLayer(len(diskTables))
		for range min(together, b.N-n) {
			l.put(n%2, fmt.Sprint("k", r.IntN(keys)), row)
			n++
		}
		commit(d, int32(n%4), of[n%4], l)
	}
	d.sync()
	b.StopTimer()
	d.close()
}

// DESIGN, non-obvious 38.
func TestWhatIsGatheredKeepsNoRowAlive(t *testing.T) {
	d, r := atHand(t), newRows(diskTables)
	for n := range int64(3) {
		l := layerOf(n+1, fmt.Sprint("k", n%2), "v")
		r.apply(l)
		if err := d.gather(3, l); err != nil {
			t.Fatal(err)
		}
	}
	g := d.gathered[3]
	if len(g.changes) != 2 {
		t.Fatalf("%d keys are gathered", len(g.changes))
	}
	for _, c := range g.changes {
		if c.rows != nil || c.at.shard != nil || c.set != 3 {
			t.Errorf("gathered of %s: rows %q, shard %v, tables %b", c.key, c.rows, c.at.shard, c.set)
		}
	}
}
