// Package keyring gives every subject a key of its own, and can lose one of
// them for good without keeping a key for each: what a log still holds of a
// subject cannot be read any more.
//
// In: subjects, which are identifiers. Out: sealed records, and opened ones.
// State: a [Ring], which is a value. Laws: a ring without a subject's key opens
// nothing of theirs, whatever else it holds; no other subject notices.
//
// Keys are the leaves of a binary tree of secrets (Goldreich, Goldwasser,
// Micali): a node's secret gives those of the two below it, and not the other
// way round. At first a ring is the root. To lose a leaf, the node above it is
// replaced by the siblings on the way down. So a ring grows with erasures, by
// about 50 secrets each, and not with subjects.
//
// Not here: where rings lie (cmd/internal/cluster).
package keyring

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"math/bits"
)

// Secret is a node's, or a key of AES-256 if it is a leaf's.
type Secret [32]byte

// Leaf is the place of a subject: a keyed hash, which tells nothing of them to
// whoever has no ring.
type Leaf uint64

// depth is how far leaves are from the root: so many that two of ten million
// subjects share one with a probability of 3 in a million.
const depth = 64

// Node is a place in the tree: the first Depth bits of the leaves below it, the
// others zero.
type Node struct {
	Depth  uint8
	Prefix uint64
}

// Ring is a set of secrets. It is not changed once it is made. nil is no ring:
// it seals nothing.
type Ring struct {
	version int64
	salt    Secret
	nodes   map[Node]Secret
	depths  [2]uint64 // bits: which depths nodes have
}

// New makes a ring that has a key for everybody.
func New() *Ring { return Restore(1, random(), map[Node]Secret{{}: random()}) }

func random() (s Secret) {
	if _, err := rand.Read(s[:]); err != nil {
		panic(err) // never returns one
	}
	return s
}

// Restore makes a ring from its parts.
func Restore(version int64, salt Secret, nodes map[Node]Secret) *Ring {
	r := &Ring{version: version, salt: salt, nodes: nodes}
	for n := range nodes {
		r.depths[n.Depth/64] |= 1 << (n.Depth % 64)
	}
	return r
}

// Version rises by one with each change.
func (r *Ring) Version() int64 { return r.version }

// Salt keys the hash that gives leaves.
func (r *Ring) Salt() Secret { return r.salt }

// Nodes are the secrets. Nobody may change them.
func (r *Ring) Nodes() map[Node]Secret { return r.nodes }

// LeafOf is a subject's place.
func (r *Ring) LeafOf(subject string) Leaf {
	mac := hmac.New(sha256.New, r.salt[:])
	mac.Write([]byte(subject))
	return Leaf(binary.BigEndian.Uint64(mac.Sum(nil)))
}

// Holds says whether there is a key for a subject. One whose key was lost is
// suppressed: nothing more is taken in about them until [Ring.Renew].
func (r *Ring) Holds(subject string) bool {
	_, found := r.above(r.LeafOf(subject))
	return found
}

// above finds the node that a leaf is below of; there is at most one.
func (r *Ring) above(leaf Leaf) (Node, bool) {
	for word, set := range r.depths {
		for ; set != 0; set &= set - 1 {
			n := nodeAt(leaf, uint8(word*64+bits.TrailingZeros64(set)))
			if _, ok := r.nodes[n]; ok {
				return n, true
			}
		}
	}
	return Node{}, false
}

func nodeAt(leaf Leaf, d uint8) Node {
	return Node{d, uint64(leaf) &^ (1<<(depth-d) - 1)} // a shift by 64 gives 0, and 0-1 all bits
}

// child is the secret of one of the two nodes below one with a secret.
func child(s Secret, bit uint64) Secret {
	var room [33]byte
	room[0] = byte(bit)
	copy(room[1:], s[:])
	return sha256.Sum256(room[:])
}

func bitAt(leaf Leaf, d uint8) uint64 { return uint64(leaf) >> (depth - 1 - d) & 1 }

// key is a leaf's secret.
func (r *Ring) key(leaf Leaf) (Secret, bool) {
	n, found := r.above(leaf)
	if !found {
		return Secret{}, false
	}
	s := r.nodes[n]
	for d := n.Depth; d < depth; d++ {
		s = child(s, bitAt(leaf, d))
	}
	return s, true
}

// Lose gives a ring without the keys of subjects. What it gives shares no
// secret with r from which they could be computed: r is to be forgotten.
func (r *Ring) Lose(subjects ...string) *Ring {
	nodes := maps.Clone(r.nodes)
	for _, subject := range subjects {
		leaf := r.LeafOf(subject)
		lost := Restore(r.version, r.salt, nodes)
		n, found := lost.above(leaf)
		if !found {
			continue
		}
		s := nodes[n]
		delete(nodes, n)
		for d := n.Depth; d < depth; d++ {
			bit := bitAt(leaf, d)
			sibling := Node{d + 1, nodeAt(leaf, d).Prefix | (1-bit)<<(depth-1-d)}
			nodes[sibling] = child(s, 1-bit)
			s = child(s, bit)
		}
	}
	return Restore(r.version+1, r.salt, nodes)
}

// Renew gives a ring with fresh keys for subjects that have none: what was
// sealed for them before stays unreadable.
func (r *Ring) Renew(subjects ...string) *Ring {
	nodes := maps.Clone(r.nodes)
	for _, subject := range subjects {
		leaf := r.LeafOf(subject)
		if _, found := Restore(r.version, r.salt, nodes).above(leaf); !found {
			nodes[nodeAt(leaf, depth)] = random()
		}
	}
	return Restore(r.version+1, r.salt, nodes)
}
