package bulk

import (
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// paged checks the sizes that the pages of a Parquet file say they have, before
// the library makes room for them: nobody is to hold gigabytes for a few bytes.
func paged(file io.ReaderAt, described *format.FileMetaData) error {
	for g := range described.RowGroups {
		for c := range described.RowGroups[g].Columns {
			m := &described.RowGroups[g].Columns[c].MetaData
			begin := m.DataPageOffset
			if m.DictionaryPageOffset != 0 {
				begin = m.DictionaryPageOffset
			}
			if begin < 0 || m.TotalCompressedSize < 0 {
				return errors.New("is damaged: a column lies before the file")
			}
			if err := sized(io.NewSectionReader(file, begin, m.TotalCompressedSize)); err != nil {
				return fmt.Errorf("is damaged: group %d, column %d: %w", g, c, err)
			}
		}
	}
	return nil
}

// sized goes from header to header of one column's pages.
func sized(column *io.SectionReader) error {
	const usual, ratio = 8 << 20, 10_000 // bytes of a page; to which repetitions may have been packed
	for at := int64(0); at < column.Size(); {
		header, length, err := headerAt(column, at)
		if err != nil {
			return err
		}
		at += length
		packed, unpacked := int64(header.CompressedPageSize), int64(header.UncompressedPageSize)
		if packed < 0 || packed > column.Size()-at {
			return fmt.Errorf("a page says that it has %d bytes, where %d are left", packed, column.Size()-at)
		}
		if unpacked < 0 || unpacked > usual+ratio*packed {
			return fmt.Errorf("a page of %d bytes says that it unpacks to %d", packed, unpacked)
		}
		at += packed
	}
	return nil
}

// headerAt reads a page's header, and says how long it is, which the library keeps
// to itself.
func headerAt(column io.ReaderAt, at int64) (h format.PageHeader, length int64, err error) {
	for _, window := range []int{4 << 10, 16 << 20} { // all but always the first; least and most values may be long
		b := make([]byte, window)
		n, err := column.ReadAt(b, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return h, 0, err
		}
		if w := (walk{left: b[:n]}); w.structure(0) {
			b = b[:n-len(w.left)]
			err = thrift.NewDecoder(new(thrift.CompactProtocol).NewReaderFromBytes(b)).Decode(&h)
			return h, int64(len(b)), err
		}
		if n < window {
			break
		}
	}
	return h, 0, errors.New("a header of a page is none")
}
