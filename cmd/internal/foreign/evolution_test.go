package foreign_test

import (
	"testing"

	"kairos/cmd/internal/foreign"
)

// evolving is a schema whose field a has a type.
func evolving(a string) string {
	return `{"type": "record", "name": "r", "fields": [{"name": "who", "type": "string", "kairos.identity": "email"}, {"name": "a", "type": ` + a + `}]}`
}

// read writes a value under one type and reads it under another.
func read(t *testing.T, writer, reader string, value any) (string, error) {
	t.Helper()
	resolved, err := parse(t, evolving(reader)).As(parse(t, evolving(writer)))
	if err != nil {
		return "", err
	}
	row, err := resolved.Decode(encode(t, evolving(writer), map[string]any{"who": "a@b.example", "a": value}))
	if err != nil {
		return "", err
	}
	m, err := resolved.Mapping()
	if err != nil {
		t.Fatal(err)
	}
	e, err := foreign.Event(m, row, "place")
	if err != nil {
		t.Fatal(err)
	}
	return said(e), nil
}

const (
	newItem = `{"type": "record", "name": "item", "fields": [{"name": "sku", "type": "string"}, {"name": "n", "type": "int", "default": 1}]}`
	oldItem = `{"type": "record", "name": "item", "fields": [{"name": "gone", "type": "long"}, {"name": "sku", "type": "string"}]}`
)

// The rules of "Schema Resolution" in Avro's specification, one by one.
func TestWhatWasWrittenUnderAnotherSchemaIsReadAsAvroResolvesIt(t *testing.T) {
	item := map[string]any{"gone": 1, "sku": "s"}
	for name, c := range map[string]struct {
		writer, reader string
		value          any
		want           string
	}{
		"int to long":               {`"int"`, `"long"`, 5, "a=5"},
		"int to float":              {`"int"`, `"float"`, 5, "a=5"},
		"int to double":             {`"int"`, `"double"`, 5, "a=5"},
		"long to float":             {`"long"`, `"float"`, int64(5), "a=5"},
		"long to double":            {`"long"`, `"double"`, int64(5), "a=5"},
		"float to double":           {`"float"`, `"double"`, float32(0.5), "a=0.5"},
		"string to bytes":           {`"string"`, `"bytes"`, "hi", "a='aGk='"},
		"bytes to string":           {`"bytes"`, `"string"`, []byte("hi"), "a='hi'"},
		"a type into a union":       {`"string"`, `["null", "string"]`, "x", "a='x'"},
		"a promotion into a union":  {`"int"`, `["null", "double"]`, 5, "a=5"},
		"a union to a larger one":   {`["null", "int"]`, `["null", "string", "long"]`, 5, "a=5"},
		"a symbol":                  {`{"type": "enum", "name": "e", "symbols": ["B", "A"]}`, `{"type": "enum", "name": "e", "symbols": ["A", "B"]}`, "A", "a='A'"},
		"a symbol that is new":      {`{"type": "enum", "name": "e", "symbols": ["A", "C"]}`, `{"type": "enum", "name": "e", "symbols": ["A", "B"], "default": "B"}`, "C", "a='B'"},
		"items":                     {`{"type": "array", "items": "int"}`, `{"type": "array", "items": "double"}`, []any{1, 2}, "a='[1,2]'"},
		"values of a map":           {`{"type": "map", "values": "int"}`, `{"type": "map", "values": "long"}`, map[string]any{"k": 1}, "a.k=1"},
		"a fixed":                   {`{"type": "fixed", "name": "f", "size": 2}`, `{"type": "fixed", "name": "f", "size": 2}`, []byte("hi"), "a='aGk='"},
		"fields of a record within": {oldItem, newItem, item, "a.n=1 a.sku='s'"},
		"records in a list":         {`{"type": "array", "items": ` + oldItem + `}`, `{"type": "array", "items": ` + newItem + `}`, []any{item}, `a='[{"n":1,"sku":"s"}]'`},
	} {
		if got, err := read(t, c.writer, c.reader, c.value); err != nil || got != "place r email:a@b.example "+c.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, c.want)
		}
	}
	for name, c := range map[string]struct {
		writer, reader string
		value          any
	}{
		"long to int":                             {`"long"`, `"int"`, int64(5)},
		"double to float":                         {`"double"`, `"float"`, 0.5},
		"a string to a number":                    {`"string"`, `"int"`, "5"},
		"a union to one of its types":             {`["null", "string"]`, `"string"`, "x"}, // see Schema.As
		"a symbol that is new, without a default": {`{"type": "enum", "name": "e", "symbols": ["A", "C"]}`, `{"type": "enum", "name": "e", "symbols": ["A"]}`, "C"},
		"a fixed of another size":                 {`{"type": "fixed", "name": "f", "size": 2}`, `{"type": "fixed", "name": "f", "size": 3}`, []byte("hi")},
	} {
		if got, err := read(t, c.writer, c.reader, c.value); err == nil {
			t.Errorf("%s is read as %s", name, got)
		}
	}
}
