package bulk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// footed checks what a Parquet file says of itself at its end, before the library
// makes room for it: how long the description is, and how long the lists and texts
// in it are.
func footed(file io.ReaderAt, size int64) error {
	const frame, largest = 8, 64 << 20 // length and mark; bytes
	var end [frame]byte
	if size < 2*frame {
		return errors.New("is no Parquet file: it is too short")
	}
	if _, err := file.ReadAt(end[:], size-frame); err != nil {
		return err
	}
	length := int64(binary.LittleEndian.Uint32(end[:4]))
	if string(end[4:]) != "PAR1" || length > min(size-frame, largest) {
		return errors.New("is no Parquet file, or it is encrypted or damaged at its end")
	}
	description := make([]byte, length)
	if _, err := file.ReadAt(description, size-frame-length); err != nil {
		return err
	}
	if w := (walk{left: description}); !w.structure(0) {
		return fmt.Errorf("is damaged: its description is none, from byte %d on", len(description)-len(w.left))
	}
	return nil
}

// walk goes through what Thrift's compact protocol has written, and keeps nothing.
type walk struct{ left []byte }

// Types of Thrift's compact protocol.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftInt16  = 4
	thriftInt32  = 5
	thriftInt64  = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
	thriftUUID   = 13
)

// deepest is how far values may lie within each other; those of Parquet's
// descriptions do about ten deep.
const deepest = 50

// structure goes through fields up to the stop behind the last.
func (w *walk) structure(depth int) bool {
	if depth > deepest {
		return false
	}
	for {
		head, ok := w.one()
		if !ok || head == 0 {
			return ok
		}
		if head>>4 == 0 { // the field's number does not fit
			if _, ok = w.number(); !ok {
				return false
			}
		}
		if kind := head & 15; kind != thriftTrue && kind != thriftFalse && !w.value(kind, depth) {
			return false
		}
	}
}

func (w *walk) value(kind byte, depth int) bool {
	switch kind {
	case thriftTrue, thriftFalse, thriftByte:
		return w.skip(1)
	case thriftInt16, thriftInt32, thriftInt64:
		_, ok := w.number()
		return ok
	case thriftDouble:
		return w.skip(8)
	case thriftBinary:
		length, ok := w.number()
		return ok && w.skip(length)
	case thriftList, thriftSet:
		return w.list(depth)
	case thriftMap:
		return w.pairs(depth)
	case thriftStruct:
		return w.structure(depth + 1)
	case thriftUUID:
		return w.skip(16)
	}
	return false
}

func (w *walk) list(depth int) bool {
	head, ok := w.one()
	items := uint64(head >> 4)
	if ok && items == 15 {
		items, ok = w.number()
	}
	return ok && w.items(items, depth, head&15)
}

func (w *walk) pairs(depth int) bool {
	items, ok := w.number()
	if !ok || items == 0 {
		return ok
	}
	kinds, ok := w.one()
	return ok && w.items(items, depth, kinds>>4, kinds&15)
}

// items goes through so many values, or groups of values, none of which takes less
// than a byte.
func (w *walk) items(many uint64, depth int, kinds ...byte) bool {
	if depth >= deepest || many > uint64(len(w.left)) {
		return false
	}
	for range many {
		for _, kind := range kinds {
			if !w.value(kind, depth+1) {
				return false
			}
		}
	}
	return true
}

func (w *walk) one() (byte, bool) {
	if len(w.left) == 0 {
		return 0, false
	}
	b := w.left[0]
	w.left = w.left[1:]
	return b, true
}

func (w *walk) number() (uint64, bool) {
	n, length := binary.Uvarint(w.left)
	if length <= 0 {
		return 0, false
	}
	w.left = w.left[length:]
	return n, true
}

func (w *walk) skip(bytes uint64) bool {
	if bytes > uint64(len(w.left)) {
		return false
	}
	w.left = w.left[bytes:]
	return true
}
