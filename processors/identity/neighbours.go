package identity

import (
	"encoding/binary"
	"sort"

	"kairos/schemas"
)

// neighbours are the identifiers that a row's own has links with, packed: a
// row is decoded for each event, and a thousand records in it would cost more
// than all else. Each takes twenty bytes, big endian, by rising hash: xxhash64
// of the other identifier's key (8), newest day since 1970 (4), earliest
// mention in milliseconds (8). The layout is data: it never changes.
type neighbours []byte

const neighbourBytes = 20

// neighbour is one link that a row knows.
type neighbour struct {
	other uint64
	day   int64
	first schemas.Instant
}

func (n neighbours) len() int { return len(n) / neighbourBytes }

func (n neighbours) hash(i int) uint64 { return binary.BigEndian.Uint64(n[i*neighbourBytes:]) }

func (n neighbours) at(i int) neighbour {
	b := n[i*neighbourBytes:]
	return neighbour{n.hash(i), int64(binary.BigEndian.Uint32(b[8:])), schemas.Instant(binary.BigEndian.Uint64(b[12:]))}
}

func (n neighbours) set(i int, v neighbour) {
	b := n[i*neighbourBytes:]
	binary.BigEndian.PutUint64(b, v.other)
	binary.BigEndian.PutUint32(b[8:], uint32(v.day)) // days until 2200: see latest
	binary.BigEndian.PutUint64(b[12:], uint64(v.first))
}

// find gives the place of a neighbour, and whether it is there.
func (n neighbours) find(other uint64) (i int, found bool) {
	i = sort.Search(n.len(), func(i int) bool { return n.hash(i) >= other })
	return i, i < n.len() && n.hash(i) == other
}

// insert gives n with v at place i.
func (n neighbours) insert(i int, v neighbour) neighbours {
	all := make(neighbours, len(n)+neighbourBytes)
	copy(all, n[:i*neighbourBytes])
	copy(all[(i+1)*neighbourBytes:], n[i*neighbourBytes:])
	all.set(i, v)
	return all
}
