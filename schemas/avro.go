package schemas

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
)

//go:generate go run ./codegen

// native is a record that needs no reflection: all of them, see codecs.go.
type native interface {
	appendAvro(dst []byte) []byte
	holdsBytes() bool                                          // and not texts only
	readAvro(in avroReader) (rest int, room []byte, err error) // lists go into the memory of those that are there
}

// readerOf reads a payload, of which nothing is shared: bytes lie in room, which is
// given back as large as it has become, and texts in a string.
func readerOf(payload []byte, bytes bool, room []byte) avroReader {
	if !bytes {
		return avroReader{rest: payload, text: string(payload)}
	}
	return avroReader{rest: payload, room: room[:0]}
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendVarint(dst, int64(len(s))), s...) // Avro's long is zigzag varint, as Go's
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendVarint(dst, int64(len(b))), b...)
}

func appendDouble(dst []byte, f float64) []byte {
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f))
}

func appendBoolean(dst []byte, b bool) []byte {
	if b {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// An array is one block: how many, the items, and a zero; none at all is the zero.
func appendStrings(dst []byte, items []string) []byte {
	if len(items) > 0 {
		dst = binary.AppendVarint(dst, int64(len(items)))
	}
	for _, item := range items {
		dst = appendString(dst, item)
	}
	return append(dst, 0)
}

func appendInts(dst []byte, items []int32) []byte {
	if len(items) > 0 {
		dst = binary.AppendVarint(dst, int64(len(items)))
	}
	for _, item := range items {
		dst = binary.AppendVarint(dst, int64(item))
	}
	return append(dst, 0)
}

var errDamaged = errors.New("the bytes are not those of the schema")

// avroReader takes a payload apart. Damage makes it empty and sets bad.
type avroReader struct {
	rest  []byte // of the payload
	room  []byte // in which the record's bytes lie
	slack int    // room behind each of them, to add to it where it lies
	text  string // a copy of the payload, in which all texts lie; empty: each is a copy of its own
	whole bool   // records that lie in others are read over old ones, too
	bad   bool
}

func (in *avroReader) fail() { in.rest, in.bad = nil, true }

func (in *avroReader) end() (rest int, room []byte, err error) {
	if in.bad {
		return 0, in.room, errDamaged
	}
	return len(in.rest), in.room, nil
}

func (in *avroReader) long() int64 {
	if len(in.rest) > 0 && in.rest[0] < 0x80 { // most are one byte
		b := int64(in.rest[0])
		in.rest = in.rest[1:]
		return b>>1 ^ -(b & 1)
	}
	v, n := binary.Varint(in.rest)
	if n <= 0 {
		in.fail()
		return 0
	}
	in.rest = in.rest[n:]
	return v
}

// within is a long that a smaller type holds.
func (in *avroReader) within(least, most int64) int64 {
	v := in.long()
	if v < least || v > most {
		in.fail()
		return 0
	}
	return v
}

// some reports whether a union of null and something is something.
func (in *avroReader) some() bool { return in.within(0, 1) == 1 }

// raw is a string, or bytes, as it lies there.
func (in *avroReader) raw() []byte {
	n := in.long()
	if n < 0 || n > int64(len(in.rest)) {
		in.fail()
		return nil
	}
	raw := in.rest[:n]
	in.rest = in.rest[n:]
	return raw
}

func (in *avroReader) bytes() []byte {
	raw := in.raw()
	from := len(in.room)
	if end := len(raw) + in.slack; end > cap(in.room)-from {
		in.room, from = make([]byte, 0, max(2*cap(in.room), end+len(in.rest)+in.slack)), 0 // what was given before keeps the old one
	}
	end := from + len(raw) + in.slack
	in.room = in.room[:end]
	copy(in.room[from:], raw)
	return in.room[from : from+len(raw) : end] // whoever adds more to it moves it away from what follows
}

func (in *avroReader) string() string {
	raw := in.raw()
	if in.text == "" {
		return string(raw)
	}
	end := len(in.text) - len(in.rest)
	return in.text[end-len(raw) : end]
}

func (in *avroReader) boolean() bool { return in.bit() == 1 }

func (in *avroReader) bit() byte {
	if len(in.rest) == 0 || in.rest[0] > 1 {
		in.fail()
		return 0
	}
	b := in.rest[0]
	in.rest = in.rest[1:]
	return b
}

func (in *avroReader) double() float64 {
	if len(in.rest) < 8 {
		in.fail()
		return 0
	}
	f := math.Float64frombits(binary.LittleEndian.Uint64(in.rest))
	in.rest = in.rest[8:]
	return f
}

// block is how many items come next, each of at least so many bytes; 0: the
// array is over. Writers may say the size of a block in bytes, behind a negative
// count. More items than there is room for are damage, before anything is allocated.
func (in *avroReader) block(least int) int {
	n := in.long()
	if n < 0 {
		n = -n
		in.long()
	}
	if n < 0 || n > int64(len(in.rest)/least) {
		in.fail()
		return 0
	}
	return int(n)
}

// emptied is a list to read into the memory of another; it is not nil.
func emptied[T any](old []T) []T {
	if old == nil {
		return []T{}
	}
	return old[:0]
}

func (in *avroReader) strings(old []string) []string {
	items := emptied(old)
	for n := in.block(1); n > 0; n = in.block(1) {
		items = slices.Grow(items, n)
		for range n {
			items = append(items, in.string())
		}
	}
	return items
}

func (in *avroReader) ints(old []int32) []int32 {
	items := emptied(old)
	for n := in.block(1); n > 0; n = in.block(1) {
		items = slices.Grow(items, n)
		for range n {
			items = append(items, int32(in.within(math.MinInt32, math.MaxInt32)))
		}
	}
	return items
}

func appendList[T any](dst []byte, items []T, one func([]byte, *T) []byte) []byte {
	if len(items) > 0 {
		dst = binary.AppendVarint(dst, int64(len(items)))
	}
	for i := range items {
		dst = one(dst, &items[i])
	}
	return append(dst, 0)
}

// readOptional reads a record that need not be there.
func readOptional[T any](in *avroReader, old *T, one func(*avroReader, *T)) *T {
	if !in.some() {
		return nil
	}
	if old == nil || !in.whole {
		old = new(T)
	}
	one(in, old)
	return old
}

// readList reads a list of records, each of at least so many bytes, into the memory
// of an old one, of which nothing else is used again: who worked on its items may
// have let them share what they hold.
func readList[T any](in *avroReader, old []T, least int, one func(*avroReader, *T)) []T {
	items := emptied(old)
	for n := in.block(least); n > 0; n = in.block(least) {
		from := len(items)
		items = slices.Grow(items, n+1)[:from+n] // one more is likely to come
		clear(items[from:])
		for i := from; i < len(items); i++ {
			one(in, &items[i])
		}
	}
	return items
}
