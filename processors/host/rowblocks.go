package host

import (
	"encoding/binary"
	"math"
)

// rowBlocks hold the rows of a shard behind each other, in blocks of bytes. A row that
// is written again leaves its former bytes as waste. When more than half of all is
// waste, the block that has most of it is emptied: its rows that count go behind all
// others, and it is written again from its beginning. So rows that change all the time
// touch no memory that has not been touched before. It is the cleaner of Rumble,
// Kejriwal and Ousterhout, "Log-structured memory for DRAM-based storage", FAST 2014,
// without its order of age.
//
// What has been read holds until something is written.
//
// In front of a row are its length (4 bytes; with the highest bit: it is waste) and the
// hash of its key (8 bytes), by which its head is found when it moves.
type rowBlocks struct {
	list  []rowBlock
	spare []uint32 // places in list that hold nothing, some of them with memory
	last  uint32   // the block that is written to, if there is one
	used  int      // bytes that are written
	live  int      // that count
}

type rowBlock struct {
	bytes []byte
	live  int
}

const (
	rowHeader   = 4 + 8
	rowIsWaste  = 1 << 31
	spareBlocks = 2 // that keep their memory
)

// spoil is what happens to memory that nobody may look at any more: nothing, but in tests.
var spoil = func([]byte) {}

// row is what a pointer points to; nil: nothing.
func (b *rowBlocks) row(p []byte) []byte {
	block := binary.LittleEndian.Uint32(p)
	if block == 0 {
		return nil
	}
	at := binary.LittleEndian.Uint32(p[numberSize:])
	end := at + binary.LittleEndian.Uint32(p[2*numberSize:])
	return b.list[block-1].bytes[at:end:end]
}

// put writes a row, of a key with this hash, and has the pointer point to it.
func (b *rowBlocks) put(p []byte, hash uint64, row []byte) {
	size := rowHeader + len(row)
	if len(b.list) == 0 || cap(b.list[b.last].bytes)-len(b.list[b.last].bytes) < size {
		b.begin(size)
	}
	block := &b.list[b.last]
	bytes := binary.LittleEndian.AppendUint32(block.bytes, uint32(len(row)))
	bytes = binary.LittleEndian.AppendUint64(bytes, hash)
	binary.LittleEndian.PutUint32(p, b.last+1)
	binary.LittleEndian.PutUint32(p[numberSize:], uint32(len(bytes)))
	binary.LittleEndian.PutUint32(p[2*numberSize:], uint32(len(row)))
	block.bytes = append(bytes, row...)
	block.live += size
	b.used += size
	b.live += size
}

// waste makes the row that a pointer points to, if there is one, not count any more.
func (b *rowBlocks) waste(p []byte) {
	if n := binary.LittleEndian.Uint32(p); n != 0 {
		block, length := &b.list[n-1], binary.LittleEndian.Uint32(p[2*numberSize:])
		binary.LittleEndian.PutUint32(block.bytes[binary.LittleEndian.Uint32(p[numberSize:])-rowHeader:], length|rowIsWaste)
		block.live -= rowHeader + int(length)
		b.live -= rowHeader + int(length)
		clear(p[:pointerSize])
	}
}

// begin makes a block with room for size bytes, at least, the last one.
func (b *rowBlocks) begin(size int) {
	least := max(size, b.blockSize()/2)
	for i, n := range b.spare {
		if cap(b.list[n].bytes) >= least {
			b.spare[i] = b.spare[len(b.spare)-1]
			b.spare, b.last = b.spare[:len(b.spare)-1], n
			return
		}
	}
	fresh := rowBlock{bytes: make([]byte, 0, max(size, b.blockSize()))}
	if n := len(b.spare); n > 0 {
		b.last, b.spare = b.spare[n-1], b.spare[:n-1]
		b.list[b.last] = fresh
		return
	}
	b.last = uint32(len(b.list))
	b.list = append(b.list, fresh)
}

func (b *rowBlocks) blockSize() int { return blockSize(b.live) }

func (b *rowBlocks) wasteful() bool { return b.used > 2*b.live+slack }

// clear gives up all memory.
func (b *rowBlocks) clear() {
	for i := range b.list {
		spoil(b.list[i].bytes)
	}
	*b = rowBlocks{}
}

// worst is the block of which the smallest part counts.
func (b *rowBlocks) worst() uint32 {
	worst, least := uint32(0), math.Inf(1)
	for n := range b.list {
		block := &b.list[n]
		if share := float64(block.live) / float64(len(block.bytes)); len(block.bytes) > 0 && share < least {
			worst, least = uint32(n), share
		}
	}
	return worst
}

// free gives up a block of which nothing counts any more.
func (b *rowBlocks) free(n uint32) {
	block := &b.list[n]
	spoil(block.bytes)
	b.used -= len(block.bytes)
	withMemory := 0
	for _, other := range b.spare {
		if b.list[other].bytes != nil {
			withMemory++
		}
	}
	block.bytes = block.bytes[:0]
	if size := cap(block.bytes); withMemory >= spareBlocks || size > mostBlock || size < b.blockSize()/2 {
		block.bytes = nil
	}
	b.spare = append(b.spare, n)
}

// emptyWorst moves the rows that count of the block of which least does, and frees it.
// It asks for the pointers to them.
func (b *rowBlocks) emptyWorst(pointerTo func(hash uint64, at slot) []byte) {
	worst := b.worst()
	if worst == b.last {
		b.begin(0)
	}
	bytes := b.list[worst].bytes
	for at := uint32(0); b.list[worst].live > 0; {
		length, hash := binary.LittleEndian.Uint32(bytes[at:]), binary.LittleEndian.Uint64(bytes[at+numberSize:])
		at += rowHeader
		if length&rowIsWaste == 0 {
			p := pointerTo(hash, slot{worst, at})
			row := b.row(p)
			b.waste(p)
			b.put(p, hash, row)
		}
		at += length &^ rowIsWaste
	}
	b.free(worst)
}
