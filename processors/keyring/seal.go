package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
)

// The layout of a sealed value: two bytes that no Avro record begins with,
// version of the ring (8), leaf (8), nonce (12), then by AES-256-GCM: uvarint
// length of the key, key, value. The head is authenticated with it.
const (
	magic      = "\xC3\x5E"
	headBytes  = len(magic) + 16
	nonceBytes = 12
)

// Why a record cannot be opened.
var (
	ErrLost  = errors.New("the subject's key is lost: they were erased")
	ErrAhead = errors.New("sealed under a newer ring than this one")
	ErrTorn  = errors.New("not what was sealed")
)

// IsSealed says whether a value was made by [Ring.Seal].
func IsSealed(value []byte) bool {
	return len(value) >= headBytes+nonceBytes && string(value[:len(magic)]) == magic
}

// SubjectOf is the place of the subject that a sealed value is of.
func SubjectOf(sealed []byte) Leaf { return Leaf(binary.BigEndian.Uint64(sealed[len(magic)+8:])) }

// Seal encrypts a record's key and value for a subject. The key that it gives
// in exchange names nobody.
func (r *Ring) Seal(subject string, key, value []byte) (sealedKey, sealed []byte, err error) {
	leaf := r.LeafOf(subject)
	box, err := r.box(leaf)
	if err != nil {
		return nil, nil, err
	}
	plain := make([]byte, 0, binary.MaxVarintLen32+len(key)+len(value))
	plain = append(append(binary.AppendUvarint(plain, uint64(len(key))), key...), value...)
	sealed = make([]byte, 0, headBytes+nonceBytes+len(plain)+box.Overhead())
	sealed = append(sealed, magic...)
	sealed = binary.BigEndian.AppendUint64(sealed, uint64(r.version))
	sealed = binary.BigEndian.AppendUint64(sealed, uint64(leaf))
	var nonce [nonceBytes]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return nil, nil, err
	}
	sealed = append(sealed, nonce[:]...)
	sealed = box.Seal(sealed, nonce[:], plain, sealed[:headBytes])
	return []byte(hex.EncodeToString(sealed[len(magic)+8 : headBytes])), sealed, nil
}

// Open gives back what [Ring.Seal] took.
func (r *Ring) Open(sealed []byte) (key, value []byte, err error) {
	if !IsSealed(sealed) {
		return nil, nil, ErrTorn
	}
	if r == nil || int64(binary.BigEndian.Uint64(sealed[len(magic):])) > r.version {
		return nil, nil, ErrAhead
	}
	box, err := r.box(SubjectOf(sealed))
	if err != nil {
		return nil, nil, err
	}
	nonce := sealed[headBytes : headBytes+nonceBytes]
	plain, err := box.Open(nil, nonce, sealed[headBytes+nonceBytes:], sealed[:headBytes])
	if err != nil {
		return nil, nil, ErrLost // sealed under a key that was lost, and renewed since; or torn, which cannot be told apart
	}
	n, used := binary.Uvarint(plain)
	if used <= 0 || n > uint64(len(plain)-used) {
		return nil, nil, ErrTorn
	}
	rest := plain[used:]
	return rest[:n:n], rest[n:], nil
}

func (r *Ring) box(leaf Leaf) (cipher.AEAD, error) {
	key, found := r.key(leaf)
	if !found {
		return nil, ErrLost
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
