package profile

import (
	"encoding/binary"
	"math"

	"kairos/schemas"
)

// The packed columns are made of these parts, one after the other:
//
//	uvarint, varint  as in encoding/binary
//	fixed            eight bytes, little endian
//	text             uvarint length, bytes
//	value            a tag (below), then what it says
//
// Each column's entries are described where they are written: recent.go,
// claims.go, series.go, bucket.go, timeline.go, told.go. Equal content has
// equal bytes.
const (
	tagNull    = 0
	tagFalse   = 1
	tagTrue    = 2
	tagDouble  = 3 // fixed: the bits of the float
	tagInteger = 4 // varint: a number without a fraction, at most 2^53 in size
	tagText    = 5 // text
	tagCents   = 6 // varint: hundredths, of a number that has no more digits. Older rows hold doubles for it
)

const largestInteger = 1 << 53

func appendFixed(dst []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(dst, v) }

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// appendValue appends a value that [clean] has seen.
func appendValue(dst []byte, v schemas.Value) []byte {
	switch v.Kind {
	case schemas.Boolean:
		if v.Number != 0 {
			return append(dst, tagTrue)
		}
		return append(dst, tagFalse)
	case schemas.Number:
		if v.Number == math.Trunc(v.Number) && math.Abs(v.Number) <= largestInteger {
			return binary.AppendVarint(append(dst, tagInteger), int64(v.Number))
		}
		if cents := math.Round(v.Number * 100); cents/100 == v.Number && math.Abs(cents) <= largestInteger {
			return binary.AppendVarint(append(dst, tagCents), int64(cents))
		}
		return appendFixed(append(dst, tagDouble), math.Float64bits(v.Number))
	case schemas.Text:
		return appendText(append(dst, tagText), v.Text)
	default:
		return append(dst, tagNull)
	}
}

// clean gives each value one form: no number that is none, no negative zero,
// no field that its kind does not use, no text longer than longest bytes.
func clean(v schemas.Value, longest int) schemas.Value {
	switch v.Kind {
	case schemas.Boolean:
		return schemas.BooleanOf(v.Number != 0)
	case schemas.Number:
		if math.IsNaN(v.Number) || math.IsInf(v.Number, 0) {
			return schemas.Value{}
		}
		return schemas.NumberOf(v.Number + 0) // -0 + 0 = 0
	case schemas.Text:
		return schemas.TextOf(cut(v.Text, longest))
	default:
		return schemas.Value{}
	}
}

// cut shortens s to at most n bytes, at the border of a rune.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}

// reader takes a packed column apart. Damage makes it empty and sets bad.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) fail() { r.rest, r.bad = nil, true }

func (r *reader) uvarint() uint64 {
	if len(r.rest) > 0 && r.rest[0] < 0x80 { // most are one byte
		v := uint64(r.rest[0])
		r.rest = r.rest[1:]
		return v
	}
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) fixed() uint64 {
	if len(r.rest) < 8 {
		r.fail()
		return 0
	}
	v := binary.LittleEndian.Uint64(r.rest)
	r.rest = r.rest[8:]
	return v
}

func (r *reader) byte() byte {
	if len(r.rest) == 0 {
		r.fail()
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

// bytes returns a part of the column, not a copy.
func (r *reader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.fail()
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) text() string { return string(r.bytes()) }

func (r *reader) value() schemas.Value {
	switch r.byte() {
	case tagNull:
		return schemas.Value{}
	case tagFalse:
		return schemas.BooleanOf(false)
	case tagTrue:
		return schemas.BooleanOf(true)
	case tagDouble:
		return schemas.NumberOf(math.Float64frombits(r.fixed()))
	case tagInteger:
		return schemas.NumberOf(float64(r.varint()))
	case tagCents:
		return schemas.NumberOf(float64(r.varint()) / 100)
	case tagText:
		return schemas.TextOf(r.text())
	default:
		r.fail()
		return schemas.Value{}
	}
}

// skip passes over a value.
func (r *reader) skip() {
	switch r.byte() {
	case tagNull, tagFalse, tagTrue:
	case tagDouble:
		r.fixed()
	case tagInteger, tagCents:
		r.varint()
	case tagText:
		r.bytes()
	default:
		r.fail()
	}
}

// whole panics if a column was damaged. Such a row can only be the work of a
// bug: every column that comes from outside was checked when it came (sound).
func (r *reader) whole(column string) {
	if r.bad {
		panic("profile: the packed column " + column + " is damaged")
	}
}
