package expression

import "github.com/cespare/xxhash/v2"

// Bucket puts a person into one of ten thousand equal parts of a split and
// returns it as a percentage from 0 to 99.99: the same for ever, and unrelated
// to the person's part in any other split.
func Bucket(split, person string) float64 {
	d := xxhash.New()
	_, _ = d.WriteString(split) // a hash never fails
	_, _ = d.Write([]byte{0})
	_, _ = d.WriteString(person)
	return float64(d.Sum64()%10_000) / 100
}
