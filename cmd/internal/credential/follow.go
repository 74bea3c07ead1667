package credential

import (
	"bytes"
	"context"
	"os"
	"time"
)

// Look is how often a file that is followed is looked at.
const Look = 5 * time.Second

// Follow calls changed when a file holds something else than before, once at the
// beginning too, until ctx ends: who rotates keys need not restart anything. What
// goes wrong, a file that cannot be read or that changed refuses, is told to
// complain once, and what was before stays.
func Follow(ctx context.Context, path string, every time.Duration, changed func() error, complain func(error)) error {
	again := time.NewTicker(every)
	defer again.Stop()
	var known []byte
	for said := ""; ; {
		text, err := os.ReadFile(path)
		if err == nil && !bytes.Equal(text, known) {
			known, said, err = text, "", changed()
		}
		if err != nil && err.Error() != said {
			said = err.Error()
			complain(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
		}
	}
}
