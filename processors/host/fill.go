package host

import (
	"maps"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// filling is a partition whose rows have come from memory (see Kept), or from
// the tables' topics, and are to be written down, beside the work. A shard is
// written as its rows are at that moment, which may be newer than what the layers
// behind it say; in the end all of them are there. Until then the partition has
// no marks, so who starts anew takes nothing of it. What follows is put over it
// as ever, and its marks wait.
type filling struct {
	rows  *rows
	shard int    // the next one
	last  *layer // marks and the host's own row, for the end
	from  time.Time
}

// note keeps what a layer says of the end.
func (f *filling) note(l *layer) {
	for table, next := range l.next {
		f.last.next[table] = max(f.last.next[table], next)
	}
	if l.host != nil {
		f.last.host = l.host
	}
}

// Filling waits until hosts that begin anew are through with what has waited for
// them, then takes about a fourth of a core.
const (
	fillAfter = 5 * time.Second
	fillRest  = 3
)

// holds reports whether what is on disk of a partition is what is in memory.
func (d *disk) holds(p *partition) bool {
	if d == nil || d.isBroken() {
		return false
	}
	d.sync()
	marks, _, err := d.marks(p.number)
	return err == nil && slices.Equal(marks, p.rows.next)
}

// fill has all of a partition written down anew, beside the work.
func (d *disk) fill(p *partition) {
	if d == nil || d.isBroken() || p.rows.blank() {
		return
	}
	last := newLayer(len(d.tables))
	copy(last.next, p.rows.next)
	last.host = p.rows.host
	d.hand(diskWrite{number: p.number, fill: &filling{rows: p.rows, last: last, from: time.Now().Add(fillAfter)}})
}

// nextWrite is the next one of the queue; meanwhile it does what was to be done
// later.
func (d *disk) nextWrite() (diskWrite, bool) {
	for !d.isBroken() {
		at, do := d.later()
		if do == nil {
			break
		}
		pause := time.NewTimer(max(0, time.Until(at)))
		select {
		case w, open := <-d.queue:
			pause.Stop()
			return w, open
		case <-pause.C:
		}
		if err := do(); err != nil {
			d.giveUp(err)
		}
	}
	w, open := <-d.queue
	return w, open
}

// later is what is to be done next without being asked, and when; nil: nothing.
func (d *disk) later() (at time.Time, do func() error) {
	if len(d.fills) > 0 {
		at, do = d.fillAt, d.fillSome
	}
	if len(d.writing) > 0 && (do == nil || d.writeAt.Before(at)) {
		at, do = d.writeAt, d.writeNext
	}
	if len(d.gathered) > 0 && len(d.writing) == 0 && (do == nil || d.gatherTill.Before(at)) {
		at, do = d.gatherTill, func() error { d.beginAll(); return nil }
	}
	return at, do
}

// fillSome writes the next shard of some partition.
func (d *disk) fillSome() error {
	began := time.Now()
	defer func() { d.fillAt = time.Now().Add(fillRest * time.Since(began)) }()
	numbers := slices.Collect(maps.Keys(d.fills))
	number := numbers[0]
	f := d.fills[number]
	err := d.batch(func(b *pebble.Batch) error {
		if err := d.addShard(b, number, f); err != nil {
			return err
		}
		if f.shard++; f.shard < shardCount {
			return nil
		}
		delete(d.fills, number)
		return d.addMarks(b, number, f.last)
	})
	if err == nil && len(d.fills) == 0 {
		d.wantPurge() // of what was there before
	}
	return err
}

func (d *disk) addShard(batch *pebble.Batch, number int32, f *filling) error {
	f.rows.mu.RLock()
	defer f.rows.mu.RUnlock()
	for key, set := range f.rows.shards[f.shard].each(len(f.rows.tables)) {
		var there uint16
		for table, row := range set {
			if row != nil {
				there |= 1 << table
			}
		}
		if err := addRows(batch, number, string(key), set, there); err != nil {
			return err
		}
	}
	return nil
}
