package host

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// disk keeps committed rows over restarts, in Pebble without a write-ahead log:
// the table topics are the log. It is filled behind the work: rows first, then the
// table offsets that belong to them, and Pebble loses batches only from the end. So
// what is found is a committed prefix, of which some rows may be as a later batch
// left them: who reads on from there is told the same again. A disk that fails is
// given up: the host goes on without.
//
// Keys are partition (4 bytes), then 0, table (1 byte), a hash of the row's key,
// which stands in front of the row; or partition, then 1 for the mark. Pebble
// keeps the bounds of files that are long gone in its manifests, so a key must
// not name anybody.
type disk struct {
	db     *pebble.DB
	tables []string
	say    func(message string, args ...any)
	ids    [][16]byte // of the table topics
	queue  chan diskWrite
	done   chan struct{}
	broken chan struct{} // closed when the disk is given up
	purges chan struct{} // holds one if older rows are to go from the files
	purged chan struct{} // closed when nothing is purged any more
	breaks sync.Once

	// Of the goroutine that writes:
	gathered   map[int32]*layer   // what is not yet written
	gatherTill time.Time          // when they will be
	writing    []onWay            // on its way, oldest first
	writeAt    time.Time          // when that goes on
	writeTill  time.Time          // when it is to be over
	fills      map[int32]*filling // under way
	fillAt     time.Time          // when they go on
}

type diskWrite struct {
	number int32
	layer  *layer   // nil: forget the partition
	fill   *filling // and then write it down anew
	synced chan<- struct{}
}

// diskFormat is part of the directory's name. It changes with the keys or the
// mark, and with the hash of the keys' shards. Older directories are removed:
// nobody would take erased people out of them.
const diskFormat = "rows-2"

var olderFormats = []string{"rows-1"}

// staleAfter is the age from which local rows are not used: the table's topic
// keeps deletions for a day by default (delete.retention.ms), and who was away
// for longer would miss some.
const staleAfter = 6 * time.Hour

// openDisk opens or makes the directory; nil without Config.StateDir.
func openDisk(c Config, tables []string, ids map[string][16]byte) (*disk, error) {
	if c.StateDir == "" {
		return nil, nil
	}
	dir := filepath.Join(c.StateDir, c.Group.Name, diskFormat)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("StateDir: %w", err)
	}
	for _, older := range olderFormats {
		if err := os.RemoveAll(filepath.Join(c.StateDir, c.Group.Name, older)); err != nil {
			return nil, fmt.Errorf("StateDir: %w", err)
		}
	}
	d := &disk{
		tables: tables, say: c.Logger.Warn,
		queue: make(chan diskWrite, 64), done: make(chan struct{}), broken: make(chan struct{}),
		purges: make(chan struct{}, 1), purged: make(chan struct{}), gathered: map[int32]*layer{}, fills: map[int32]*filling{},
	}
	for _, table := range tables {
		d.ids = append(d.ids, ids[table])
	}
	db, err := pebble.Open(dir, d.options())
	if err != nil && strings.Contains(err.Error(), "lock") {
		c.Logger.Error("StateDir is in use: give each host its own; this one keeps its rows in memory only", "dir", dir, "error", err)
		return nil, nil
	}
	if err != nil { // a torn directory is worth nothing: the topics have all of it
		c.Logger.Warn("local rows cannot be opened and are read anew from the tables", "dir", dir, "error", err)
		if err := os.RemoveAll(dir); err != nil {
			return nil, fmt.Errorf("StateDir: %w", err)
		}
		if db, err = pebble.Open(dir, d.options()); err != nil {
			return nil, fmt.Errorf("StateDir: %w", err)
		}
	}
	d.db = db
	go d.write()
	go d.purge()
	return d, nil
}

func (d *disk) options() *pebble.Options {
	o := &pebble.Options{
		DisableWAL:   true,
		MemTableSize: 64 << 20,
		// Nobody reads here but a starting host, and that reads all: so files are put
		// together late, for the room they take, and never for how many they are.
		L0CompactionThreshold:     64,
		L0CompactionFileThreshold: 1 << 20,
		L0StopWritesThreshold:     256,
		Logger:                    diskLogger{d},
		EventListener:             &pebble.EventListener{BackgroundError: d.giveUp},
	}
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings {
		return pebble.UniformDBCompressionSettings(sstable.FastestCompression)
	})
	return o
}

// diskLogger keeps Pebble from ending the process when the directory vanishes.
type diskLogger struct{ *disk }

// Infof implements pebble.Logger.
func (diskLogger) Infof(string, ...any) {}

// Errorf implements pebble.Logger.
func (l diskLogger) Errorf(format string, args ...any) { l.giveUp(fmt.Errorf(format, args...)) }

