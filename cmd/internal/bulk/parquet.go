package bulk

import (
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"kairos/cmd/internal/foreign"
)

// parquetReader reads a Parquet file.
type parquetReader struct {
	file   io.Closer
	schema *parquet.Schema
	groups []parquet.RowGroup
	rows   parquet.Rows // of the group at work
	buffer []parquet.Row
	next   int // in buffer
	row    int64
	total  int64
}

func newParquet(file *os.File, size int64) (r *parquetReader, err error) {
	defer caught(&err)
	if err := footed(file, size); err != nil {
		return nil, err
	}
	opened, err := parquet.OpenFile(file, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, fmt.Errorf("is no Parquet file: %w", err)
	}
	if err := paged(file, opened.Metadata()); err != nil {
		return nil, err
	}
	return &parquetReader{file: file, schema: opened.Schema(), groups: opened.RowGroups(), total: opened.NumRows()}, nil
}

// rowsAtOnce is how many rows are read together.
const rowsAtOnce = 64

func (r *parquetReader) Next() (row foreign.Row, err error) {
	defer caught(&err)
	for r.next >= len(r.buffer) {
		if r.rows == nil {
			if len(r.groups) == 0 {
				return nil, io.EOF
			}
			r.rows, r.groups = r.groups[0].Rows(), r.groups[1:]
		}
		rows := make([]parquet.Row, rowsAtOnce)
		n, err := r.rows.ReadRows(rows)
		r.buffer, r.next = rows[:n], 0
		switch {
		case n > 0:
		case errors.Is(err, io.EOF):
			if err := r.rows.Close(); err != nil {
				return nil, err
			}
			r.rows = nil
		case err != nil:
			r.row++
			return nil, errors.New("the file is damaged from here on")
		}
	}
	columns := make([][]parquet.Value, len(r.schema.Columns()))
	for _, v := range r.buffer[r.next] {
		columns[v.Column()] = append(columns[v.Column()], v.Clone())
	}
	r.next++
	r.row++
	row, ok := group(r.schema, columns, 0, 0).(foreign.Row)
	if !ok {
		return nil, errors.New("its schema has no columns")
	}
	return row, nil
}

func (r *parquetReader) Line() int64           { return r.row }
func (*parquetReader) Schema() *foreign.Schema { return nil }
func (r *parquetReader) Part() float64         { return float64(r.row) / float64(max(r.total, 1)) }
func (r *parquetReader) Close() error          { return r.file.Close() }

// assemble makes the value of a node of the values in its columns, which are
// those of one row, or of one item of the lists around: levels says of how many.
func assemble(node parquet.Node, columns [][]parquet.Value, repetition, definition int) any {
	if len(columns) == 0 || len(columns[0]) == 0 {
		return nil
	}
	switch {
	case node.Optional():
		definition++
		if columns[0][0].DefinitionLevel() < definition {
			return nil
		}
	case node.Repeated():
		repetition, definition = repetition+1, definition+1
		list := []any{}
		if columns[0][0].DefinitionLevel() < definition {
			return list
		}
		for _, item := range items(columns, repetition) {
			list = append(list, group(node, item, repetition, definition))
		}
		return list
	}
	return group(node, columns, repetition, definition)
}

// items cuts columns where an item of a list begins.
func items(columns [][]parquet.Value, repetition int) [][][]parquet.Value {
	var all [][][]parquet.Value
	for c, values := range columns {
		n := 0
		for begin := 0; begin < len(values); n++ {
			end := begin + 1
			for end < len(values) && values[end].RepetitionLevel() > repetition {
				end++
			}
			if n == len(all) {
				all = append(all, make([][]parquet.Value, len(columns)))
			}
			all[n][c], begin = values[begin:end], end
		}
	}
	return all
}

// group is the value of a node, of which it is known that it is there.
func group(node parquet.Node, columns [][]parquet.Value, repetition, definition int) any {
	if node.Leaf() {
		if len(columns) == 0 || len(columns[0]) == 0 {
			return nil
		}
		return scalar(node.Type(), columns[0][0])
	}
	row, from := foreign.Row{}, 0
	for _, field := range node.Fields() {
		width := leaves(field)
		row[field.Name()] = assemble(field, columns[from:from+width], repetition, definition)
		from += width
	}
	switch logical := node.Type().LogicalType(); {
	case logical == nil:
	case is[*format.ListType](logical):
		return listOf(row)
	case is[*format.MapType](logical):
		return mapOf(row)
	}
	return row
}

