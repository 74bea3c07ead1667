package profile

import (
	"encoding/binary"

	"kairos/schemas"
)

// toldTerm is what was last told about one term. One that has its empty value
// and nothing to wait for is not kept: never told means empty.
type toldTerm struct {
	id    int64
	due   schemas.Instant // when the passing of time changes it; 0: never
	value schemas.Value
}

// The column Terms: per term, by rising id, fixed id, varint due, value.
func appendTold(dst []byte, told []toldTerm) []byte {
	for i := range told {
		dst = appendFixed(dst, uint64(told[i].id))
		dst = appendValue(binary.AppendVarint(dst, int64(told[i].due)), told[i].value)
	}
	return dst
}

func toldOf(told []toldTerm, column []byte) ([]toldTerm, bool) {
	r := reader{rest: column}
	for len(r.rest) > 0 {
		told = append(told, toldTerm{int64(r.fixed()), schemas.Instant(r.varint()), r.value()})
	}
	return told, !r.bad
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
