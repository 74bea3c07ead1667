// Package golden holds texts against files that somebody has reviewed, or that
// are generated from the text.
//
// In: a text and the file that it should be. With the test's flag -rewrite the
// file is written anew; the difference is then to be reviewed. Not here: stories
// and lists of refusals, which are partly written by hand.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write files anew that tests compare with; then review the diff")

// File fails the test if the file at path is not got.
func File(t testing.TB, path, got string) {
	t.Helper()
	if *rewrite {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; if that is meant, run the test with -rewrite ('make generate' where the file is generated) and review the diff\n%s", path, got)
	}
}
