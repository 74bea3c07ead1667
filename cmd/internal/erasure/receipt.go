package erasure

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"kairos/schemas"
)

// Receipt says what an erasure found and removed. It names nobody: Subject is
// the SHA-256 of Salt and the identifier that was asked for, so that who knows
// the identifier can tell that it is theirs.
type Receipt struct {
	ID          string   `json:"id"`
	At          string   `json:"at"`
	Subject     string   `json:"subject"`
	Salt        string   `json:"salt"`
	DryRun      bool     `json:"dry_run,omitempty"`
	Identifiers int      `json:"identifiers"`  // that were the person's
	KeysVersion int64    `json:"keys_version"` // from which on their keys are lost, and they are suppressed
	Tables      []Found  `json:"tables"`
	Topics      []Topic  `json:"topics"`
	Local       string   `json:"local"`
	Left        []string `json:"left"` // what could not be removed, and until when it is there; empty: nothing
}

// Found is what a table held.
type Found struct {
	Name string `json:"name"`
	Rows int    `json:"rows"`
	Left int    `json:"left"`
}

// Topic is what a topic held.
type Topic struct {
	Name    string `json:"name"`
	Found   int64  `json:"found"`   // keys of records about the person, or all that had been read, where How is "deleted"
	Removed int64  `json:"removed"` // of them
	How     string `json:"how"`     // removed by their keys, deleted with everything read, unreadable for want of the key
}

// Signed is a receipt with its signature, as it is handed out.
type Signed struct {
	Receipt   json.RawMessage `json:"receipt"`
	PublicKey string          `json:"public_key"`
	Signature string          `json:"signature"` // Ed25519, over the bytes of receipt
}

func newReceipt(asked schemas.Identifier, at string) (*Receipt, error) {
	salt := rand.Text()
	return &Receipt{
		ID: rand.Text(), At: at, Salt: salt, Subject: subjectHash(salt, asked), Tables: []Found{}, Topics: []Topic{}, Left: []string{},
	}, nil
}

func subjectHash(salt string, id schemas.Identifier) string {
	sum := sha256.Sum256([]byte(salt + id.String()))
	return hex.EncodeToString(sum[:])
}

// IsAbout says whether the receipt is about the person who was asked for by an
// identifier.
func (r *Receipt) IsAbout(id schemas.Identifier) bool { return r.Subject == subjectHash(r.Salt, id) }

// Sign signs a receipt.
func Sign(r *Receipt, key ed25519.PrivateKey) (*Signed, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	public := key.Public().(ed25519.PublicKey)
	return &Signed{text, base64.StdEncoding.EncodeToString(public), base64.StdEncoding.EncodeToString(ed25519.Sign(key, text))}, nil
}

// ErrForged says that a receipt is not what was signed, or not by whom it should be.
var ErrForged = errors.New("this receipt is not what was signed, or somebody else signed it")

// Verify reads a signed receipt. With a public key, in base64, it must be the
// signer's; without, the receipt only has to be whole.
func Verify(text []byte, public string) (*Receipt, error) {
	var s Signed
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("this is no receipt: %w", err)
	}
	key, err1 := base64.StdEncoding.DecodeString(s.PublicKey)
	signature, err2 := base64.StdEncoding.DecodeString(s.Signature)
	var compact bytes.Buffer // as it was signed, however it has been laid out since
	if err := json.Compact(&compact, s.Receipt); err != nil {
		return nil, ErrForged
	}
	if err1 != nil || err2 != nil || len(key) != ed25519.PublicKeySize || public != "" && public != s.PublicKey || !ed25519.Verify(key, compact.Bytes(), signature) {
		return nil, ErrForged
	}
	var r Receipt
	return &r, json.Unmarshal(s.Receipt, &r)
}

// Key reads the private key that signs receipts, PKCS 8 in PEM, and makes one
// if there is no such file.
func Key(path string) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return makeKey(path)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM: it should hold an Ed25519 key, as `openssl genpkey -algorithm ed25519` makes", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a key of another kind: it should be an Ed25519 key", path)
	}
	return key, nil
}

func makeKey(path string) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}
