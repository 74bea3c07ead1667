package bulk

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"kairos/cmd/internal/foreign"
)

// source counts what has been read of a file, and unpacks it.
type source struct {
	io.Reader // unpacked
	file      io.ReadCloser
	size      int64
	read      int64 // of the file
	room      int64 // bytes that the row at work may still take
}

var errRowTooLong = fmt.Errorf("the row has more than %d bytes: is there a quote that is not closed?", largestRow)

func newSource(file io.ReadCloser, size int64) (*source, error) {
	s := &source{file: file, size: size, room: largestRow}
	packed := bufio.NewReader(counting{s})
	s.Reader = packed
	if head, _ := packed.Peek(2); bytes.Equal(head, []byte{0x1f, 0x8b}) {
		unpacked, err := gzip.NewReader(packed)
		if err != nil {
			return nil, err
		}
		s.Reader = unpacked
	}
	return s, nil
}

// counting reads the file itself.
type counting struct{ *source }

func (c counting) Read(b []byte) (int, error) {
	n, err := c.file.Read(b)
	c.read += int64(n)
	return n, err
}

// Read gives a row no more than its room.
func (s *source) Read(b []byte) (int, error) {
	if s.room <= 0 {
		return 0, errRowTooLong
	}
	n, err := s.Reader.Read(b)
	s.room -= int64(n)
	return n, err
}

func (s *source) Part() float64 { return float64(s.read) / float64(max(s.size, 1)) }
func (s *source) Close() error  { return s.file.Close() }

// textual is what the formats of text have in common.
type textual struct {
	*source
	line int64
}

func (t *textual) Line() int64           { return t.line }
func (*textual) Schema() *foreign.Schema { return nil }

type csvReader struct {
	textual
	csv   *csv.Reader
	names []string
}

func newCSV(file io.ReadCloser, size int64, separator rune) (*csvReader, error) {
	s, err := newSource(file, size)
	if err != nil {
		return nil, err
	}
	buffered := bufio.NewReaderSize(s, 64<<10)
	if mark, _ := buffered.Peek(3); string(mark) == "\ufeff" {
		_, _ = buffered.Discard(3)
	}
	if separator == 0 {
		separator = suggested(buffered)
	}
	r := &csvReader{textual: textual{source: s}, csv: csv.NewReader(buffered)}
	r.csv.Comma, r.csv.FieldsPerRecord, r.csv.ReuseRecord = separator, -1, true
	header, err := r.csv.Read()
	if err != nil {
		return nil, fmt.Errorf("there is no line of names at its beginning: %w", withoutText(err))
	}
	seen := map[string]bool{}
	for _, name := range header {
		name = strings.TrimSpace(name)
		if name == "" || seen[name] {
			return nil, fmt.Errorf("column %d has no name of its own in the first line", len(r.names)+1)
		}
		seen[name] = true
		r.names = append(r.names, name)
	}
	return r, nil
}

// suggested is the separator that the first line holds most of.
func suggested(b *bufio.Reader) rune {
	head, _ := b.Peek(8 << 10)
	if end := bytes.IndexByte(head, '\n'); end >= 0 {
		head = head[:end]
	}
	best := ','
	for _, candidate := range ";\t|" {
		if bytes.ContainsRune(head, candidate) && bytes.Count(head, []byte(string(candidate))) > bytes.Count(head, []byte(string(best))) {
			best = candidate
		}
	}
	return best
}

func (r *csvReader) Next() (foreign.Row, error) {
	r.room = largestRow
	cells, err := r.csv.Read()
	var wrong *csv.ParseError
	switch {
	case errors.As(err, &wrong):
		r.line = int64(wrong.StartLine)
		return nil, &RowError{wrong.Err.Error()}
	case errors.Is(err, errRowTooLong):
		r.line++ // at the earliest
		return nil, err
	case err != nil:
		return nil, err
	}
	line, _ := r.csv.FieldPos(0)
	r.line = int64(line)
	if len(cells) != len(r.names) {
		return nil, &RowError{fmt.Sprintf("has another number of cells than the first line: %d, not %d", len(cells), len(r.names))}
	}
	row := make(foreign.Row, len(cells))
	for i, cell := range cells {
		if cell == "" {
			row[r.names[i]] = nil
		} else {
			row[r.names[i]] = strings.Clone(cell)
		}
	}
	return row, nil
}

// withoutText is an error of reading without what was read.
func withoutText(err error) error {
	var wrong *csv.ParseError
	if errors.As(err, &wrong) {
		return fmt.Errorf("line %d: %w", wrong.Line, wrong.Err)
	}
	return err
}

type ndjsonReader struct {
	textual
	lines *bufio.Reader
}

func newNDJSON(file io.ReadCloser, size int64) (*ndjsonReader, error) {
	s, err := newSource(file, size)
	if err != nil {
		return nil, err
	}
	return &ndjsonReader{textual: textual{source: s}, lines: bufio.NewReaderSize(s, 64<<10)}, nil
}

func (r *ndjsonReader) Next() (foreign.Row, error) {
	for {
		r.room = largestRow
		line, err := r.lines.ReadBytes('\n')
		if len(line) == 0 && err != nil || err != nil && !errors.Is(err, io.EOF) {
			if errors.Is(err, errRowTooLong) {
				r.line++
			}
			return nil, err
		}
		r.line++
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return rowOfJSON(line)
		}
	}
}

func rowOfJSON(line []byte) (foreign.Row, error) {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, &RowError{"is not JSON"}
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, &RowError{"has something after its object"}
	}
	row, ok := v.(foreign.Row)
	if !ok {
		return nil, &RowError{"is not a JSON object"}
	}
	return row, nil
}
