package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestTheCodecsAreWhatTheTypesSay(t *testing.T) {
	want, err := generate("..")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join("..", target)); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the Go types say (%v): run 'make generate' and commit", target, err)
	}
}

func TestATypeThatNoCodeIsKnownForIsAnError(t *testing.T) {
	folder := t.TempDir()
	text := "package schemas\n\ntype Odd struct {\n\tSmall int16 `avro:\"small\"`\n}\n\nvar OddCodec = released[Odd](\"Odd\")\n"
	if err := os.WriteFile(filepath.Join(folder, "odd.go"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, err := generate(folder); err == nil {
		t.Errorf("int16 became %s", code)
	}
}
