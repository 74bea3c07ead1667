// Package credential keeps keys and tokens as their SHA-256 only, and reads the
// files that list them.
//
// In: YAML files, and what a request shows. Out: hashes to compare. State: none.
// Law: the key itself is in no file, log or error.
//
// Not here: what a key is good for (cmd/internal/collector, cmd/internal/profileapi).
package credential

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v3"
)

// Hash is a key's SHA-256. Keys are long and random, so a plain hash does.
type Hash [sha256.Size]byte

// Of hashes what a request shows.
func Of(key string) Hash { return sha256.Sum256([]byte(key)) }

// Parse reads a hash in hexadecimal, as files have it.
func Parse(text string) (Hash, error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != sha256.Size {
		return Hash{}, errors.New("is not a SHA-256 in hexadecimal: `printf %s KEY | sha256sum` makes one")
	}
	return Hash(b), nil
}

// Read reads a YAML file; fields that into does not have are refused.
func Read(path string, into any) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
