package schemas

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/twmb/avro"
)

// ErrNotSingleObject says that bytes do not start with Avro's single-object
// marker C3 01 and a fingerprint.
var ErrNotSingleObject = errors.New("not Avro single-object encoded (want C3 01 and an 8-byte fingerprint)")

// UnknownSchemaError says that a record names a schema that no release of
// kairos has written.
type UnknownSchemaError struct {
	Record      string  // the record that was expected
	Fingerprint [8]byte // CRC-64-AVRO, little endian, as on the wire
}

func (e *UnknownSchemaError) Error() string {
	return fmt.Sprintf("unknown schema %x: neither %s of this release nor of an earlier one", e.Fingerprint, e.Record)
}

// Codec encodes and decodes one record type with Avro's single-object framing
// (Avro 1.12 specification, "Single-object encoding"). Records of earlier
// releases are resolved to today's schema. A Codec is safe for concurrent use.
type Codec[T any] struct {
	name        string
	schema      *avro.Schema
	fingerprint [8]byte
	earlier     map[[8]byte]*avro.Schema // resolved to schema
	rooms       sync.Pool                // of *[]byte, to encode in
}

// NewCodec derives the schema from T's fields and prepares the resolution of
// earlier releases, given as schema JSON. It panics on a type or a release
// that is no valid or no compatible schema: that is a bug, found by any test.
func NewCodec[T any](name string, earlier ...string) *Codec[T] {
	c := &Codec[T]{
		name:    name,
		schema:  avro.MustSchemaFor[T](avro.WithNamespace("kairos"), avro.WithName(name)),
		earlier: map[[8]byte]*avro.Schema{},
	}
	c.fingerprint = fingerprintOf(c.schema)
	for _, text := range earlier {
		writer := avro.MustParse(text)
		if fingerprintOf(writer) == c.fingerprint {
			continue
		}
		resolved, err := avro.Resolve(writer, c.schema)
		if err != nil {
			panic(fmt.Sprintf("schemas: an earlier release of %s cannot be read any more: %v", name, err))
		}
		c.earlier[fingerprintOf(writer)] = resolved
	}
	return c
}

func fingerprintOf(s *avro.Schema) [8]byte {
	fp := [8]byte(s.Fingerprint(avro.NewRabin()))
	slices.Reverse(fp[:]) // the hash is big endian, the framing little endian
	return fp
}

// Name is the record's name without its namespace.
func (c *Codec[T]) Name() string { return c.name }

// Schema is today's schema as JSON.
func (c *Codec[T]) Schema() string { return c.schema.String() }

// Append appends v to dst.
func (c *Codec[T]) Append(dst []byte, v *T) ([]byte, error) {
	if dst == nil {
		return c.Encode(Heap{}, v)
	}
	if quick, ok := any(v).(native); ok {
		return quick.appendAvro(append(append(dst, 0xC3, 0x01), c.fingerprint[:]...)), nil
	}
	out, err := c.schema.AppendSingleObject(dst, v)
	if err != nil {
		return dst, fmt.Errorf("encode %s: %w", c.name, err)
	}
	return out, nil
}

// Memory gives room for so many bytes.
type Memory interface{ Take(n int) []byte }

// Heap is the memory of those who bring none.
type Heap struct{}

// Take implements Memory.
func (Heap) Take(n int) []byte { return make([]byte, n) }

// Encode gives v's bytes in a slice of their size, which is of memory.
func (c *Codec[T]) Encode(memory Memory, v *T) ([]byte, error) {
	room, ok := c.rooms.Get().(*[]byte)
	if !ok {
		fresh := make([]byte, 0, 256)
		room = &fresh
	}
	out, err := c.Append((*room)[:0], v)
	if err != nil {
		return nil, err
	}
	own := memory.Take(len(out))
	copy(own, out) // before another goroutine may take the room
	if cap(out) <= maxRoom {
		*room = out
		c.rooms.Put(room)
	}
	return own, nil
}

const (
	maxRoom    = 64 << 10 // the most bytes that a codec keeps for the next record
	roomToGrow = 128      // behind bytes in a room: an event adds about as many to a row
)

// Decode reads a record from b, which must hold it and nothing else. The
// result shares no memory with b.
func (c *Codec[T]) Decode(b []byte) (*T, error) {
	v := new(T)
	if _, err := c.decode(b, v, nil, 0, false); err != nil {
		return nil, err
	}
	return v, nil
}

// Room is memory for a record: the one that has been decoded in it holds until the
// next one is, but for its texts, which stay.
type Room[T any] struct {
	// Whole says that nobody changes a record, so that all of its memory can be used
	// again, not only what it holds itself.
	Whole bool

	record T
	made   T      // as it was decoded: whoever has the record may give it lists that are others'
	bytes  []byte // in which its bytes lie
}

// DecodeIn is Decode into a room.
func (c *Codec[T]) DecodeIn(room *Room[T], b []byte) (*T, error) {
	if cap(room.bytes) > maxRoom { // of a giant before
		*room = Room[T]{Whole: room.Whole}
	}
	room.record = room.made
	bytes, err := c.decode(b, &room.record, room.bytes, roomToGrow, room.Whole)
	if err != nil {
		return nil, err
	}
	room.made, room.bytes = room.record, bytes
	return &room.record, nil
}

// decode reads v, whose lists' memory it uses again, or all of its memory; its bytes
// go to room, each with some slack behind it, and room is given back as large as it
// has become.
func (c *Codec[T]) decode(b []byte, v *T, room []byte, slack int, whole bool) ([]byte, error) {
	fp, payload, err := avro.SingleObjectFingerprint(b)
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", c.name, ErrNotSingleObject)
	}
	schema := c.schema
	if fp != c.fingerprint {
		if schema = c.earlier[fp]; schema == nil {
			return nil, &UnknownSchemaError{c.name, fp}
		}
	}
	var rest int
	if quick, ok := any(v).(native); ok && schema == c.schema {
		in := readerOf(payload, quick.holdsBytes(), room)
		in.whole, in.slack = whole, slack
		rest, room, err = quick.readAvro(in)
	} else { // earlier releases are for the library
		var left []byte
		*v = *new(T)
		left, err = schema.Decode(payload, v)
		rest = len(left)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("decode %s: %w", c.name, err)
	case rest > 0:
		return nil, fmt.Errorf("decode %s: %d bytes after the record", c.name, rest)
	}
	return room, nil
}