// Fatalf implements pebble.Logger. It must not return: Pebble would go on.
func (l diskLogger) Fatalf(format string, args ...any) {
	l.giveUp(fmt.Errorf(format, args...))
	select {} // this goroutine of Pebble's has nothing left to do
}

func (d *disk) giveUp(err error) {
	d.breaks.Do(func() {
		d.say("local rows cannot be written any more; the host goes on in memory and will read the tables when it starts again", "error", err)
		close(d.broken)
	})
}

func (d *disk) isBroken() bool {
	select {
	case <-d.broken:
		return true
	default:
		return false
	}
}

// put hands over what a committed batch changed in one partition, once it has gone into
// the rows; nobody else may use it any more.
func (d *disk) put(number int32, l *layer) {
	if d == nil {
		l.forget()
		return
	}
	d.hand(diskWrite{number: number, layer: l})
}

// forget deletes a partition's rows, once what was put before is written.
func (d *disk) forget(number int32) {
	if d != nil {
		d.hand(diskWrite{number: number})
	}
}

// sync waits until everything handed over before is written.
func (d *disk) sync() {
	synced := make(chan struct{})
	d.hand(diskWrite{synced: synced})
	select {
	case <-synced:
	case <-d.broken:
	}
}

func (d *disk) hand(w diskWrite) {
	select {
	case d.queue <- w:
	case <-d.broken:
	}
}

func (d *disk) write() {
	defer close(d.done)
	for open := true; open; {
		var w diskWrite
		if w, open = d.nextWrite(); !d.isBroken() {
			if err := d.writeOne(w, open); err != nil {
				d.giveUp(err)
			}
		}
		if w.synced != nil {
			close(w.synced)
		}
	}
}

func (d *disk) writeOne(w diskWrite, open bool) error {
	switch {
	case w.synced != nil || !open:
		return d.writeAllGathered()
	case w.layer != nil:
		return d.gather(w.number, w.layer)
	}
	delete(d.gathered, w.number)
	d.writing = slices.DeleteFunc(d.writing, func(on onWay) bool { return on.number == w.number })
	delete(d.fills, w.number)
	if w.fill != nil {
		d.fills[w.number], d.fillAt = w.fill, w.fill.from
	}
	return d.batch(func(b *pebble.Batch) error {
		return b.DeleteRange(partitionKey(w.number), partitionKey(w.number+1), nil)
	})
}

func (d *disk) wantPurge() {
	select {
	case d.purges <- struct{}{}:
	default: // the one that waits will do it too
	}
}

// addChanges writes rows as they are now, which may be newer than who changed them
// left them.
func (d *disk) addChanges(batch *pebble.Batch, number int32, r *rows, changes []change) error {
	set := make(rowSet, len(r.tables))
	r.mu.RLock()
	defer r.mu.RUnlock()
	for i := range changes {
		c := &changes[i]
		r.spotBy(c.at.hash, c.key).read(set)
		if err := addRows(batch, number, c.key, set, c.set); err != nil {
			return err
		}
	}
	return nil
}

// addRows writes the rows of a key in the tables of which; nil deletes.
func addRows(batch *pebble.Batch, number int32, key string, rows rowSet, which uint16) error {
	at := rowKey(number, key)
	for table, row := range rows {
		if which&(1<<table) == 0 {
			continue
		}
		at[tablePlace] = byte(table)
		var op *pebble.DeferredBatchOp
		if row == nil {
			op = batch.DeleteDeferred(len(at))
		} else {
			op = batch.SetDeferred(len(at), keyedSize(key, row))
			putKeyed(op.Value, key, row)
		}
		copy(op.Key, at)
		if err := op.Finish(); err != nil {
			return err
		}
	}
	return nil
}

// addEnd follows the last changes of a layer.
func (d *disk) addEnd(batch *pebble.Batch, number int32, l *layer) error {
	if f := d.fills[number]; f != nil {
		f.note(l)
		return nil
	}
	return d.addMarks(batch, number, l)
}

// addMarks moves on the tables that a layer wrote to: each has a mark of its own.
func (d *disk) addMarks(batch *pebble.Batch, number int32, l *layer) error {
	for table, next := range l.next {
		if next == 0 {
			continue
		}
		if err := batch.Set(markKey(number, table), encodeMark(mark{next, time.Now(), d.ids[table]}), nil); err != nil {
			return err
		}
	}
	if l.host != nil {
		return batch.Set(hostKey(number), l.host, nil)
	}
	return nil
}

func partitionKey(number int32) []byte { return binary.BigEndian.AppendUint32(nil, uint32(number)) }

