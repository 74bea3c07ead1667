package host

import (
	"encoding/binary"
	"math"
	"slices"
)

// rowBlocks hold the rows of a shard behind each other, in blocks of bytes. A row that
// is written again leaves its former bytes as waste. When more than a third of all is
// waste, the block that has most of it is emptied: its rows that count go behind all
// others, and it is written again from its beginning. So rows that change all the time
// touch no memory that has not been touched before. It is the cleaner of Rumble,
// Kejriwal and Ousterhout, "Log-structured memory for DRAM-based storage", FAST 2014,
// without its order of age.
//
// What is lost at the end of a block counts as waste. It is a third of one at most: so a
// block that has just been filled never has most waste while there is too much, and
// emptying comes to an end.
//
// What has been read holds until something is written.
//
// In front of a row are its length (4 bytes; with the highest bit: it is waste) and the
// hash of its key (8 bytes), by which its head is found when it moves.
type rowBlocks struct {
	list  []rowBlock
	spare []uint32 // places in list that hold nothing, some of them with memory
	open  uint32   // one more than the place of the block that is written to; 0: there is none
	used  int      // bytes of blocks that hold something, without the open one's room
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
	n := b.blockFor(size)
	block := &b.list[n]
	bytes := binary.LittleEndian.AppendUint32(block.bytes, uint32(len(row)))
	bytes = binary.LittleEndian.AppendUint64(bytes, hash)
	binary.LittleEndian.PutUint32(p, n+1)
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

// blockFor is a block with room for size bytes. Where more than a third of the open
// block would be lost, or another one is too small, the row gets a block of its own.
func (b *rowBlocks) blockFor(size int) uint32 {
	common := blockSize(b.live)
	switch {
	case b.open != 0 && size <= b.room():
		return b.open - 1
	case size > common, b.open != 0 && b.room() > cap(b.list[b.open-1].bytes)/3:
		n := b.take(size, size, size+size/4)
		b.used += cap(b.list[n].bytes) - size
		return n
	default:
		b.leave()
		n := b.take(common, common, mostBlock)
		b.open = n + 1
		return n
	}
}

// room is what is left of the open block.
func (b *rowBlocks) room() int {
	bytes := b.list[b.open-1].bytes
	return cap(bytes) - len(bytes)
}

// leave has nothing be written to the open block any more.
func (b *rowBlocks) leave() {
	if b.open != 0 {
		b.used += b.room()
		b.open = 0
	}
}

// take gives a block that holds nothing: one that was given up before if one has
// room from least to most bytes, or else a new one of size.
func (b *rowBlocks) take(size, least, most int) uint32 {
	place := slices.IndexFunc(b.spare, func(n uint32) bool {
		room := cap(b.list[n].bytes)
		return least <= room && room <= most
	})
	if place < 0 {
		place = slices.IndexFunc(b.spare, func(n uint32) bool { return b.list[n].bytes == nil })
	}
	if place < 0 {
		b.list = append(b.list, rowBlock{bytes: make([]byte, 0, size)})
		return uint32(len(b.list) - 1)
	}
	n := b.spare[place]
	b.spare = slices.Delete(b.spare, place, place+1)
	if b.list[n].bytes == nil {
		b.list[n].bytes = make([]byte, 0, size)
	}
	return n
}

func (b *rowBlocks) wasteful() bool { return b.used > 3*b.live/2+slack }

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
		block, size := &b.list[n], cap(b.list[n].bytes)
		if uint32(n+1) == b.open {
			size = len(block.bytes)
		}
		if share := float64(block.live) / float64(size); len(block.bytes) > 0 && share < least {
			worst, least = uint32(n), share
		}
	}
	return worst
}

// free gives up a block of which nothing counts any more. Those that were freed last keep
// their memory: they are as large as is asked for now.
func (b *rowBlocks) free(n uint32) {
	block := &b.list[n]
	spoil(block.bytes)
	b.used -= cap(block.bytes)
	block.bytes = block.bytes[:0]
	if cap(block.bytes) > mostBlock {
		block.bytes = nil
	}
	b.spare = append(b.spare, n)
	kept := 0
	for i := len(b.spare) - 1; i >= 0; i-- {
		if old := &b.list[b.spare[i]]; old.bytes != nil {
			if kept++; kept > spareBlocks {
				old.bytes = nil
			}
		}
	}
}

// emptyWorst moves the rows that count of the block of which least does, and frees it.
// It asks for the pointers to them.
func (b *rowBlocks) emptyWorst(pointerTo func(hash uint64, at slot) []byte) {
	worst := b.worst()
	if worst+1 == b.open {
		b.leave()
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
