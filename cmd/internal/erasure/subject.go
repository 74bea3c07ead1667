// Package erasure takes a person out of everything that is kept, and says what
// it found, what it removed and what it could not. It also gives a person what is
// held about them.
//
// In: an identifier. Out: a signed [Receipt]; what is [Held]. State: none; an erasure that was
// interrupted is begun again, and finds less. Laws: the keys go first, so
// nothing new comes in meanwhile; what is left is never left out of the receipt.
//
// Not here: how stages forget a person (each of them), how keys are lost
// (processors/keyring).
package erasure

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/lookup"
	"kairos/processors/identity"
	"kairos/schemas"
)

// Subject is a person as everything kept may name them.
type Subject struct {
	Asked       schemas.Identifier
	Identifiers []string // keys, of sessions too; sorted
	People      []string // ids that the person has or may have had; sorted
}

// Find gathers the person that an identifier belongs to. Who is not known any
// more may still be in the log.
func Find(ctx context.Context, client *cluster.Client, id schemas.Identifier) (*Subject, error) {
	p, err := lookup.Find(ctx, lookup.FromCluster{Client: client}, id)
	var unknown *lookup.NotFoundError
	if err != nil && !errors.As(err, &unknown) {
		return nil, err
	}
	if err != nil {
		return subjectOf(id, nil), nil
	}
	return subjectOf(id, p), nil
}

func subjectOf(id schemas.Identifier, p *lookup.Person) *Subject {
	s := &Subject{Asked: id}
	if id.Namespace != lookup.ByPerson {
		s.Identifiers = append(s.Identifiers, id.String())
	}
	if p != nil {
		s.People = append(s.People, p.ID)
		if p.Component != nil {
			for _, m := range p.Component.Members {
				if m.Person == p.ID {
					s.Identifiers = append(s.Identifiers, m.Identifier)
				}
			}
		}
		if p.Profile != nil {
			for i := range p.Profile.Fragments {
				s.Identifiers = append(s.Identifiers, p.Profile.Fragments[i].Identifier)
			}
		}
	}
	for _, key := range s.Identifiers {
		s.People = append(s.People, identity.PersonOf(key))
	}
	slices.Sort(s.Identifiers)
	slices.Sort(s.People)
	s.Identifiers, s.People = slices.Compact(s.Identifiers), slices.Compact(s.People)
	return s
}

// own are the identifiers that are the person's alone: of a device that is bound
// to sessions, only sessions are.
func (s *Subject) own() []string {
	return slices.DeleteFunc(slices.Clone(s.Identifiers), schemas.IsSession)
}

// keys are the keys that rows of the person have.
func (s *Subject) keys() map[string]bool {
	keys := map[string]bool{}
	for _, k := range slices.Concat(s.Identifiers, s.People) {
		keys[k] = true
	}
	return keys
}

// shortest is the length from which on a value is looked for by itself: a
// shorter one may be a part of anything.
const shortest = 6

// needles are what bytes about the person hold, in lower case.
func (s *Subject) needles() [][]byte {
	var all [][]byte
	for _, key := range s.Identifiers {
		id := schemas.IdentifierOf(key)
		all = append(all, []byte(strings.ToLower(key)))
		if len(id.Value) >= shortest {
			all = append(all, []byte(strings.ToLower(id.Value)))
		}
		pair := append(avroText(nil, id.Namespace), avroText(nil, id.Value)...)
		all = append(all, bytes.ToLower(pair))
	}
	for _, person := range s.People {
		all = append(all, []byte(person))
	}
	return all
}

// avroText is how Avro writes a text: its length, zigzag, and the text.
func avroText(dst []byte, s string) []byte {
	n := uint64(len(s)) << 1
	for n >= 0x80 {
		dst = append(dst, byte(n)|0x80)
		n >>= 7
	}
	return append(append(dst, byte(n)), s...)
}

// names says whether bytes hold any of the needles.
func names(needles [][]byte, parts ...[]byte) bool {
	for _, part := range parts {
		lower := bytes.ToLower(part)
		if slices.ContainsFunc(needles, func(n []byte) bool { return bytes.Contains(lower, n) }) {
			return true
		}
	}
	return false
}