// rowKey is the key of a key's row in the first table; tablePlace says which.
func rowKey(number int32, key string) []byte {
	sum := sha256.Sum256([]byte(key))
	return append(append(partitionKey(number), 0, 0), sum[:16]...)
}

const tablePlace = 5 // behind the partition and the zero

// putKeyed makes a row with its key in front, in memory of [keyedSize].
func putKeyed(stored []byte, key string, row []byte) {
	n := binary.PutUvarint(stored, uint64(len(key)))
	n += copy(stored[n:], key)
	copy(stored[n:], row)
}

func keyedSize(key string, row []byte) int {
	var length [binary.MaxVarintLen64]byte
	return binary.PutUvarint(length[:], uint64(len(key))) + len(key) + len(row)
}

// unkeyed splits what [putKeyed] made. The row is a part of stored.
func unkeyed(stored []byte) (key string, row []byte, err error) {
	n, used := binary.Uvarint(stored)
	if used <= 0 || n > uint64(len(stored)-used) {
		return "", nil, errors.New("a local row has no key")
	}
	rest := stored[used:]
	return string(rest[:n]), rest[n:], nil
}

func markKey(number int32, table int) []byte { return append(partitionKey(number), 1, byte(table)) }
func hostKey(number int32) []byte            { return append(partitionKey(number), 2) }

// mark says up to where a table is on disk, and when that was written.
type mark struct {
	next int64
	at   time.Time
	id   [16]byte // of the topic: one made anew is another one
}

func encodeMark(m mark) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(m.next))
	return append(binary.BigEndian.AppendUint64(b, uint64(m.at.UnixMilli())), m.id[:]...)
}

func decodeMark(b []byte) (mark, bool) {
	if len(b) != 32 {
		return mark{}, false
	}
	return mark{int64(binary.BigEndian.Uint64(b)), time.UnixMilli(int64(binary.BigEndian.Uint64(b[8:]))), [16]byte(b[16:])}, true
}

// load reads a partition's rows, if they are young enough to be of use.
func (d *disk) load(p *partition) error {
	if d == nil || d.isBroken() {
		return nil
	}
	d.sync() // what a former ownership of the partition left in the queue
	marks, newest, err := d.marks(p.number)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(marks, func(next int64) bool { return next != 0 }) {
		d.forget(p.number) // and keep it from now on
		return nil
	}
	if time.Since(newest) > staleAfter || slices.Min(marks) < 0 {
		d.say("local rows are too old to be sure of deletions, or of another topic; reading all of the table",
			"partition", p.number, "written", newest)
		d.forget(p.number)
		return nil
	}
	p.rows.mu.Lock()
	defer p.rows.mu.Unlock()
	if err := d.loadRows(p); err != nil {
		return err
	}
	copy(p.rows.next, marks)
	return nil
}

// marks reads up to where each table is; -1 for a mark that says nothing of the
// topic as it is now.
func (d *disk) marks(number int32) (next []int64, newest time.Time, err error) {
	next = make([]int64, len(d.tables))
	for table := range d.tables {
		value, closer, err := d.db.Get(markKey(number, table))
		if errors.Is(err, pebble.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, newest, err
		}
		if m, ok := decodeMark(value); !ok || m.id != d.ids[table] {
			next[table] = -1
		} else {
			next[table] = m.next
			if m.at.After(newest) {
				newest = m.at
			}
		}
		if err := closer.Close(); err != nil {
			return nil, newest, err
		}
	}
	return next, newest, nil
}

func (d *disk) loadRows(p *partition) error {
	iterator, err := d.db.NewIter(&pebble.IterOptions{LowerBound: partitionKey(p.number), UpperBound: partitionKey(p.number + 1)})
	if err != nil {
		return err
	}
	for iterator.First(); iterator.Valid(); iterator.Next() {
		rest := iterator.Key()[4:]
		value, err := iterator.ValueAndErr()
		if err != nil {
			return errors.Join(err, iterator.Close())
		}
		switch {
		case rest[0] == 0:
			key, row, err := unkeyed(value)
			if err != nil {
				return errors.Join(err, iterator.Close())
			}
			p.rows.put(int(rest[1]), key, row) // copies it
		case rest[0] == 2:
			p.rows.host = bytes.Clone(value)
		}
	}
	return errors.Join(iterator.Error(), iterator.Close())
}

// close writes what is in memory down.
func (d *disk) close() {
	if d == nil {
		return
	}
	close(d.queue)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		<-d.done
		close(d.purges)
		<-d.purged
		if err := errors.Join(d.db.Flush(), d.db.Close()); err != nil {
			d.say("local rows could not be written down", "error", err)
		}
	}()
	select {
	case <-closed:
	case <-d.broken: // Pebble may try for ever to write to a directory that is gone
	}
}
