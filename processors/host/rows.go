package host

import (
	"slices"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

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
// the lock while no change can happen, everybody else reads with it.
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

// fill puts the rows of a key into set.
func (r *rows) fill(set rowSet, key string) {
	s := &r.shards[shardOf(key)]
	if head, found := s.find(hashOf(key), key); found {
		s.read(head, set)
	} else {
		clear(set)
	}
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
	r.write(key, set, 1<<table)
}

// write changes the rows of a key in the tables of which; nil deletes.
func (r *rows) write(key string, set rowSet, which uint16) {
	s, hash, now := &r.shards[shardOf(key)], hashOf(key), r.change
	head, found := s.find(hash, key)
	if found {
		s.read(head, now)
		r.count--
		r.bytes -= int64(len(key)) + now.size()
	} else {
		clear(now)
	}
	set.onto(now, which)
	if now.empty() {
		s.remove(hash, key, len(now))
		return
	}
	if !found {
		head = s.headOf(hash, key, len(now))
	}
	s.write(head, set, which)
	r.count++
	r.bytes += int64(len(key)) + now.size()
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
	changes map[string]*change
	host    []byte // nil: unchanged
	next    []int64
	purge   bool      // the disk is to keep nothing of what rows were before
	oldest  time.Time // when the broker took the first record of the batch; zero: there is none
}

type change struct {
	set  uint16 // bit per table
	rows rowSet
}

// onto puts the rows of a set of tables over another's.
func (s rowSet) onto(other rowSet, set uint16) {
	for table, row := range s {
		if set&(1<<table) != 0 {
			other[table] = row
		}
	}
}

func newLayer(tables int) *layer {
	return &layer{changes: map[string]*change{}, next: make([]int64, tables)}
}

func (l *layer) put(table int, key string, value []byte) {
	c := l.changes[key]
	if c == nil {
		c = &change{rows: make(rowSet, len(l.next))}
		l.changes[key] = c
	}
	c.set |= 1 << table
	c.rows[table] = value
}

// apply makes a committed layer part of the rows.
func (r *rows) apply(l *layer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, c := range l.changes {
		r.write(key, c.rows, c.set)
	}
	if l.host != nil {
		r.host = l.host
	}
	for i, next := range l.next {
		r.next[i] = max(r.next[i], next)
	}
}
