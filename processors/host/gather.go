package host

import (
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// What changes now often changes again soon: a person comes in visits. So layers
// that are handed to the disk are gathered for a moment and written as one, in
// which a row is only as the last of them left it. A crash loses no more by that:
// what Pebble has in memory is lost with it either way, and is read from the
// tables' topics.
const (
	gatherFor  = 5 * time.Second
	gatherMost = 1 << 14 // keys of a partition, which bounds the batch
)

// gather keeps a layer, which is the disk's from now on, until it is written.
func (d *disk) gather(number int32, l *layer) error {
	if len(d.gathered) == 0 {
		d.gatherTill = time.Now().Add(gatherFor)
	}
	g := d.gathered[number]
	if g == nil {
		g = l
		d.gathered[number] = g
	} else {
		g.take(l)
	}
	if g.purge || len(g.changes) >= gatherMost {
		return d.writeGathered(number)
	}
	return nil
}

// take puts a layer that follows over l.
func (l *layer) take(next *layer) {
	for _, c := range next.changes {
		if mine := l.of(c.key); mine != nil {
			mine.set |= c.set
			c.rows.onto(mine.rows, c.set)
		} else {
			l.places[c.key] = len(l.changes)
			l.changes = append(l.changes, c)
		}
	}
	if next.host != nil {
		l.host = next.host
	}
	for table, offset := range next.next {
		l.next[table] = max(l.next[table], offset)
	}
	l.purge = l.purge || next.purge
}

// writeGathered writes down what was gathered of a partition.
func (d *disk) writeGathered(number int32) error {
	l := d.gathered[number]
	delete(d.gathered, number)
	if l == nil {
		return nil
	}
	err := d.batch(func(b *pebble.Batch) error { return d.addRows(b, number, l) })
	if err == nil && l.purge {
		d.wantPurge()
	}
	return err
}

// writeAllGathered writes down everything that was gathered.
func (d *disk) writeAllGathered() error {
	for number := range d.gathered {
		if err := d.writeGathered(number); err != nil {
			return err
		}
	}
	return nil
}

// batch writes what add adds, all of it or nothing.
func (d *disk) batch(add func(*pebble.Batch) error) error {
	b := d.db.NewBatch()
	defer b.Close()
	if err := add(b); err != nil {
		return err
	}
	return b.Commit(pebble.NoSync)
}
