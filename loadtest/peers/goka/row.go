package goka

import (
	"encoding/binary"
	"errors"
	"slices"

	"kairos/schemas"
)

// row is a person: of each term the newest times that it can need, and the
// memberships.
type row struct {
	now, wake schemas.Instant // wake: when the next term closes; 0: never
	times     [][]schemas.Instant
	in        []bool // by audience
	revisions []uint32
}

func (r *rules) newRow() *row {
	return &row{times: make([][]schemas.Instant, len(r.terms)), in: make([]bool, len(r.audiences)), revisions: make([]uint32, len(r.audiences))}
}

// add keeps a time among the newest most of a term.
func (w *row) add(term int, at schemas.Instant, most int) {
	times := w.times[term]
	place, _ := slices.BinarySearch(times, at+1) // behind those that are equal
	times = slices.Insert(times, place, at)
	if len(times) > most {
		times = times[1:]
	}
	w.times[term] = times
}

// rowCodec keeps rows in the group's table; the wake is where the store finds it.
type rowCodec struct{ rules *rules }

const wakeAt = 8

func (c rowCodec) Encode(value any) ([]byte, error) {
	w := value.(*row)
	size := 16 + len(w.times) + 4*len(w.in)
	for _, times := range w.times {
		size += 8 * len(times)
	}
	b := make([]byte, 0, size)
	b = binary.BigEndian.AppendUint64(b, uint64(w.now))
	b = binary.BigEndian.AppendUint64(b, uint64(w.wake))
	for _, times := range w.times {
		b = append(b, byte(len(times)))
		for _, t := range times {
			b = binary.BigEndian.AppendUint64(b, uint64(t))
		}
	}
	for a, in := range w.in {
		packed := w.revisions[a] << 1
		if in {
			packed |= 1
		}
		b = binary.BigEndian.AppendUint32(b, packed)
	}
	return b, nil
}

func (c rowCodec) Decode(data []byte) (any, error) {
	w := c.rules.newRow()
	if len(data) < 16 {
		return nil, errShort
	}
	w.now, w.wake = instantAt(data), instantAt(data[wakeAt:])
	data = data[16:]
	for t := range w.times {
		if len(data) < 1 || len(data) < 1+8*int(data[0]) {
			return nil, errShort
		}
		n := int(data[0])
		data = data[1:]
		if n > 0 {
			w.times[t] = make([]schemas.Instant, n, n+1)
		}
		for i := range w.times[t] {
			w.times[t][i] = instantAt(data[8*i:])
		}
		data = data[8*n:]
	}
	if len(data) != 4*len(w.in) {
		return nil, errShort
	}
	for a := range w.in {
		packed := binary.BigEndian.Uint32(data[4*a:])
		w.revisions[a], w.in[a] = packed>>1, packed&1 == 1
	}
	return w, nil
}

var errShort = errors.New("the row has another length than its rules say")

func instantAt(b []byte) schemas.Instant { return schemas.Instant(binary.BigEndian.Uint64(b)) }
