package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWrongTopicsToIngestAreRefused(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "ingest.yaml")
	write(t, filepath.Join(folder, "bad.avsc"), "{")
	for text, part := range map[string]string{
		"topics: [{topic: a, framing: xml}]":               `no framing "xml"`,
		"topics: [{framing: plain}]":                       "names no topic",
		"topics: [{topic: a}]\nschemas: .":                 "bad.avsc",
		"topics: [{topic: a, schema: b}]":                  "schema",
		"topics: [{topic: a}]\nschemas: /nowhere/at/all/x": "nowhere",
	} {
		write(t, file, text)
		if said := expect(t, exitAsked, "ingest", "-f", file, "--brokers=127.0.0.1:1"); !strings.Contains(said, part) {
			t.Errorf("%q: it says %q, want %q", text, said, part)
		}
	}
	brokers := embedded(t)
	for text, part := range map[string]string{
		"topics: []":                           "no topic to read",
		"topics: [{topic: a, framing: plain}]": "needs a file a.avsc",
		"topics: [{topic: a}, {topic: a}]":     "twice",
	} {
		write(t, file, text)
		if said := expect(t, exitAsked, "ingest", "-f", file, brokers); !strings.Contains(said, part) {
			t.Errorf("%q: it says %q, want %q", text, said, part)
		}
	}
	write(t, file, "topics: [{topic: a, mapping: crm}]")
	if said := expect(t, exitNo, "ingest", "-f", file, brokers); !strings.Contains(said, "the mapping crm of topic a is not published") {
		t.Errorf("it says %q", said)
	}
}

// What a schema says of its fields becomes a definition that can be applied.
func TestAMappingIsWrittenFromASchema(t *testing.T) {
	folder := t.TempDir()
	schema := filepath.Join(folder, "visit.avsc")
	write(t, schema, `{"type": "record", "name": "visit", "fields": [{"name": "who", "type": "string", "kairos.identity": "email", "kairos.label": "C2"}]}`)
	said := expect(t, 0, "mapping", schema, "--name=visits")
	if err := os.Remove(schema); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "visits.yaml"), said)
	if !strings.Contains(said, "C2") {
		t.Errorf("it says\n%s", said)
	}
	expect(t, 0, "apply", "--check", "-f", folder)
	write(t, schema, `{"type": "record", "name": "visit", "fields": [{"name": "who", "type": "string"}]}`)
	if said := expect(t, exitAsked, "mapping", schema); !strings.Contains(said, "kairos.identity") {
		t.Errorf("it says %q", said)
	}
}
