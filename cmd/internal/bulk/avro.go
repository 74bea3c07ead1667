package bulk

import (
	"errors"
	"fmt"
	"io"

	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"

	"kairos/cmd/internal/foreign"
)

// avroReader reads an Avro container file.
type avroReader struct {
	*source
	ocf    *ocf.Reader
	schema *foreign.Schema
	row    int64
}

// largestBlock is how many bytes a block of a container file may unpack to.
const largestBlock = 64 << 20

func newAvro(file io.ReadCloser, size int64) (*avroReader, error) {
	s := &source{file: file, size: size}
	r := &avroReader{source: s}
	var err error
	r.ocf, err = ocf.NewReader(counting{s}, ocf.WithMaxBlockBytes(largestBlock), ocf.WithMaxDecompressedBlockBytes(largestBlock),
		ocf.WithReaderSchemaFunc(func(rd *ocf.Reader) (*avro.Schema, error) {
			var err error
			r.schema, err = foreign.ParseSchema(rd.Schema().String())
			if err != nil {
				return nil, err
			}
			return r.schema.Avro(), nil
		}))
	if err != nil {
		return nil, fmt.Errorf("is no Avro container file: %w", err)
	}
	return r, nil
}

func (r *avroReader) Next() (row foreign.Row, err error) {
	defer caught(&err)
	var v any
	r.row++
	switch err := r.ocf.Decode(&v); {
	case errors.Is(err, io.EOF):
		return nil, io.EOF
	case err != nil:
		return nil, errors.New("the file is damaged from here on")
	}
	row, ok := v.(foreign.Row)
	if !ok {
		return nil, errors.New("its schema is not one of a record")
	}
	return row, nil
}

func (r *avroReader) Line() int64             { return r.row }
func (r *avroReader) Schema() *foreign.Schema { return r.schema }

// caught makes an error of a panic in a library that reads damaged bytes.
func caught(err *error) {
	if bug := recover(); bug != nil {
		*err = errors.New("the file is damaged from here on")
	}
}
