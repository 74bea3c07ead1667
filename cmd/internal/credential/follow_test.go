package credential_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kairos/cmd/internal/credential"
)

func TestAFileIsReadAnewWhenItChangesAndComplainedAboutOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	put := func(text string) {
		t.Helper()
		next := path + ".next" // whole, as Kubernetes swaps what it mounts
		if err := errors.Join(os.WriteFile(next, []byte(text), 0o600), os.Rename(next, path)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	told, ended := make(chan string, 100), make(chan error, 1)
	changed := func() error {
		text, err := os.ReadFile(path)
		if string(text) == "wrong" {
			return errors.New("refused")
		}
		told <- "takes " + string(text)
		return err
	}
	put("one")
	go func() {
		ended <- credential.Follow(ctx, path, time.Millisecond, changed, func(err error) { told <- err.Error() })
	}()
	expect := func(want string) {
		t.Helper()
		if got := <-told; got != want {
			t.Fatalf("it says %q, want %q", got, want)
		}
	}
	expect("takes one")
	put("wrong")
	expect("refused")
	put("two")
	expect("takes two") // and has not complained again meanwhile
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
