// Package bulk reads files of rows (CSV, NDJSON, Avro container files, Parquet)
// and imports them as events.
//
// In: a file and a mapping. Out: a report of what its rows are worth; events on
// kairos.door.events. State: how far each file has got, on
// kairos.operator.imports, in the transactions of its events. Laws: each row
// becomes an event once, however often the import is begun, broken off or
// repeated; a row that is no event is counted with its line and the field that
// is wrong; no value of a row is in a report, a log or an error.
//
// Not here: how rows become events (cmd/internal/foreign).
package bulk

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kairos/cmd/internal/foreign"
)

// File is a file of rows.
type File struct {
	Path        string
	Format      string
	Separator   rune   // of CSV; 0: what its first line suggests
	Fingerprint string // SHA-256 of its bytes, in hexadecimal
	Size        int64
}

// formats by what names end in; a .gz may follow those of text.
var formats = map[string]string{".csv": "csv", ".tsv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".avro": "avro", ".parquet": "parquet"}

// Open finds out what a file is. format says so where its name does not.
func Open(path, format string, separator rune) (*File, error) {
	f := &File{Path: path, Format: format, Separator: separator}
	if format == "" {
		f.Format = formats[strings.ToLower(filepath.Ext(strings.TrimSuffix(path, ".gz")))]
	}
	if !slices.Contains([]string{"csv", "ndjson", "avro", "parquet"}, f.Format) {
		return nil, fmt.Errorf("%s: its name does not say what it is: give --format, one of csv, ndjson, avro, parquet", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	sum := sha256.New()
	if f.Size, err = io.Copy(sum, file); err != nil {
		return nil, err
	}
	f.Fingerprint = hex.EncodeToString(sum.Sum(nil))
	return f, nil
}

// RowError says that one row cannot be read; others follow.
type RowError struct{ What string }

func (e *RowError) Error() string { return e.What }

// Reader gives the rows of a file, in order.
type Reader interface {
	// Next gives the next row; io.EOF after the last, a [RowError] for one that
	// cannot be read. After any other error there are no more.
	Next() (foreign.Row, error)
	// Line is where the last row begins: its line in a text, its number elsewhere.
	Line() int64
	// Part is how much of the file has been read, from 0 to 1.
	Part() float64
	// Schema is the Avro schema of the file; nil if it has none.
	Schema() *foreign.Schema
	Close() error
}

// Read begins to read the rows.
func (f *File) Read() (Reader, error) {
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, err
	}
	var r Reader
	switch f.Format {
	case "csv":
		r, err = newCSV(file, f.Size, f.Separator)
	case "ndjson":
		r, err = newNDJSON(file, f.Size)
	case "avro":
		r, err = newAvro(file, f.Size)
	case "parquet":
		r, err = newParquet(file, f.Size)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", f.Path, err), file.Close())
	}
	return r, nil
}

// largestRow is how many bytes a row may have: more is a quote that was never
// closed, or no file of rows.
const largestRow = 4 << 20
