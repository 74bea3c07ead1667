package host

import (
	"encoding/binary"
	"errors"
	"fmt"

	"kairos/processors/stage"
	"kairos/schemas"
)

// Goka hands a value to its codec, the bytes to its storage and its producer,
// and tells neither which partition they belong to. So the bytes carry it:
// frames. They never leave the process.

// rawCodec takes values as they are.
type rawCodec struct{}

func (rawCodec) Encode(value any) ([]byte, error) {
	b, ok := value.([]byte)
	if !ok {
		return nil, fmt.Errorf("want bytes, not %T", value)
	}
	return b, nil
}

func (rawCodec) Decode(b []byte) (any, error) { return b, nil }

// emission is a record on its way from a step to the outbox.
type emission struct {
	from   int32 // partition at work
	record stage.Record
}

// recordCodec frames emissions: from, time of the cause, length of PartitionBy,
// PartitionBy, value.
type recordCodec struct{}

func (recordCodec) Encode(value any) ([]byte, error) {
	e, ok := value.(emission)
	if !ok {
		return nil, fmt.Errorf("want an emission, not %T", value)
	}
	b := make([]byte, 0, 3*binary.MaxVarintLen64+len(e.record.PartitionBy)+len(e.record.Value))
	b = binary.AppendUvarint(b, uint64(e.from))
	b = binary.AppendVarint(b, int64(e.record.At))
	b = binary.AppendUvarint(b, uint64(len(e.record.PartitionBy)))
	b = append(b, e.record.PartitionBy...)
	return append(b, e.record.Value...), nil
}

func (recordCodec) Decode(b []byte) (any, error) { return b, nil }

// parseEmission takes a frame apart. What it returns shares memory with b.
func parseEmission(b []byte) (from int32, at schemas.Instant, partitionBy, value []byte) {
	number, n := binary.Uvarint(b)
	time, m := binary.Varint(b[n:])
	length, l := binary.Uvarint(b[n+m:])
	b = b[n+m+l:]
	return int32(number), schemas.Instant(time), b[:length:length], b[length:]
}

// rowsFrame is a group's composite row as Goka sees it: one section per stage
// table. What a step writes holds the sections that it changed only.
type rowsFrame struct {
	from     int32
	sections []section
}

type section struct {
	table int
	value []byte // nil: deleted
}

type rowsCodec struct{}

func (rowsCodec) Encode(value any) ([]byte, error) {
	f, ok := value.(rowsFrame)
	if !ok {
		return nil, fmt.Errorf("want a frame of rows, not %T", value)
	}
	size := binary.MaxVarintLen32
	for _, s := range f.sections {
		size += 1 + binary.MaxVarintLen64 + len(s.value)
	}
	b := binary.AppendUvarint(make([]byte, 0, size), uint64(f.from))
	for _, s := range f.sections {
		b = append(b, byte(s.table))
		if s.value == nil {
			b = binary.AppendUvarint(b, 0)
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(s.value))+1)
		b = append(b, s.value...)
	}
	return b, nil
}

func (rowsCodec) Decode(b []byte) (any, error) {
	f, err := parseRows(b)
	return f, err
}

// parseRows takes a frame apart. The values share memory with b.
func parseRows(b []byte) (rowsFrame, error) {
	from, n := binary.Uvarint(b)
	if n <= 0 {
		return rowsFrame{}, errors.New("a frame of rows without a partition")
	}
	f := rowsFrame{from: int32(from)}
	for b = b[n:]; len(b) > 0; {
		s := section{table: int(b[0])}
		length, n := binary.Uvarint(b[1:])
		if n <= 0 || length > uint64(len(b)-1-n)+1 {
			return rowsFrame{}, errors.New("a frame of rows with a torn section")
		}
		b = b[1+n:]
		if length > 0 {
			s.value, b = b[:length-1:length-1], b[length-1:]
		}
		f.sections = append(f.sections, s)
	}
	return f, nil
}

// errand is a message that the host makes for itself: a wake or a chunk's part
// of a sweep. It runs through Goka like a record, on the loop's name, at an
// offset below zero.
type errand struct {
	time schemas.Instant
	word string // of the stage to sweep; empty: a wake
}

func (e errand) encode() []byte {
	return append(binary.AppendVarint(nil, int64(e.time)), e.word...)
}

func parseErrand(b []byte) errand {
	t, n := binary.Varint(b)
	return errand{schemas.Instant(t), string(b[n:])}
}
