package foreign

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/twmb/avro"
)

// Framing is how a record names its schema.
type Framing string

// The framings.
const (
	Marked       Framing = ""              // by the first byte: C3 is single-object, 00 Confluent's
	SingleObject Framing = "single-object" // C3 01 and the schema's fingerprint
	Confluent    Framing = "confluent"     // 00 and the registry's id
	Plain        Framing = "plain"         // nothing: the topic has one schema, of its file
)

// FramingOf reads what files say.
func FramingOf(text string) (Framing, error) {
	switch f := Framing(text); f {
	case Marked, SingleObject, Confluent, Plain:
		return f, nil
	}
	return "", fmt.Errorf("there is no framing %q: single-object, confluent and plain are known, without one the first byte tells", text)
}

// split finds the reference to the schema in front of the payload. A plain
// record has none.
func (f Framing) split(value []byte) (reference, []byte, error) {
	if f == Marked && len(value) > 0 {
		switch value[0] {
		case 0xC3:
			f = SingleObject
		case 0:
			f = Confluent
		}
	}
	switch f {
	case SingleObject:
		fp, payload, err := avro.SingleObjectFingerprint(value)
		if err != nil {
			return reference{}, nil, errors.New("the value is not single-object encoded: it does not begin with C3 01 and a fingerprint")
		}
		return reference{fingerprint: fp}, payload, nil
	case Confluent:
		const header = 5
		if len(value) < header || value[0] != 0 {
			return reference{}, nil, errors.New("the value has not Confluent's framing: it does not begin with 00 and a schema's id")
		}
		id := int(binary.BigEndian.Uint32(value[1:header]))
		if id == 0 {
			return reference{}, nil, errors.New("the value names schema 0, which no registry gives")
		}
		return reference{id: id}, value[header:], nil
	case Plain:
		return reference{}, value, nil
	}
	return reference{}, nil, errors.New("the value begins neither with C3 01 nor with 00: say the topic's framing")
}

// Reader reads the values of one topic. It is not safe for concurrent use.
type Reader struct {
	known   *Known
	framing Framing
	own     *Schema // the topic's; nil: each record's own
	read    map[*Schema]*Schema
}

// NewReader makes a reader. Where the folder has a schema for the topic, records
// are read as it says, whatever they were written with.
func NewReader(known *Known, topic string, framing Framing) (*Reader, error) {
	r := &Reader{known, framing, known.Of(topic), map[*Schema]*Schema{}}
	if framing == Plain && r.own == nil {
		return nil, fmt.Errorf("topic %s is plain, so the folder of schemas needs a file %s.avsc", topic, topic)
	}
	return r, nil
}

// Read decodes a value. The error is [ErrPending] while its schema is not known.
func (r *Reader) Read(ctx context.Context, value []byte) (Row, *Schema, error) {
	name, payload, err := r.framing.split(value)
	if err != nil {
		return nil, nil, err
	}
	schema := r.own
	if name != (reference{}) {
		writer, err := r.known.find(ctx, name)
		if err != nil {
			return nil, nil, err
		}
		if schema, err = r.as(writer); err != nil {
			return nil, nil, err
		}
	}
	row, err := schema.Decode(payload)
	return row, schema, err
}

// as resolves a writer's schema to the topic's.
func (r *Reader) as(writer *Schema) (*Schema, error) {
	if r.own == nil || r.own == writer {
		return writer, nil
	}
	if known := r.read[writer]; known != nil {
		return known, nil
	}
	schema, err := r.own.As(writer)
	if err == nil {
		r.read[writer] = schema
	}
	return schema, err
}
