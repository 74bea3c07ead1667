package host

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"iter"
	"math/bits"
	"slices"
)

// shard holds the rows of some keys in a few blocks of bytes, where garbage
// collection finds no pointer to follow: were every row one, it would look at
// millions of them again and again.
//
// A head is the length of a key, the key, and for each table where its row is:
// block plus one, place and length, or zeros. Heads have blocks of their own, for
// who looks for a key, or for one of its rows, comes by many of them, and memory
// that lies apart is slow.
type shard struct {
	index  map[uint64]slot // where heads are, by hash of the key
	others map[string]slot // of keys whose hash in index is another key's
	heads  blocks
	rows   rowBlocks
	moves  int // how often heads have gone from where they were: whenever one is removed, others may be tidied
}

const (
	numberSize  = 4
	pointerSize = 3 * numberSize // of a head, for each table
)

// Nobody who chooses keys can choose hashes that meet.
var seed = maphash.MakeSeed()

func hashOf(key string) uint64 { return maphash.String(seed, key) }

// find gives the head of a key, whose hash it is given.
func (s *shard) find(hash uint64, key string) (head slot, found bool) {
	if head, found = s.index[hash]; found {
		if k, _ := s.open(head); string(k) == key {
			return head, true
		}
	}
	head, found = s.others[key]
	return head, found
}

// open gives a head's key, and what follows it.
func (s *shard) open(head slot) (key, pointers []byte) {
	b := s.heads.list[head.block][head.at:]
	end := numberSize + binary.LittleEndian.Uint32(b)
	return b[numberSize:end:end], b[end:]
}

// pointerOf is where the row of a table is, by what follows a head's key.
func pointerOf(pointers []byte, table int) []byte {
	return pointers[table*pointerSize:][:pointerSize]
}

// read puts the rows of a head into set. They hold until something is written.
func (s *shard) read(head slot, set rowSet) {
	_, pointers := s.open(head)
	for table := range set {
		set[table] = s.rows.row(pointerOf(pointers, table))
	}
}

// headOf gives the head of a key, a new one that points to nothing if it has none.
func (s *shard) headOf(hash uint64, key string, tables int) slot {
	head, found := s.find(hash, key)
	if found {
		return head
	}
	head = s.heads.append(binary.LittleEndian.AppendUint32(nil, uint32(len(key))), []byte(key), make([]byte, tables*pointerSize))
	if _, taken := s.index[hash]; !taken {
		if s.index == nil {
			s.index = map[uint64]slot{}
		}
		s.index[hash] = head
	} else {
		if s.others == nil {
			s.others = map[string]slot{}
		}
		s.others[key] = head
	}
	return head
}

// write changes the rows of a head, of a key with this hash, in the tables of which;
// nil deletes.
func (s *shard) write(hash uint64, head slot, set rowSet, which uint16) {
	_, pointers := s.open(head)
	for table, row := range set {
		if which&(1<<table) == 0 {
			continue
		}
		p := pointerOf(pointers, table)
		s.rows.waste(p)
		if row != nil {
			s.rows.put(p, hash, row)
		}
	}
	s.tidyRows(len(set))
}

// remove forgets a key and its rows.
func (s *shard) remove(hash uint64, key string, tables int) {
	head, found := s.find(hash, key)
	if !found {
		return
	}
	_, pointers := s.open(head)
	for table := range tables {
		s.rows.waste(pointerOf(pointers, table))
	}
	s.heads.live -= headSize([]byte(key), tables)
	s.moves++
	if _, other := s.others[key]; other {
		delete(s.others, key)
	} else {
		delete(s.index, hash)
	}
	if s.heads.wasteful() {
		s.tidyHeads(tables)
	}
	s.tidyRows(tables)
}

func headSize(key []byte, tables int) int { return numberSize + len(key) + tables*pointerSize }

