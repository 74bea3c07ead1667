package profile

import (
	"encoding/binary"

	"kairos/schemas"
)

// told is what was last told about one term. One that has its empty value and
// nothing to wait for is not kept: never told means empty.
type told struct {
	id    int64
	due   schemas.Instant // when the passing of time changes it; 0: never
	value schemas.Value
	place int // in profile.terms; it is not stored
}

// The column Terms: per term, by rising id, fixed id, varint due, value.
func appendTold(dst []byte, t *told) []byte {
	return appendValue(binary.AppendVarint(appendFixed(dst, uint64(t.id)), int64(t.due)), t.value)
}

// packedTold is an entry as it lies in the column.
type packedTold struct {
	id     int64
	due    schemas.Instant
	value  []byte
	packed []byte // all of it
}

// nextTold takes the next entry. False: there is none.
func nextTold(r *reader) (packedTold, bool) {
	if len(r.rest) == 0 {
		return packedTold{}, false
	}
	entry := r.rest
	t := packedTold{id: int64(r.fixed()), due: schemas.Instant(r.varint())}
	value := r.rest
	r.skip()
	t.value, t.packed = value[:len(value)-len(r.rest)], entry[:len(entry)-len(r.rest)]
	return t, !r.bad
}

// The column Told: per attribute, by name, text name, value.
func appendAttributes(dst []byte, attributes schemas.Properties) []byte {
	for i := range attributes {
		dst = appendValue(appendText(dst, attributes[i].Name), attributes[i].Value)
	}
	return dst
}

func attributesOf(column []byte) (schemas.Properties, bool) {
	var all schemas.Properties
	r := reader{rest: column}
	for len(r.rest) > 0 {
		all = append(all, schemas.Property{Name: r.text(), Value: r.value()})
	}
	return all, !r.bad
}
