package foreign_test

import (
	"encoding/json"
	"strings"
	"testing"

	"kairos/cmd/internal/foreign"
)

func jsonRow(t testing.TB, text string) foreign.Row {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var row foreign.Row
	if err := decoder.Decode(&row); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return row
}
