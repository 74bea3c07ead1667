package keyring

import (
	"bytes"
	"testing"
)

// Whatever lies on the topic of events: it is opened, or said why not.
func FuzzOpen(f *testing.F) {
	r := New()
	for _, value := range [][]byte{nil, []byte("v"), bytes.Repeat([]byte("v"), 300)} {
		_, sealed, err := r.Seal("email:a@b", []byte("email:a@b"), value)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(sealed, 0)
		f.Add(sealed, len(sealed)-1)
		f.Add(sealed[:headBytes+nonceBytes], 3)
	}
	f.Fuzz(func(t *testing.T, sealed []byte, at int) {
		if at >= 0 && at < len(sealed) {
			sealed = bytes.Clone(sealed)
			sealed[at] ^= 1
		}
		for _, ring := range []*Ring{nil, r, r.Lose("email:a@b")} {
			key, value, err := ring.Open(sealed)
			if err == nil && len(key)+len(value) > len(sealed) {
				t.Errorf("%d bytes give %d", len(sealed), len(key)+len(value))
			}
		}
		if IsSealed(sealed) {
			SubjectOf(sealed)
		}
	})
}
