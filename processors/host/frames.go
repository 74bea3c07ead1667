package host

import (
	"encoding/binary"
	"fmt"

	"kairos/schemas"
)

// Goka hands a value to its codec, the bytes to its storage and its producer, all
// within the step's call, and tells neither which partition they belong to. So the
// bytes are tickets: the partition, and which of the step's effects is meant. The
// effects themselves are not copied, and a row keeps no other bytes alive.

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

// ticket stands for one of the records, or for all rows, among the effects of the
// step at work on a partition. It is made once and used again and again.
type ticket struct{ encoded []byte }

// ticketFor is the one for the record at a place.
func (p *partition) ticketFor(place int) *ticket {
	for len(p.tickets) <= place {
		b := binary.AppendUvarint(nil, uint64(p.number))
		p.tickets = append(p.tickets, &ticket{binary.AppendUvarint(b, uint64(len(p.tickets)))})
	}
	return p.tickets[place]
}

// ticketCodec encodes tickets.
type ticketCodec struct{}

func (ticketCodec) Encode(value any) ([]byte, error) {
	t, ok := value.(*ticket)
	if !ok {
		return nil, fmt.Errorf("want a ticket, not %T", value)
	}
	return t.encoded, nil
}

func (ticketCodec) Decode(b []byte) (any, error) { return b, nil }

func parseTicket(b []byte) (partition int32, place int) {
	from, n := binary.Uvarint(b)
	record, _ := binary.Uvarint(b[n:])
	return int32(from), int(record)
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
