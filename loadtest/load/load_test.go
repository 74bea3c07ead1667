package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kairos/loadtest/rig"
)

func TestTheTableHasALineForEveryResult(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"one", "two"} {
		r := newResult(rig.Config{Name: name, Partitions: 4})
		r.Rates = []rig.Rate{{EventsPerSecond: 1000, P50: 12, P99: 34, P999: 56}}
		if err := r.write(folder); err != nil {
			t.Fatal(err)
		}
	}
	table, err := os.ReadFile(filepath.Join(folder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| one |", "| two |", "1000/s: 12 / 34 / 56"} {
		if !strings.Contains(string(table), want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
}
