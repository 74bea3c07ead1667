package collector

import (
	"maps"
	"slices"
)

// Paths are all that SDKs may send calls to.
func Paths() []string {
	var paths []string
	for _, word := range slices.Sorted(maps.Keys(words)) {
		paths = append(paths, "/v1/"+word)
	}
	return paths
}
