package schemas

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// The row of segment is written and read by hand, in the very bytes of its Avro
// schema: it holds an entry for every audience that a person ever was in, most
// of which a step leaves alone, and reflection costs several times as much for
// each. TestEveryRecord... in oracle_test.go compares it with another library:
// whoever adds a field to the row adds it here.

// native is a record that needs no reflection.
type native interface {
	appendAvro(dst []byte) []byte
	readAvro(payload []byte) (rest int, err error)
}

func (r *SegmentRow) appendAvro(dst []byte) []byte {
	dst = binary.AppendVarint(dst, int64(r.WakeAt)) // Avro's long is zigzag varint, as Go's
	dst = binary.AppendVarint(dst, int64(r.Now))
	dst = binary.AppendVarint(dst, r.Rules)
	dst = appendFeatures(dst, r.Features)
	dst = appendProperties(dst, r.Attributes)
	dst = appendStandings(dst, r.Standings)
	if r.Scored == nil {
		return append(dst, 0)
	}
	dst = binary.AppendVarint(append(dst, 2), r.Scored.Rules) // the second of the union
	dst = appendProperties(dst, r.Scored.Scores)
	dst = appendFeatures(dst, r.Scored.Features)
	dst = appendProperties(dst, r.Scored.Attributes)
	return appendProperties(dst, r.Scored.Memberships)
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendVarint(dst, int64(len(s))), s...)
}

func appendAvroValue(dst []byte, v *Value) []byte {
	dst = binary.AppendVarint(dst, int64(v.Kind))
	dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v.Number))
	return appendString(dst, v.Text)
}

// An array is one block: how many, the items, and a zero; none at all is the zero.
func appendFeatures(dst []byte, features []Feature) []byte {
	if len(features) > 0 {
		dst = binary.AppendVarint(dst, int64(len(features)))
	}
	for i := range features {
		dst = appendAvroValue(binary.AppendVarint(dst, features[i].ID), &features[i].Value)
	}
	return append(dst, 0)
}

func appendProperties(dst []byte, properties Properties) []byte {
	if len(properties) > 0 {
		dst = binary.AppendVarint(dst, int64(len(properties)))
	}
	for i := range properties {
		dst = appendAvroValue(appendString(dst, properties[i].Name), &properties[i].Value)
	}
	return append(dst, 0)
}

func appendStandings(dst []byte, standings []Standing) []byte {
	if len(standings) > 0 {
		dst = binary.AppendVarint(dst, int64(len(standings)))
	}
	for i := range standings {
		s := &standings[i]
		dst = appendString(dst, s.Audience)
		if s.Member {
			dst = append(dst, 1)
		} else {
			dst = append(dst, 0)
		}
		dst = binary.AppendVarint(dst, s.Revision)
		dst = binary.AppendVarint(dst, int64(s.Since))
		dst = binary.AppendVarint(dst, s.Version)
		dst = appendString(appendString(dst, s.Reason), s.EventID)
	}
	return append(dst, 0)
}

func (r *SegmentRow) readAvro(payload []byte) (rest int, err error) {
	in := &avroReader{rest: payload, text: string(payload)}
	r.WakeAt, r.Now, r.Rules = Instant(in.long()), Instant(in.long()), in.long()
	r.Features = in.features()
	r.Attributes = in.properties()
	r.Standings = in.standings()
	switch in.long() {
	case 0:
	case 1:
		r.Scored = &ScoredInputs{Rules: in.long()}
		r.Scored.Scores = in.properties()
		r.Scored.Features = in.features()
		r.Scored.Attributes = in.properties()
		r.Scored.Memberships = in.properties()
	default:
		in.fail()
	}
	if in.bad {
		return 0, errDamaged
	}
	return len(in.rest), nil
}

var errDamaged = errors.New("the bytes are not those of the schema")

// avroReader takes a payload apart. Damage makes it empty and sets bad. All
// texts lie in one copy of the payload.
type avroReader struct {
	rest []byte
	text string
	bad  bool
}

