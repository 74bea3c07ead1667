package host

import (
	"slices"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"kairos/processors/arena"
	"kairos/schemas"
)

const (
	shardCount = 256
	maxTables  = 16
)

// rows are the committed rows of one partition, of all tables of the group, in
// memory. Sweeps walk them shard by shard, so a row must stay in its shard:
// the hash of the key is part of the persistent cursor.
//
// Only the owner goroutine changes rows, between batches; steps read without
// the lock while no change can happen, everybody else reads with it. What has been
// read holds until then: memory of rows is used again.
type rows struct {
	mu     sync.RWMutex
	tables []string
	shards [shardCount]shard
	count  int
	bytes  int64   // of keys and values
	next   []int64 // per table: the offset after the last record that is in here
	host   []byte  // the encoded schemas.HostState
	change rowSet  // of the key that is written
}

// rowSet holds one key's rows, one place per table; nil where there is none.
type rowSet [][]byte

func newRows(tables []string) *rows {
	return &rows{tables: tables, next: make([]int64, len(tables)), change: make(rowSet, len(tables))}
}

func shardOf(key string) int { return int(xxhash.Sum64String(key) % shardCount) }

func (r *rows) get(table int, key string) []byte {
	set := make(rowSet, len(r.tables))
	r.fill(set, key)
	return set[table]
}

// fill puts the rows of a key into set, and says where they are. They hold until rows change.
func (r *rows) fill(set rowSet, key string) spot {
	at := r.spotOf(key)
	at.read(set)
	return at
}

// put changes one row; the caller holds the lock. Value nil deletes.
func (r *rows) put(table int, key string, value []byte) {
	if key == schemas.HostKey {
		if table == 0 {
			r.host = slices.Clone(value)
		}
		return
	}
	set := make(rowSet, len(r.tables))
	set[table] = value
	r.write(key, r.spotOf(key), set, 1<<table)
}

// spot is where the rows of a key are, as long as its shard's heads stay where
// they were.
type spot struct {
	shard *shard
	hash  uint64
	head  slot
	found bool
	moves int
}

func (r *rows) spotOf(key string) spot { return r.spotBy(hashOf(key), key) }

// spotBy is spotOf, given the key's hash.
func (r *rows) spotBy(hash uint64, key string) spot {
	return spot{shard: &r.shards[shardOf(key)], hash: hash}.again(key)
}

// again is where the rows of the key are now.
func (s spot) again(key string) spot {
	if !s.found || s.moves != s.shard.moves {
		s.head, s.found = s.shard.find(s.hash, key)
		s.moves = s.shard.moves
	}
	return s
}

// read puts the rows that are there into set.
func (s spot) read(set rowSet) {
	if s.found {
		s.shard.read(s.head, set)
	} else {
		clear(set)
	}
}

// write changes the rows of a key in the tables of which; nil deletes. It says where
// they are then.
func (r *rows) write(key string, at spot, set rowSet, which uint16) spot {
	at, now := at.again(key), r.change
	at.read(now)
	if at.found {
		r.count--
		r.bytes -= int64(len(key)) + now.size()
	}
	set.onto(now, which)
	if now.empty() {
		at.shard.remove(at.hash, key, len(now))
		at.found = false
		return at
	}
	if !at.found {
		at.head, at.found = at.shard.headOf(at.hash, key, len(now)), true
	}
	at.shard.write(at.hash, at.head, set, which)
	r.count++
	r.bytes += int64(len(key)) + now.size()
	return at
}

func (s rowSet) size() (bytes int64) {
	for _, row := range s {
		bytes += int64(len(row))
	}
	return bytes
}

func (s rowSet) empty() bool {
	for _, row := range s {
		if row != nil {
			return false
		}
	}
	return true
}

// wake is when the first of the rows wants to be woken; 0: never.
func (s rowSet) wake() schemas.Instant {
	var first schemas.Instant
	for _, row := range s {
		if wake := schemas.WakeOf(row); wake != 0 && (first == 0 || wake < first) {
			first = wake
		}
	}
	return first
}

// blank reports whether nothing has been read yet.
func (r *rows) blank() bool {
	for _, next := range r.next {
		if next != 0 {
			return false
		}
	}
	return true
}

