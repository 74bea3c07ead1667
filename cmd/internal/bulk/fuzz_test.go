package bulk_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"

	"kairos/cmd/internal/bulk"
	"kairos/cmd/internal/foreign"
	"kairos/loadtest/bounded"
)

// readsAll reads a file of a format to its end, and fails on a panic, on rows
// without end, and on memory out of proportion.
func readsAll(t *testing.T, format string, content []byte) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	bounded.Memory(t, 512<<20+10_000*uint64(len(content)), func() {
		f, err := bulk.Open(path, format, 0)
		if err != nil {
			t.Fatal(err)
		}
		m := crm(t)
		if r, err := f.Read(); err == nil {
			defer r.Close()
			for n := 0; ; n++ {
				row, err := r.Next()
				var bad *bulk.RowError
				if err != nil && !errors.As(err, &bad) {
					break
				}
				if n > 10_000_000 {
					t.Fatal("the rows have no end")
				}
				if err == nil && n < 1000 {
					_, _ = foreign.Event(m, row, "place")
				}
			}
			if part := r.Part(); part < 0 {
				t.Fatalf("part %v", part)
			}
		}
	})
}

func FuzzCSV(f *testing.F) {
	for _, text := range []string{"a,b\n1,2\n", "\ufeffa;b\n\"x\ny\";2\n", "a\tb\n\"", "a,a\n", "", "a\r\n\r\n\"\"\"\"", "\x1f\x8b\x08\x00"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, content []byte) { readsAll(t, "csv", content) })
}

func FuzzNDJSON(f *testing.F) {
	for _, text := range []string{"{\"a\": 1}\n{\"b\": [1, {\"c\": null}]}", "\n\n", "{", "[[[[", "{\"a\": 1e999}", "\"\xff\"", "{} {}"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, content []byte) { readsAll(t, "ndjson", content) })
}

func FuzzAvroFile(f *testing.F) {
	schema := avro.MustParse(`{"type": "record", "name": "r", "fields": [{"name": "a", "type": "string"}, {"name": "b", "type": {"type": "array", "items": "null"}}]}`)
	for _, codec := range []ocf.Codec{ocf.SnappyCodec(), ocf.DeflateCodec(1), ocf.MustZstdCodec(nil, nil)} {
		var b bytes.Buffer
		w, err := ocf.NewWriter(&b, schema, ocf.WithCodec(codec))
		if err != nil {
			f.Fatal(err)
		}
		if err := errors.Join(w.Encode(map[string]any{"a": "x", "b": []any{nil}}), w.Close()); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, content []byte) { readsAll(t, "avro", content) })
}

func FuzzParquet(f *testing.F) {
	var b bytes.Buffer
	if err := parquet.Write(&b, []customer{{Mail: "a", Phones: []string{"1"}, Seen: time.Unix(1, 0)}, {Tags: map[string]string{"a": "b"}, Seen: time.Unix(2, 0)}}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("PAR1PAR1"))
	f.Fuzz(func(t *testing.T, content []byte) { readsAll(t, "parquet", content) })
}
