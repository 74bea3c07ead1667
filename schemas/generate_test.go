package schemas_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kairos/schemas"
)

//go:generate go test -run ^TestTheSchemaFilesAreWhatTheTypesSay$ . -rewrite

var rewrite = flag.Bool("rewrite", false, "write avsc/ from the Go types")

func TestTheSchemaFilesAreWhatTheTypesSay(t *testing.T) {
	wanted := map[string][]byte{}
	for _, record := range schemas.Records() {
		wanted[filepath.Join("avsc", record.Name()+".avsc")] = readable(t, record.Schema())
	}
	if *rewrite {
		writeSchemas(t, wanted)
	}
	found, err := filepath.Glob("avsc/*.avsc")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range found {
		if wanted[name] == nil {
			t.Errorf("%s belongs to no record: run 'make generate' and commit", name)
		}
	}
	for name, want := range wanted {
		got, err := os.ReadFile(name)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the Go type says (%v): run 'make generate' and commit", name, err)
		}
	}
}

// readable says a schema with one field a line and every name in full: goavro
// v2.15.0 doubles the namespace of a nested record otherwise, and its
// fingerprint is then nobody else's.
func readable(t testing.TB, schema string) []byte {
	t.Helper()
	var parsed any
	if err := json.Unmarshal([]byte(schema), &parsed); err != nil {
		t.Fatal(err)
	}
	return []byte(say(t, parsed, "") + "\n")
}

func say(t testing.TB, schema any, indent string) string {
	switch s := schema.(type) {
	case string:
		return quoted(t, s)
	case []any:
		var branches []string
		for _, branch := range s {
			branches = append(branches, say(t, branch, indent))
		}
		return "[" + strings.Join(branches, ", ") + "]"
	case map[string]any:
		switch s["type"] {
		case "array":
			return `{"type": "array", "items": ` + say(t, s["items"], indent) + "}"
		case "record":
			return sayRecord(t, s, indent)
		}
	}
	t.Fatalf("no words for %v: teach say", schema)
	return ""
}

func sayRecord(t testing.TB, s map[string]any, indent string) string {
	var b strings.Builder
	name := s["name"].(string)
	if namespace, ok := s["namespace"].(string); ok {
		name = namespace + "." + name
	}
	b.WriteString(`{"type": "record", "name": ` + quoted(t, name) + `, "fields": [`)
	for i, f := range s["fields"].([]any) {
		field := f.(map[string]any)
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString("\n" + indent + `  {"name": ` + quoted(t, field["name"]) + `, "type": ` + say(t, field["type"], indent+"  "))
		if value, ok := field["default"]; ok {
			b.WriteString(`, "default": ` + quoted(t, value))
		}
		b.WriteString("}")
	}
	b.WriteString("\n" + indent + "]}")
	return b.String()
}

func quoted(t testing.TB, v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func writeSchemas(t *testing.T, files map[string][]byte) {
	t.Helper()
	old, err := filepath.Glob("avsc/*.avsc")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(name, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
