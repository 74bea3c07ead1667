package foreign_test

import (
	"bytes"
	"errors"
	"testing"
	"testing/fstest"

	"github.com/twmb/avro"

	"kairos/cmd/internal/door"
	"kairos/cmd/internal/foreign"
	"kairos/loadtest/bounded"
	"kairos/processors/definition"
)

const recursive = `{"type": "record", "name": "node", "fields": [{"name": "who", "type": "string", "kairos.identity": "email"},
	{"name": "next", "type": ["null", "node"]}, {"name": "all", "type": {"type": "array", "items": "node"}}, {"name": "nothing", "type": {"type": "array", "items": "null"}},
	{"name": "any", "type": {"type": "map", "values": ["null", "double", "float", {"type": "fixed", "name": "f", "size": 12, "logicalType": "duration"}]}}]}`

// FuzzRead: no value of a foreign topic may do more than be refused.
func FuzzRead(f *testing.F) {
	known, err := foreign.NewKnown(fstest.MapFS{
		"orders.avsc": {Data: []byte(orderSchema)}, "nodes.avsc": {Data: []byte(recursive)},
	}, foreign.Registry{}, nil)
	if err != nil {
		f.Fatal(err)
	}
	plain := encode(f, orderSchema, order())
	single, err := avro.MustParse(orderSchema).AppendSingleObject(nil, order())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain, byte(3), false)
	f.Add(single, byte(0), false)
	f.Add(append([]byte{0, 0, 0, 0, 7}, plain...), byte(2), true)
	f.Add([]byte{2, 'a', 0, 0, 0xfe, 0xff, 0xff, 0xff, 0x1f, 0}, byte(3), true)
	f.Add(bytes.Repeat([]byte{2}, 500), byte(3), true)
	framings := []foreign.Framing{foreign.Marked, foreign.SingleObject, foreign.Confluent, foreign.Plain}
	rules := definition.DefaultIdentity()
	f.Fuzz(func(t *testing.T, value []byte, framing byte, nodes bool) {
		topic := "orders"
		if nodes {
			topic = "nodes"
		}
		reader, err := foreign.NewReader(known, topic, framings[int(framing)%len(framings)])
		if err != nil {
			t.Fatal(err)
		}
		bounded.Memory(t, 64<<20+uint64(len(value))*4096, func() {
			row, schema, err := reader.Read(t.Context(), value)
			if err != nil {
				return
			}
			m, err := schema.Mapping()
			if err != nil {
				t.Fatal(err)
			}
			e, err := foreign.Event(m, row, "place")
			var problems door.Problems
			switch {
			case err == nil:
				_, _ = door.Record(e, 1, rules, nil)
			case !errors.As(err, &problems) || len(problems) == 0:
				t.Fatalf("refused without a problem: %v", err)
			}
		})
	})
}

// FuzzSchema: a schema of a registry may be anything.
func FuzzSchema(f *testing.F) {
	for _, text := range []string{orderSchema, recursive, `"string"`, `[]`, `{"type": "record", "name": "r", "fields": [{"name": "a", "type": "r"}]}`,
		`{"type": "record", "name": "r", "kairos.event": 1, "fields": [{"name": "a", "type": {"type": "int", "kairos.identity": ""}, "kairos.label": [1, "x"]}]}`} {
		f.Add(text, []byte{2, 4, 6, 8})
	}
	f.Add(`{"type": "record", "name": "r", "fields": [{"name": "who", "type": "string", "kairos.identity": "email"}, {"name": "a", "type": {"type": "array", "items":
		{"type": "fixed", "name": "f", "size": 2000000000}}}, {"name": "b", "type": {"type": "array", "items": {"type": "fixed", "name": "z", "size": 0}}}]}`,
		[]byte{2, 'a', 0xfe, 0xff, 0xff, 0xff, 0x1f, 0})
	f.Fuzz(func(t *testing.T, text string, value []byte) {
		bounded.Memory(t, 64<<20+uint64(len(text)+len(value))*4096, func() {
			schema, err := foreign.ParseSchema(text)
			if err != nil {
				return
			}
			m, unmapped := schema.Mapping()
			row, err := schema.Decode(value)
			if err != nil || unmapped != nil {
				return
			}
			if _, err := foreign.Definition(m, ""); err != nil {
				t.Fatal(err)
			}
			_, _ = foreign.Event(m, row, "place")
		})
	})
}