// tidyRows empties blocks of rows until less is wasted than counts.
func (s *shard) tidyRows(tables int) {
	if s.rows.live == 0 {
		s.rows.clear()
	}
	for s.rows.wasteful() {
		s.rows.emptyWorst(func(hash uint64, at slot) []byte { return s.pointerTo(hash, at, tables) })
	}
}

// pointerTo finds the pointer to a row that counts, by the hash of its key.
func (s *shard) pointerTo(hash uint64, at slot, tables int) []byte {
	if head, found := s.index[hash]; found {
		if p := s.pointerIn(head, at, tables); p != nil {
			return p
		}
	}
	for _, head := range s.others {
		if p := s.pointerIn(head, at, tables); p != nil {
			return p
		}
	}
	panic("host: a row that counts has no head")
}

func (s *shard) pointerIn(head, at slot, tables int) []byte {
	_, pointers := s.open(head)
	for table := range tables {
		if p := pointerOf(pointers, table); binary.LittleEndian.Uint32(p) == at.block+1 && binary.LittleEndian.Uint32(p[numberSize:]) == at.at {
			return p
		}
	}
	return nil
}

// tidyHeads copies the heads that count.
func (s *shard) tidyHeads(tables int) {
	old := *s
	s.heads = blocks{}
	again := func(head slot) slot {
		key, _ := old.open(head)
		return s.heads.append(old.heads.list[head.block][head.at:][:headSize(key, tables)])
	}
	for hash, head := range s.index {
		s.index[hash] = again(head)
	}
	for key, head := range s.others {
		s.others[key] = again(head)
	}
}

// all gives all heads, in no order.
func (s *shard) all() iter.Seq[slot] {
	return func(yield func(slot) bool) {
		for _, head := range s.index {
			if !yield(head) {
				return
			}
		}
		for _, head := range s.others {
			if !yield(head) {
				return
			}
		}
	}
}

// each gives the rows of all keys, in no order. The set is the same each time; key
// and rows are for reading.
func (s *shard) each(tables int) iter.Seq2[[]byte, rowSet] {
	return func(yield func([]byte, rowSet) bool) {
		set := make(rowSet, tables)
		for head := range s.all() {
			key, _ := s.open(head)
			s.read(head, set)
			if !yield(key, set) {
				return
			}
		}
	}
}

// after gives the keys behind one, in order; behind "" are all. They are for reading.
func (s *shard) after(key string) [][]byte {
	var keys [][]byte
	for head := range s.all() {
		if next, _ := s.open(head); key == "" || string(next) > key {
			keys = append(keys, next)
		}
	}
	slices.SortFunc(keys, bytes.Compare)
	return keys
}

// blocks hold heads behind each other, in blocks of [blockSize] if what one is for fits.
type blocks struct {
	list [][]byte
	used int // bytes that are written
	live int // that count
}

type slot struct{ block, at uint32 }

const (
	leastBlock = 1 << 9
	mostBlock  = 1 << 16
	slack      = 1 << 12 // bytes that need not count in any case
)

// blockSize is the largest power of two, within bounds, that is no more than a quarter
// of what counts. So it seldom changes, and blocks can be used again.
func blockSize(live int) int {
	return 1 << (bits.Len(uint(min(max(live/4, leastBlock), mostBlock))) - 1)
}

// append puts parts behind all others, together, and says where.
func (b *blocks) append(parts ...[]byte) slot {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	n := len(b.list)
	if n == 0 || cap(b.list[n-1])-len(b.list[n-1]) < size {
		b.list = append(b.list, make([]byte, 0, max(size, blockSize(b.live))))
		n++
	}
	last := &b.list[n-1]
	at := slot{uint32(n - 1), uint32(len(*last))}
	for _, part := range parts {
		*last = append(*last, part...) // never into another block: somebody may hold what is in this one
	}
	b.used += size
	b.live += size
	return at
}

// wasteful reports whether what counts is less than half.
func (b *blocks) wasteful() bool { return b.used > 2*b.live+slack || b.live == 0 && b.used > 0 }
