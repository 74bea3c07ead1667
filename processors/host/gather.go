package host

import (
	"maps"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// What changes now often changes again soon: a person comes in visits. So layers
// that are handed to the disk are gathered for a moment and written as one, in
// which a row is only as it is when it is written. What is kept until then says which
// rows, not what they are: their bytes would keep whole blocks of others alive, a
// gigabyte where events come quickly. A crash loses no more by gathering: what Pebble
// has in memory is lost with it either way, and is read from the tables' topics.
//
// Writing it all at once would take a CPU from who is served for a moment that can
// be seen in latencies, so it goes some changes at a time, and marks last.
const (
	gatherFor  = 20 * time.Second
	gatherMost = 1 << 14 // keys of a partition, which bounds memory: with more it does not wait
	writeFor   = gatherFor / 2
	writeSome  = 64 // changes at a time
	writeRest  = 3  // times as long as they took, at least
)

// onWay is what was gathered of a partition, on its way to disk.
type onWay struct {
	number int32
	layer  *layer
	done   int // changes that are written
}

// gather notes which rows a layer has changed, until they are written.
func (d *disk) gather(number int32, l *layer) error {
	if len(d.gathered) == 0 {
		d.gatherTill = time.Now().Add(gatherFor)
	}
	g := d.gathered[number]
	if g == nil {
		g = newLayer(len(d.tables))
		d.gathered[number] = g
	}
	g.take(l)
	l.forget()
	switch {
	case g.purge, len(g.changes) >= gatherMost && d.isOnWay(number):
		return d.writeGathered(number)
	case len(g.changes) >= gatherMost:
		d.begin(number)
	}
	return nil
}

func (d *disk) isOnWay(number int32) bool {
	return slices.ContainsFunc(d.writing, func(w onWay) bool { return w.number == number })
}

// take notes which rows a layer that follows changes, and all else that it says.
func (l *layer) take(next *layer) {
	for i := range next.changes {
		c := &next.changes[i]
		l.touch(c.at.hash, c.key).set |= c.set
	}
	l.gone = next.gone
	if next.host != nil {
		l.host = next.host
	}
	for table, offset := range next.next {
		l.next[table] = max(l.next[table], offset)
	}
	l.purge = l.purge || next.purge
}

// begin sends what was gathered of a partition on its way.
func (d *disk) begin(number int32) {
	if l := d.gathered[number]; l != nil {
		if len(d.writing) == 0 {
			d.writeTill = time.Now().Add(writeFor)
		}
		d.writing = append(d.writing, onWay{number: number, layer: l})
		delete(d.gathered, number)
	}
}

func (d *disk) beginAll() {
	for _, number := range slices.Sorted(maps.Keys(d.gathered)) {
		d.begin(number)
	}
}

// writeGathered writes down at once what was gathered of a partition, behind what
// is on its way.
func (d *disk) writeGathered(number int32) error {
	d.begin(number)
	return d.writeAllBegun()
}

// writeAllGathered writes down everything that was gathered.
func (d *disk) writeAllGathered() error {
	d.beginAll()
	return d.writeAllBegun()
}

func (d *disk) writeAllBegun() error {
	for len(d.writing) > 0 {
		if err := d.writeNext(); err != nil {
			return err
		}
	}
	return nil
}

// writeNext writes the next changes of what is on its way.
func (d *disk) writeNext() error {
	began := time.Now()
	defer func() { d.writeAt = d.nextPart(began, time.Now()) }()
	w := &d.writing[0]
	some := w.layer.changes[w.done:min(w.done+writeSome, len(w.layer.changes))]
	w.done += len(some)
	last := w.done == len(w.layer.changes)
	err := d.batch(func(b *pebble.Batch) error {
		err := d.addChanges(b, w.number, w.layer.gone, some)
		if err == nil && last {
			err = d.addEnd(b, w.number, w.layer)
		}
		return err
	})
	if last {
		if err == nil && w.layer.purge {
			d.wantPurge()
		}
		w.layer.forget()
		d.writing[0] = onWay{}
		d.writing = d.writing[1:]
	}
	return err
}

// nextPart is when to go on after a part that was begun and is over: so that all
// parts are spread over the time that there is for them.
func (d *disk) nextPart(began, over time.Time) time.Time {
	parts := 0
	for _, w := range d.writing {
		parts += (len(w.layer.changes) - w.done + writeSome - 1) / writeSome
	}
	return over.Add(max(writeRest*over.Sub(began), d.writeTill.Sub(over)/time.Duration(max(1, parts))))
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