func (in *avroReader) fail() { in.rest, in.bad = nil, true }

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

func (in *avroReader) string() string {
	n := in.long()
	if n < 0 || n > int64(len(in.rest)) {
		in.fail()
		return ""
	}
	from := len(in.text) - len(in.rest)
	in.rest = in.rest[n:]
	return in.text[from : from+int(n)]
}

func (in *avroReader) boolean() bool {
	if len(in.rest) == 0 || in.rest[0] > 1 {
		in.fail()
		return false
	}
	b := in.rest[0] == 1
	in.rest = in.rest[1:]
	return b
}

func (in *avroReader) value() (v Value) {
	kind := in.long()
	if kind < 0 || kind > math.MaxUint8 || len(in.rest) < 8 {
		in.fail()
		return v
	}
	v.Kind, v.Number = Kind(kind), math.Float64frombits(binary.LittleEndian.Uint64(in.rest))
	in.rest = in.rest[8:]
	v.Text = in.string()
	return v
}

// block is how many items come next; 0: the array is over. Writers may say the
// size of a block in bytes, behind a negative count. No item is empty, so more
// items than bytes are damage.
func (in *avroReader) block() int {
	n := in.long()
	if n < 0 {
		n = -n
		in.long()
	}
	if n < 0 || n > int64(len(in.rest)) {
		in.fail()
		return 0
	}
	return int(n)
}

func (in *avroReader) features() []Feature {
	features := []Feature{}
	for n := in.block(); n > 0; n = in.block() {
		if len(features) == 0 {
			features = make([]Feature, 0, n+1) // one is likely to come
		}
		for range n {
			features = append(features, Feature{in.long(), in.value()})
		}
	}
	return features
}

func (in *avroReader) properties() Properties {
	properties := Properties{}
	for n := in.block(); n > 0; n = in.block() {
		if len(properties) == 0 {
			properties = make(Properties, 0, n)
		}
		for range n {
			properties = append(properties, Property{in.string(), in.value()})
		}
	}
	return properties
}

func (in *avroReader) standings() []Standing {
	standings := []Standing{}
	for n := in.block(); n > 0; n = in.block() {
		if len(standings) == 0 {
			standings = make([]Standing, 0, n+8) // some are likely to come
		}
		for range n {
			standings = append(standings, Standing{
				Audience: in.string(), Member: in.boolean(), Revision: in.long(), Since: Instant(in.long()), Version: in.long(),
				Reason: in.string(), EventID: in.string(),
			})
		}
	}
	return standings
}

// MembersOf calls f with each audience that the person of an encoded row is in.
// It takes apart no more than that needs; the bytes are valid until f returns.
func MembersOf(row []byte, f func(audience []byte)) error {
	if len(row) < 10 || [8]byte(row[2:10]) != SegmentRowCodec.fingerprint { // of an earlier release
		r, err := SegmentRowCodec.Decode(row)
		if err != nil {
			return err
		}
		for i := range r.Standings {
			if r.Standings[i].Member {
				f([]byte(r.Standings[i].Audience))
			}
		}
		return nil
	}
	in := &avroReader{rest: row[10:]}
	for range 3 { // the clock and the rules
		in.long()
	}
	for n := in.block(); n > 0; n = in.block() { // features
		for range n {
			in.long()
			in.skipValue()
		}
	}
	for n := in.block(); n > 0; n = in.block() { // attributes
		for range n {
			in.raw()
			in.skipValue()
		}
	}
	for n := in.block(); n > 0; n = in.block() {
		for range n {
			audience, member := in.raw(), in.boolean()
			for range 3 { // revision, since, version
				in.long()
			}
			in.raw()
			in.raw()
			if member && !in.bad {
				f(audience)
			}
		}
	}
	if in.bad {
		return fmt.Errorf("members of a row: %w", errDamaged)
	}
	return nil
}

// raw is a string as it lies there.
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

func (in *avroReader) skipValue() {
	if in.long(); len(in.rest) < 8 {
		in.fail()
		return
	}
	in.rest = in.rest[8:]
	in.raw()
}
