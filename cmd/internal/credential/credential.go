// Package credential keeps keys and tokens as their SHA-256 only, reads the
// files that list them, and fetches our own secrets from where they are kept.
//
// In: YAML files, and what a request shows. Out: hashes to compare; secrets to
// show others. State: none. Law: a secret itself is in no file of ours, log or error.
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
	"regexp"
	"strings"

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

// Secret fetches a secret from where it is kept, file:PATH or env:NAME: never
// from a file of settings, which is under version control, or a command line,
// which everybody on the machine sees.
func Secret(from string) (string, error) {
	kind, name, _ := strings.Cut(from, ":")
	switch kind {
	case "env":
		if secret := os.Getenv(name); secret != "" {
			return secret, nil
		}
		return "", fmt.Errorf("the environment has no %s", name)
	case "file":
		text, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		if secret := strings.TrimSpace(string(text)); secret != "" {
			return secret, nil
		}
		return "", fmt.Errorf("%s is empty", name)
	}
	return "", errors.New("a secret is not written here: give file:PATH or env:NAME")
}

var filled = regexp.MustCompile(`\$\{((?:env|file):[^}]*)\}`)

// Fill puts secrets into a text, where it says ${file:PATH} or ${env:NAME}.
func Fill(text string) (string, error) {
	var wrong error
	text = filled.ReplaceAllStringFunc(text, func(place string) string {
		secret, err := Secret(place[2 : len(place)-1])
		wrong = errors.Join(wrong, err)
		return secret
	})
	if wrong != nil {
		return "", wrong
	}
	return text, nil
}
