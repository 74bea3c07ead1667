package delivery

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strconv"

	"github.com/parquet-go/parquet-go"
)

// format is how a file is written. The same messages give the same bytes.
type format struct {
	write func([]Message) ([]byte, error)
	mime  string
}

var formats = map[string]format{
	"csv":     {writeCSV, "text/csv"},
	"parquet": {writeParquet, "application/vnd.apache.parquet"},
}

// columns is the header of CSV files. What is a list or a map is JSON there.
var columns = []string{"id", "destination", "person", "audience", "entered", "revision", "at", "reason", "identifiers", "attributes", "former"}

func writeCSV(messages []Message) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.Write(columns); err != nil {
		return nil, err
	}
	for _, m := range messages {
		identifiers, err := json.Marshal(m.Identifiers)
		if err != nil {
			return nil, err
		}
		attributes, err := json.Marshal(m.Attributes)
		if err != nil {
			return nil, err
		}
		former, err := json.Marshal(append([]Identifier{}, m.Former...)) // [], not null
		if err != nil {
			return nil, err
		}
		if err := w.Write([]string{
			m.ID, m.Destination, m.Person, m.Audience, strconv.FormatBool(m.Entered), strconv.FormatInt(m.Revision, 10), m.At, m.Reason,
			string(identifiers), string(attributes), string(former),
		}); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

// parquetRow is a message in a Parquet file.
type parquetRow struct {
	ID          string              `parquet:"id"`
	Destination string              `parquet:"destination,dict"`
	Person      string              `parquet:"person"`
	Audience    string              `parquet:"audience,dict"`
	Entered     bool                `parquet:"entered"`
	Revision    int64               `parquet:"revision"`
	At          int64               `parquet:"at,timestamp(millisecond)"`
	Reason      string              `parquet:"reason"`
	Identifiers []parquetIdentifier `parquet:"identifiers,list"`
	Attributes  string              `parquet:"attributes,json"`
	Former      []parquetIdentifier `parquet:"former,list"`
}

type parquetIdentifier struct {
	Namespace string `parquet:"namespace"`
	Value     string `parquet:"value"`
}

func writeParquet(messages []Message) ([]byte, error) {
	rows := make([]parquetRow, len(messages))
	for i, m := range messages {
		attributes, err := json.Marshal(m.Attributes)
		if err != nil {
			return nil, err
		}
		rows[i] = parquetRow{
			ID: m.ID, Destination: m.Destination, Person: m.Person, Audience: m.Audience, Entered: m.Entered, Revision: m.Revision,
			At: int64(m.cause), Reason: m.Reason, Attributes: string(attributes), Identifiers: []parquetIdentifier{}, Former: []parquetIdentifier{},
		}
		for _, id := range m.Identifiers {
			rows[i].Identifiers = append(rows[i].Identifiers, parquetIdentifier(id))
		}
		for _, id := range m.Former {
			rows[i].Former = append(rows[i].Former, parquetIdentifier(id))
		}
	}
	var b bytes.Buffer
	err := parquet.Write(&b, rows, parquet.Compression(&parquet.Zstd))
	return b.Bytes(), err
}
