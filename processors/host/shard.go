package host

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"iter"
	"slices"
)

// shard holds the rows of some keys in a few blocks of bytes, where garbage
// collection finds no pointer to follow: were every row one, it would look at
// millions of them again and again. A row that is written goes behind all
// others, so what has been read stays as it is for as long as somebody holds it.
// When a third of the blocks has been replaced, what counts is copied into new ones.
//
// In a block are heads, which are the length of a key, the key, and for each
// table where its row is: block plus one and place, four bytes each, or zeros.
// And rows, which are a length and bytes.
type shard struct {
	index  map[uint64]slot // where heads are, by hash of the key
	others map[string]slot // of keys whose hash in index is another key's
	blocks [][]byte
	used   int // bytes of blocks that are written
	live   int // bytes of them that count
}

type slot struct{ block, at uint32 }

// Blocks are an eighth of what the shard holds, but not smaller or larger than this.
const (
	leastBlock = 1 << 9
	mostBlock  = 1 << 16

	slack       = 1 << 12 // bytes that may be replaced in any case
	pointerSize = 8       // of a head, for each table
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
	b := s.blocks[head.block][head.at:]
	n, used := binary.Uvarint(b)
	end := used + int(n)
	return b[used:end:end], b[end:]
}

// row gives the row of a table, and how many bytes it takes with its length.
func (s *shard) row(pointers []byte, table int) (row []byte, size int) {
	p := pointers[table*pointerSize:]
	block := binary.LittleEndian.Uint32(p)
	if block == 0 {
		return nil, 0
	}
	b := s.blocks[block-1][binary.LittleEndian.Uint32(p[4:]):]
	n, used := binary.Uvarint(b)
	size = used + int(n)
	return b[used:size:size], size
}

// read puts the rows of a head into set.
func (s *shard) read(head slot, set rowSet) {
	_, pointers := s.open(head)
	for table := range set {
		set[table], _ = s.row(pointers, table)
	}
}

// add makes a head for a key that has none.
func (s *shard) add(hash uint64, key string, tables int) slot {
	head := s.head([]byte(key), tables)
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

// head writes one that points to nothing.
func (s *shard) head(key []byte, tables int) slot {
	b, head := s.room(binary.MaxVarintLen32 + len(key) + tables*pointerSize)
	*b = append(binary.AppendUvarint(*b, uint64(len(key))), key...)
	*b = (*b)[:len(*b)+tables*pointerSize] // of a new block: zeros
	s.grew(head, len(*b))
	return head
}

// write changes the rows of a head, in the tables of which; nil deletes.
func (s *shard) write(head slot, set rowSet, which uint16) {
	_, pointers := s.open(head)
	for table, row := range set {
		if which&(1<<table) == 0 {
			continue
		}
		_, size := s.row(pointers, table)
		s.live -= size
		s.point(pointers, table, row)
	}
	s.tidy(len(set))
}

// point writes a row and has a head point to it.
func (s *shard) point(pointers []byte, table int, row []byte) {
	p := pointers[table*pointerSize:][:pointerSize]
	if row == nil {
		clear(p)
		return
	}
	b, at := s.room(binary.MaxVarintLen32 + len(row))
	*b = append(binary.AppendUvarint(*b, uint64(len(row))), row...)
	s.grew(at, len(*b))
	binary.LittleEndian.PutUint32(p, at.block+1)
	binary.LittleEndian.PutUint32(p[4:], at.at)
}

// remove forgets a key and its rows.
func (s *shard) remove(hash uint64, key string, tables int) {
	head, found := s.find(hash, key)
	if !found {
		return
	}
	_, pointers := s.open(head)
	for table := range tables {
		_, size := s.row(pointers, table)
		s.live -= size
	}
	s.live -= len(s.blocks[head.block]) - int(head.at) - len(pointers) + tables*pointerSize
	if _, other := s.others[key]; other {
		delete(s.others, key)
	} else {
		delete(s.index, hash)
	}
	s.tidy(tables)
}

// room gives a block that takes so many bytes more without being moved, and
// where they will be.
func (s *shard) room(size int) (*[]byte, slot) {
	if n := len(s.blocks); n == 0 || cap(s.blocks[n-1])-len(s.blocks[n-1]) < size {
		s.blocks = append(s.blocks, make([]byte, 0, max(size, min(max(s.live/8, leastBlock), mostBlock))))
	}
	b := &s.blocks[len(s.blocks)-1]
	return b, slot{uint32(len(s.blocks) - 1), uint32(len(*b))}
}

// grew counts what was written from a slot to the end of its block.
func (s *shard) grew(from slot, end int) {
	s.used += end - int(from.at)
	s.live += end - int(from.at)
}

// tidy copies what counts if that is less than two thirds.
func (s *shard) tidy(tables int) {
	if s.live > 0 && s.used <= s.live+s.live/2+slack {
		return
	}
	old := *s
	s.blocks, s.used, s.live = nil, 0, 0
	again := func(head slot) slot {
		key, from := old.open(head)
		head = s.head(key, tables)
		_, to := s.open(head)
		for table := range tables {
			if row, _ := old.row(from, table); row != nil {
				s.point(to, table, row)
			}
		}
		return head
	}
	for hash, head := range s.index {
		s.index[hash] = again(head)
	}
	for key, head := range s.others {
		s.others[key] = again(head)
	}
}

// all gives the rows of all keys, in no order. The set is the same each time; key
// and rows are for reading.
func (s *shard) all(tables int) iter.Seq2[[]byte, rowSet] {
	return func(yield func([]byte, rowSet) bool) {
		set := make(rowSet, tables)
		give := func(head slot) bool {
			key, _ := s.open(head)
			s.read(head, set)
			return yield(key, set)
		}
		for _, head := range s.index {
			if !give(head) {
				return
			}
		}
		for _, head := range s.others {
			if !give(head) {
				return
			}
		}
	}
}

// after gives the keys behind one, in order; behind "" are all. They are for reading.
func (s *shard) after(key string) [][]byte {
	var keys [][]byte
	for next := range s.all(0) {
		if key == "" || string(next) > key {
			keys = append(keys, next)
		}
	}
	slices.SortFunc(keys, bytes.Compare)
	return keys
}