func is[T any](logical *format.LogicalType) bool {
	_, ok := logical.Value.(T)
	return ok
}

func leaves(node parquet.Node) int {
	if node.Leaf() {
		return 1
	}
	n := 0
	for _, field := range node.Fields() {
		n += leaves(field)
	}
	return n
}

// listOf takes a list out of the two groups that Parquet puts around its items.
func listOf(row foreign.Row) any {
	for _, inner := range row {
		list, _ := inner.([]any)
		for i, item := range list {
			if element, ok := item.(foreign.Row); ok && len(element) == 1 {
				for _, v := range element {
					list[i] = v
				}
			}
		}
		return list
	}
	return nil
}

// mapOf takes a map out of the groups that Parquet puts around its entries.
func mapOf(row foreign.Row) any {
	entries := foreign.Row{}
	for _, inner := range row {
		list, _ := inner.([]any)
		for _, item := range list {
			if pair, ok := item.(foreign.Row); ok {
				entries[fmt.Sprint(pair["key"])] = pair["value"]
			}
		}
	}
	return entries
}

// scalar is a value as its logical type means it.
func scalar(t parquet.Type, v parquet.Value) any {
	if v.IsNull() {
		return nil
	}
	if logical := t.LogicalType(); logical != nil {
		switch l := logical.Value.(type) {
		case *format.TimestampType:
			return time.Unix(0, 0).UTC().Add(counted(v.Int64(), l.Unit))
		case *format.DateType:
			return foreign.Day(time.Unix(int64(v.Int32())*86_400, 0).UTC())
		case *format.TimeType:
			n := v.Int64()
			if v.Kind() == parquet.Int32 {
				n = int64(v.Int32())
			}
			return counted(n, l.Unit)
		case *format.DecimalType:
			return decimal(v, int(l.Scale))
		case *format.UUIDType:
			if b := v.ByteArray(); len(b) == 16 {
				return [16]byte(b)
			}
		case *format.StringType, *format.EnumType, *format.JsonType:
			return string(v.ByteArray())
		case *format.IntType:
			if !l.IsSigned && v.Kind() == parquet.Int32 {
				return v.Uint32()
			} else if !l.IsSigned {
				return v.Uint64()
			}
		}
	}
	switch v.Kind() {
	case parquet.Boolean:
		return v.Boolean()
	case parquet.Int32:
		return v.Int32()
	case parquet.Int64:
		return v.Int64()
	case parquet.Int96: // nanoseconds of a Julian day
		i := v.Int96()
		nanoseconds, day := int64(i[1])<<32|int64(i[0]), int64(i[2])
		const julian1970 = 2_440_588
		return time.Unix((day-julian1970)*86_400, nanoseconds).UTC()
	case parquet.Float:
		return v.Float()
	case parquet.Double:
		return v.Double()
	}
	return append([]byte{}, v.ByteArray()...)
}

// counted is n of a unit, within what a duration holds.
func counted(n int64, unit format.TimeUnit) time.Duration {
	if unit.Value == nil {
		return 0
	}
	return time.Duration(n) * unit.Value.Duration()
}

// decimal is a number with so many digits behind the point.
func decimal(v parquet.Value, scale int) any {
	unscaled := new(big.Int)
	switch v.Kind() {
	case parquet.Int32:
		unscaled.SetInt64(int64(v.Int32()))
	case parquet.Int64:
		unscaled.SetInt64(v.Int64())
	default: // big endian, two's complement
		b := v.ByteArray()
		if len(b) > 64 || scale < 0 || scale > 100 {
			return nil
		}
		if unscaled.SetBytes(b); len(b) > 0 && b[0] >= 0x80 {
			unscaled.Sub(unscaled, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
		}
	}
	if scale < 0 || scale > 100 {
		return nil
	}
	return new(big.Rat).SetFrac(unscaled, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))
}