// clear forgets everything, to be read again from the start.
func (r *rows) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	fresh := newRows(r.tables)
	r.shards, r.count, r.bytes, r.next, r.host = fresh.shards, 0, 0, fresh.next, nil
}

// layer is what one batch changes in the rows of one partition, until its
// transaction is committed (then it goes into the rows) or aborted (then
// nothing is left of it).
type layer struct {
	changes []change         // by key, in the order in which they were first made
	first   []int32          // of the changes that begin with the same bits of a hash: its place plus one; 0: there is none
	memory  arena.Of[[]byte] // for the rows of changes
	host    []byte           // nil: unchanged
	next    []int64
	purge   bool      // the disk is to keep nothing of what rows were before
	gone    *rows     // that it has gone into, with all before it; nil: it is open
	oldest  time.Time // when the broker took the first record of the batch; zero: there is none
}

// change is what becomes of a key's rows.
type change struct {
	key  string
	set  uint16 // bit per table
	then int32  // the next change that begins with the same bits, as in layer.first
	rows rowSet
	at   spot            // of the rows that it changes, as a step has found them; its hash alone: nobody has looked
	from schemas.Instant // when the key was to be woken before,
	to   schemas.Instant // and after it; see retime
}

// onto puts the rows of a set of tables over another's.
func (s rowSet) onto(other rowSet, set uint16) {
	for table, row := range s {
		if set&(1<<table) != 0 {
			other[table] = row
		}
	}
}

// layers are those that nobody uses any more: their memory is as large as batches are.
var layers sync.Pool

func newLayer(tables int) *layer {
	if l, ok := layers.Get().(*layer); ok && len(l.next) == tables {
		return l
	}
	return &layer{next: make([]int64, tables)}
}

// forget gives up a layer. What it did not use of its memory costs nothing.
func (l *layer) forget() {
	for i := range l.changes {
		l.first[l.changes[i].at.hash&l.bits()] = 0
	}
	l.memory.Clear()
	clear(l.changes)
	clear(l.next)
	*l = layer{changes: l.changes[:0], first: l.first, memory: l.memory, next: l.next}
	layers.Put(l)
}

// of is what l makes of the rows of a key, whose hash it is given; nil: nothing.
func (l *layer) of(hash uint64, key string) *change {
	if len(l.first) == 0 {
		return nil
	}
	for place := l.first[hash&l.bits()]; place != 0; {
		c := &l.changes[place-1]
		if c.at.hash == hash && c.key == key {
			return c
		}
		place = c.then
	}
	return nil
}

func (l *layer) bits() uint64 { return uint64(len(l.first) - 1) }

// change is of, with a change that changes nothing yet if there is none.
func (l *layer) change(hash uint64, key string) *change {
	c := l.touch(hash, key)
	if c.rows == nil {
		c.rows = l.memory.Take(len(l.next))
	}
	return c
}

// touch is change, without room for rows.
func (l *layer) touch(hash uint64, key string) *change {
	if c := l.of(hash, key); c != nil {
		return c
	}
	place := len(l.changes)
	l.changes = append(l.changes, change{key: key, at: spot{hash: hash}})
	if place >= len(l.first) {
		l.first = make([]int32, max(64, 2*len(l.first)))
		for i := range l.changes[:place] {
			l.link(i)
		}
	}
	l.link(place)
	return &l.changes[place]
}

func (l *layer) link(place int) {
	c := &l.changes[place]
	first := &l.first[c.at.hash&l.bits()]
	c.then, *first = *first, int32(place+1)
}

func (l *layer) put(table int, key string, value []byte) {
	l.change(hashOf(key), key).put(table, value)
}

func (c *change) put(table int, value []byte) {
	c.set |= 1 << table
	c.rows[table] = value
}

// apply makes a committed layer part of the rows.
func (r *rows) apply(l *layer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range l.changes {
		c := &l.changes[i]
		if c.at.shard == nil {
			c.at = r.spotBy(c.at.hash, c.key)
		}
		r.write(c.key, c.at, c.rows, c.set)
	}
	l.gone = r
	if l.host != nil {
		r.host = l.host
	}
	for i, next := range l.next {
		r.next[i] = max(r.next[i], next)
	}
}
