package bulk

import (
	"bufio"
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

// sized goes from header to header of one column's pages. What is no header is
// for the library to report, when it comes to it.
func sized(column *io.SectionReader) error {
	const usual, ratio = 8 << 20, 10_000 // bytes of a page; to which repetitions may have been packed
	in, header, protocol := bufio.NewReader(nil), format.PageHeader{}, thrift.CompactProtocol{}
	for at := int64(0); ; {
		if _, err := column.Seek(at, io.SeekStart); err != nil {
			return err
		}
		in.Reset(column)
		header = format.PageHeader{}
		if err := thrift.NewDecoder(protocol.NewReader(in)).Decode(&header); err != nil {
			return nil
		}
		read, err := column.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		at = read - int64(in.Buffered())
		packed, unpacked := int64(header.CompressedPageSize), int64(header.UncompressedPageSize)
		if packed < 0 || packed > column.Size()-at {
			return fmt.Errorf("a page says that it has %d bytes, where %d are left", packed, column.Size()-at)
		}
		if unpacked < 0 || unpacked > usual+ratio*packed {
			return fmt.Errorf("a page of %d bytes says that it unpacks to %d", packed, unpacked)
		}
		at += packed
	}
}
