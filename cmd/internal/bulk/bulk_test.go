package bulk_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"

	"kairos/cmd/internal/bulk"
	"kairos/processors/definition"
	"kairos/schemas"
)

func file(t testing.TB, name string, content []byte) *bulk.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := bulk.Open(path, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// rows reads a file to its end; what a row cannot be read for is a line of its own.
func rows(t testing.TB, f *bulk.File) []string {
	t.Helper()
	r, err := f.Read()
	if err != nil {
		return []string{"error: " + strings.TrimPrefix(err.Error(), f.Path+": ")}
	}
	defer r.Close()
	var all []string
	for {
		row, err := r.Next()
		var bad *bulk.RowError
		switch {
		case errors.Is(err, io.EOF):
			return all
		case errors.As(err, &bad):
			all = append(all, fmt.Sprintf("%d: %v", r.Line(), err))
		case err != nil:
			return append(all, fmt.Sprintf("error: %d: %v", r.Line(), err))
		default:
			all = append(all, fmt.Sprintf("%d %v", r.Line(), row))
		}
	}
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestRowsOfCSVKeepTheirLines(t *testing.T) {
	text := "\ufeffmail;name;n\na@x;\"Ann;\n B\";1\nb@x;;\nc@x;\"C\"x;2\nd@x\ne@x;E;3\n"
	want := []string{
		"2 map[mail:a@x n:1 name:Ann;\n B]", "4 map[mail:b@x n:<nil> name:<nil>]",
		`5: extraneous or missing " in quoted-field`, "6: has another number of cells than the first line: 1, not 3", "7 map[mail:e@x n:3 name:E]",
	}
	same(t, rows(t, file(t, "a.csv", []byte(text))), want...)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	same(t, rows(t, file(t, "a.csv.gz", packed.Bytes())), want...)
	same(t, rows(t, file(t, "a.csv", []byte("a,b,a\n1,2,3\n"))), "error: column 3 has no name of its own in the first line")
	same(t, rows(t, file(t, "a.csv", nil)), "error: there is no line of names at its beginning: EOF")
}

func TestRowsOfNDJSON(t *testing.T) {
	same(t, rows(t, file(t, "a.ndjson", []byte("{\"a\": 9007199254740993}\n\n[1]\n{\"a\":\n{} {}\n{\"b\": {\"c\": null}}"))),
		"1 map[a:9007199254740993]", "3: is not a JSON object", "4: is not JSON", "5: has something after its object", "6 map[b:map[c:<nil>]]")
}

// A quote that is not closed must not take all the memory that there is.
func TestARowThatNeverEndsIsRefused(t *testing.T) {
	endless := bytes.Repeat([]byte("x"), 9<<20)
	for name, text := range map[string][]byte{"a.csv": append([]byte("a,b\n1,2\n\""), endless...), "a.ndjson": append([]byte("{}\n{\"a\": \""), endless...)} {
		got := rows(t, file(t, name, text))
		if last := got[len(got)-1]; !strings.Contains(last, "more than 4194304 bytes") || len(got) != 2 {
			t.Errorf("%s: %.300q", name, got)
		}
	}
}

func TestRowsOfAvroFilesAndTheirOwnMapping(t *testing.T) {
	schema := avro.MustParse(`{"type": "record", "name": "customer", "fields": [
		{"name": "mail", "type": "string", "kairos.identity": "email"}, {"name": "since", "type": {"type": "int", "logicalType": "date"}}]}`)
	var b bytes.Buffer
	w, err := ocf.NewWriter(&b, schema, ocf.WithCodec(ocf.SnappyCodec()))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Encode(map[string]any{"mail": "a@x.example", "since": time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC)}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f := file(t, "a.avro", b.Bytes())
	same(t, rows(t, f), "1 map[mail:a@x.example since:2020-01-02]")
	report, err := bulk.Check(t.Context(), config(f, nil))
	if err != nil || report.Events != 1 || report.Mapping != "avro customer" {
		t.Errorf("%+v, %v", report, err)
	}
	same(t, rows(t, file(t, "b.avro", append(b.Bytes()[:b.Len()-20], 1, 2, 3))), "error: 1: the file is damaged from here on")
	if got := rows(t, file(t, "c.avro", []byte("no"))); !strings.Contains(got[0], "no Avro container file") {
		t.Error(got)
	}
}

type bought struct {
	SKU   string  `parquet:"sku"`
	Price float64 `parquet:"price"`
}

type customer struct {
	Mail    string            `parquet:"mail"`
	Country *string           `parquet:"country,optional"`
	Born    int32             `parquet:"born,date"`
	Seen    time.Time         `parquet:"seen,timestamp(microsecond)"`
	Spent   int64             `parquet:"spent,decimal(2:18)"`
	Phones  []string          `parquet:"phones,list"`
	Items   []bought          `parquet:"items"`
	Tags    map[string]string `parquet:"tags"`
	Address struct {
		City string `parquet:"city,optional"`
		Zip  []int  `parquet:"zip"`
	} `parquet:"address"`
	Raw []byte `parquet:"raw"`
}

func TestRowsOfParquetNestAsTheyWereWritten(t *testing.T) {
	france := "FR"
	first := customer{Mail: "a@x.example", Country: &france, Born: 7338, Seen: time.Date(2026, 3, 1, 9, 0, 0, 5000, time.UTC), Spent: 1995,
		Phones: []string{"+1", "+2"}, Items: []bought{{"s1", 1.5}, {"s2", 2}}, Tags: map[string]string{"k": "v"}, Raw: []byte{1}}
	first.Address.City, first.Address.Zip = "Paris", []int{7, 8}
	var b bytes.Buffer
	if err := parquet.Write(&b, []customer{first, {Mail: "b@x.example", Seen: time.Unix(1, 0)}}, parquet.Compression(&parquet.Zstd)); err != nil {
		t.Fatal(err)
	}
	got := rows(t, file(t, "a.parquet", b.Bytes()))
	same(t, got,
		"1 map[address:map[city:Paris zip:[7 8]] born:1990-02-03 country:FR items:[map[price:1.5 sku:s1] map[price:2 sku:s2]] mail:a@x.example phones:[+1 +2] raw:[1] seen:2026-03-01 09:00:00.000005 +0000 UTC spent:399/20 tags:map[k:v]]",
		"2 map[address:map[city:<nil> zip:[]] born:1970-01-01 country:<nil> items:[] mail:b@x.example phones:[] raw:[] seen:1970-01-01 00:00:01 +0000 UTC spent:0/1 tags:map[]]")
	for _, damaged := range [][]byte{b.Bytes()[:b.Len()/2], append(bytes.Repeat([]byte{7}, 100), b.Bytes()[100:]...)} {
		if got := rows(t, file(t, "b.parquet", damaged)); !strings.HasPrefix(got[len(got)-1], "error") {
			t.Errorf("damaged: %v", got)
		}
	}
}

const customers = `kind: mapping
name: crm
event: customer
identifiers: {email: mail}
attributes: [points]
types: {points: number}
`

func config(f *bulk.File, m *definition.Mapping) bulk.Config {
	return bulk.Config{File: f, Mapping: m, Plan: &definition.Plan{Identity: definition.DefaultIdentity()},
		Clock: func() schemas.Instant { return schemas.InstantOf(time.Now()) }}
}

func crm(t testing.TB) *definition.Mapping {
	t.Helper()
	set, err := definition.Parse("crm.yaml", []byte(customers))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := set.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return plan.Mapping("crm")
}

func TestAReportCountsFaultsByReasonAndTellsNoValue(t *testing.T) {
	var text, rejects strings.Builder
	text.WriteString("mail,points\nann@secret.example,1\n")
	for n := range 7 {
		fmt.Fprintf(&text, "p%d@secret.example,secret%d\n", n, n)
	}
	text.WriteString("\n,3\nsecret\n")
	c := config(file(t, "a.csv", []byte(text.String())), crm(t))
	c.Rejects = &rejects
	report, err := bulk.Check(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range report.Problems {
		got = append(got, fmt.Sprintf("%d %s %s %v", f.Rows, f.Field, f.What, f.Lines))
	}
	same(t, got, "7 points is no number [3 4 5 6 7]", "1  names nobody: every field with an identifier is empty [11]",
		"1  has another number of cells than the first line: 1, not 2 [12]")
	if report.Rows != 10 || report.Events != 1 || report.Refused != 9 || strings.Count(rejects.String(), "\n") != 9 {
		t.Errorf("%+v\n%s", report, rejects.String())
	}
	if strings.Contains(fmt.Sprint(report, rejects.String()), "secret") {
		t.Errorf("a value is told: %+v\n%s", report, rejects.String())
	}
}

func TestAFileWhoseNameSaysNothingIsRefused(t *testing.T) {
	if _, err := bulk.Open("a.xlsx", "", 0); err == nil || !strings.Contains(err.Error(), "--format") {
		t.Error(err)
	}
}
