package demo

import (
	"embed"
	"io/fs"

	"kairos/processors/definition"
)

//go:embed definitions
var files embed.FS

// Definitions are those of the demo's shop.
func Definitions() (*definition.Set, error) {
	folder, err := fs.Sub(files, "definitions")
	if err != nil {
		return nil, err
	}
	return definition.Load(folder)
}
