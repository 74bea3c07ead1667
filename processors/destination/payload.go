package destination

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"kairos/schemas"
)

// visible lists the identifiers that d may see, in the order that it wants
// them, hashed where it says so.
func (d *destination) visible(known []schemas.Identifier) []schemas.Identifier {
	var visible []schemas.Identifier
	for _, namespace := range d.identifiers {
		for _, id := range known {
			if id.Namespace != namespace {
				continue
			}
			if d.hashed[namespace] {
				id.Value = hashed(id.Value)
			}
			visible = append(visible, id)
		}
	}
	return visible
}

// hashed is the SHA-256, in lower-case hexadecimal, of a value without outer
// spaces and in lower case: the form in which advertising systems match.
func hashed(value string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(strings.TrimSpace(value))))
	return hex.EncodeToString(sum[:])
}

// carried lists the attributes that d's records carry.
func (d *destination) carried(known schemas.Properties) schemas.Properties {
	var carried schemas.Properties
	for _, name := range d.attributes {
		if v := known.Get(name); v.Kind != schemas.Null {
			carried = append(carried, schemas.Property{Name: name, Value: v})
		}
	}
	return carried
}

// consents reports whether every consent that d needs is given.
func (d *destination) consents(known schemas.Properties) bool {
	return !slices.ContainsFunc(d.consent, func(name string) bool {
		word := known.Get(name)
		return !word.True() && !(d.presumed && word.Kind == schemas.Null)
	})
}

// digest tells payloads apart. Why and when something was told is no part of
// it: the same content for another reason is no news.
func digest(a *schemas.Activation) int64 {
	content := *a
	content.Cause, content.Reason = 0, ""
	b, err := schemas.ActivationCodec.Append(nil, &content)
	if err != nil {
		panic(err) // the record could not be emitted either
	}
	return int64(xxhash.Sum64(b))
}
