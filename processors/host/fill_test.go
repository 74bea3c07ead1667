package host

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func keptRows(keys int) *rows {
	r := newRows(diskTables)
	for n := range keys {
		r.apply(layerOf(int64(n+1), fmt.Sprint("k", n), fmt.Sprint("v", n)))
	}
	return r
}

func fillOf(r *rows, from time.Time) *filling {
	last := newLayer(len(diskTables))
	copy(last.next, r.next)
	last.host = r.host
	return &filling{rows: r, last: last, from: from}
}

// Whatever is committed while rows are written down, what is found in the end is
// what was committed.
func TestRowsThatWereKeptAreWrittenDownBesideTheWork(t *testing.T) {
	dir, random := t.TempDir(), rand.New(rand.NewPCG(1, 2))
	d := testDisk(t, dir, 1)
	commit(d, 3, newRows(diskTables), layerOf(1, "of-before", "v")) // which is not among what was kept
	r := keptRows(2_000)
	d.hand(diskWrite{number: 3, fill: fillOf(r, time.Now())})
	for next, through := int64(2_001), false; !through; next++ {
		l := layerOf(next, fmt.Sprint("k", random.IntN(3_000)), fmt.Sprint("w", next))
		if next%3 == 0 {
			key := fmt.Sprint("k", random.IntN(3_000))
			l.put(0, key, nil)
			l.put(1, key, nil)
		}
		commit(d, 3, r, l)
		d.sync()
		marks, _, err := d.marks(3)
		if err != nil {
			t.Fatal(err)
		}
		through = marks[0] != 0
	}
	d.close()
	d = testDisk(t, dir, 1)
	defer d.close()
	p := loaded(t, d)
	if p.rows.next[0] != r.next[0] || string(p.rows.host) != string(r.host) || p.rows.count != r.count {
		t.Errorf("on disk are %d keys to %d with %q, in memory %d to %d with %q", p.rows.count, p.rows.next[0], p.rows.host, r.count, r.next[0], r.host)
	}
	r.scan(1, "", func(key string, row []byte) bool {
		if got := p.rows.get(1, key); string(got) != string(row) {
			t.Errorf("%s is %q on disk and %q in memory", key, got, row)
		}
		return true
	})
}

func TestRowsThatAreNotYetAllWrittenDownAreNotUsed(t *testing.T) {
	dir := t.TempDir()
	d := testDisk(t, dir, 1)
	r := keptRows(10)
	d.hand(diskWrite{number: 3, fill: fillOf(r, time.Now().Add(time.Hour))})
	commit(d, 3, r, layerOf(11, "k1", "newer"))
	d.close()
	d = testDisk(t, dir, 1)
	defer d.close()
	p := loaded(t, d)
	if !p.rows.blank() || p.rows.count != 0 {
		t.Errorf("%d rows to %v, of a partition that is not whole", p.rows.count, p.rows.next)
	}
	commit(d, 3, newRows(diskTables), layerOf(1, "k2", "v")) // read anew from the table, from its start
	d.sync()
	again := loaded(t, d)
	if again.rows.count != 1 {
		t.Errorf("%d rows; those of before were to be gone", again.rows.count)
	}
}
