package host

import (
	"fmt"
	"os"
	"testing"

	"kairos/topologies"
)

var diskTables = []string{"one-table", "two-table"}

func testDisk(t testing.TB, dir string, id byte) *disk {
	t.Helper()
	c := DefaultConfig()
	c.StateDir, c.Group = dir, topologies.Group{Name: "toys"}
	d, err := openDisk(c, diskTables, map[string][16]byte{"one-table": {id}, "two-table": {id}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// loaded is partition 3 as it lies on disk.
func loaded(t *testing.T, d *disk) *partition {
	t.Helper()
	p := newPartition(3, diskTables)
	if err := d.load(p); err != nil {
		t.Fatal(err)
	}
	return p
}

func layerOf(next int64, key, value string) *layer {
	l := newLayer(len(diskTables))
	l.put(0, key, []byte(value))
	l.put(1, key, []byte(value+"2"))
	l.next[0], l.next[1] = next, next
	l.host = fmt.Appendf(nil, "host %d", next)
	return l
}

// commit makes a layer part of the rows of a partition, and hands it to the disk.
func commit(d *disk, number int32, r *rows, l *layer) {
	r.apply(l)
	d.put(number, l)
}

func TestRowsAndOffsetsComeBackFromDiskTogether(t *testing.T) {
	dir := t.TempDir()
	d := testDisk(t, dir, 1)
	r3, r4 := newRows(diskTables), newRows(diskTables)
	for n := range int64(100) {
		commit(d, 3, r3, layerOf(n+1, fmt.Sprint("k", n%10), fmt.Sprint("v", n)))
		commit(d, 4, r4, layerOf(n+1, "other", "partition"))
	}
	gone := newLayer(len(diskTables))
	gone.put(0, "k0", nil)
	gone.next[0] = 101
	commit(d, 3, r3, gone)
	d.close()
	d = testDisk(t, dir, 1)
	defer d.close()
	p := loaded(t, d)
	if p.rows.next[0] != 101 || p.rows.next[1] != 100 || string(p.rows.host) != "host 100" || p.rows.count != 10 {
		t.Errorf("next %v, host %q, %d keys", p.rows.next, p.rows.host, p.rows.count)
	}
	if p.rows.get(0, "k0") != nil || string(p.rows.get(1, "k0")) != "v902" || string(p.rows.get(0, "k7")) != "v97" {
		t.Errorf("rows %q %q %q", p.rows.get(0, "k0"), p.rows.get(1, "k0"), p.rows.get(0, "k7"))
	}
}

// DESIGN, non-obvious 13.
func TestRowsOfAnotherTopicOrAnotherPartitionAreNotUsed(t *testing.T) {
	dir := t.TempDir()
	d := testDisk(t, dir, 1)
	r := newRows(diskTables)
	commit(d, 3, r, layerOf(1, "k", "v"))
	d.close()
	d = testDisk(t, dir, 2) // the topics have been made anew
	p := loaded(t, d)
	if !p.rows.blank() || p.rows.count != 0 {
		t.Errorf("rows of another topic were used: %v", p.rows.next)
	}
	d.close()
	d = testDisk(t, dir, 1) // and forgotten for good
	defer d.close()
	for _, number := range []int32{2, 3, 4} {
		p := newPartition(number, diskTables)
		if err := d.load(p); err != nil {
			t.Fatal(err)
		}
		if !p.rows.blank() {
			t.Errorf("partition %d: %v", number, p.rows.next)
		}
	}
}

func TestAPartitionBeyondTheEndOfItsTableIsReadAnew(t *testing.T) {
	for _, c := range []struct {
		name             string
		next, first, end int64
		wantNext         int64
		wantRows         int
	}{
		{"within", 5, 0, 9, 5, 1},
		{"at the end", 9, 0, 9, 9, 1},
		{"beyond the end", 10, 0, 9, 0, 0},
		{"before the beginning", 5, 7, 9, 7, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPartition(0, diskTables)
			p.rows.apply(layerOf(c.next, "k", "v"))
			r := &run{config: DefaultConfig()}
			p.rewindIfStrange(r, func(string) (int64, int64) { return c.first, c.end })
			if p.rows.next[0] != c.wantNext || p.rows.count != c.wantRows {
				t.Errorf("next %d, %d keys; want %d, %d", p.rows.next[0], p.rows.count, c.wantNext, c.wantRows)
			}
		})
	}
}

func TestWhatIsOnDiskAfterACrashIsAPrefix(t *testing.T) {
	dir, copied := t.TempDir(), t.TempDir()
	d := testDisk(t, dir, 1)
	r := newRows(diskTables)
	for n := range int64(500) {
		commit(d, 0, r, layerOf(n+1, fmt.Sprint("k", n), "v"))
		if n == 300 {
			d.sync()
			if err := d.db.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	d.sync()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil { // as the machine's death leaves it
		t.Fatal(err)
	}
	d.close()
	d = testDisk(t, copied, 1)
	defer d.close()
	p := newPartition(0, diskTables)
	if err := d.load(p); err != nil {
		t.Fatal(err)
	}
	if p.rows.next[0] < 301 || int64(p.rows.count) != p.rows.next[0] || p.rows.next[0] != p.rows.next[1] {
		t.Errorf("%d keys, but the offsets say %v", p.rows.count, p.rows.next)
	}
}

func TestATornDirectoryIsMadeAnew(t *testing.T) {
	dir := t.TempDir()
	d := testDisk(t, dir, 1)
	r := newRows(diskTables)
	commit(d, 0, r, layerOf(1, "k", "v"))
	d.close()
	found, err := os.ReadDir(dir + "/toys/" + diskFormat)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range found {
		if err := os.WriteFile(dir+"/toys/"+diskFormat+"/"+file.Name(), []byte("torn"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d = testDisk(t, dir, 1)
	defer d.close()
	p := newPartition(0, diskTables)
	if err := d.load(p); err != nil || !p.rows.blank() {
		t.Errorf("%v, %v", err, p.rows.next)
	}
}

func TestADiskThatFailsIsGivenUpAndBlocksNobody(t *testing.T) {
	d := testDisk(t, t.TempDir(), 1)
	r := newRows(diskTables)
	go func() { diskLogger{d}.Fatalf("planted") }()
	<-d.broken
	for n := range int64(1000) { // more than the queue takes
		commit(d, 0, r, layerOf(n, "k", "v"))
	}
	if err := d.load(newPartition(0, diskTables)); err != nil {
		t.Fatal(err)
	}
	d.close()
}
