package bulk_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kairos/cmd/internal/bulk"
	"kairos/cmd/internal/cluster"
	"kairos/processors/keyring"
	"kairos/topologies"
)

func connect(t *testing.T) (*kfake.Cluster, *cluster.Client) {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, topologies.Events.Name), kfake.SeedTopics(1, topologies.Imports.Name, topologies.Keys.Name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	client, err := cluster.Connect(t.Context(), broker.ListenAddrs())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return broker, client
}

// imported are the ids of the committed events, and how often each is there.
func imported(t *testing.T, client *cluster.Client) map[string]int {
	t.Helper()
	ids := map[string]int{}
	err := client.Scan(t.Context(), topologies.Events.Name, cluster.EveryPartition, func(r *kgo.Record) error {
		e, err := topologies.Events.Codec.Decode(r.Value)
		if err == nil {
			ids[e.ID]++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func manyCustomers(n int) []byte {
	var b strings.Builder
	b.WriteString("mail,points\n")
	for i := range n {
		if i%1000 == 17 {
			b.WriteString("bad\n")
			continue
		}
		fmt.Fprintf(&b, "p%d@x.example,%d\n", i%500, i)
	}
	return []byte(b.String())
}

type pointed struct {
	Mail   string `parquet:"mail" json:"mail" avro:"mail"`
	Points int32  `parquet:"points" json:"points" avro:"points"`
}

// customersAs writes as many, in as many parts as a format has, with as many bad rows.
func customersAs(t *testing.T, format string, n int) []byte {
	t.Helper()
	rows := make([]pointed, n)
	for i := range rows {
		if rows[i].Points = int32(i); i%1000 != 17 {
			rows[i].Mail = fmt.Sprintf("p%d@x.example", i%500)
		}
	}
	var b bytes.Buffer
	var err error
	switch format {
	case "csv":
		return manyCustomers(n)
	case "csv.gz":
		w := gzip.NewWriter(&b)
		_, err = w.Write(manyCustomers(n))
		err = errors.Join(err, w.Close())
	case "ndjson":
		e := json.NewEncoder(&b)
		for i := range rows {
			err = errors.Join(err, e.Encode(rows[i]))
		}
	case "parquet":
		err = parquet.Write(&b, rows, parquet.MaxRowsPerRowGroup(1500))
	case "avro":
		schema := avro.MustParse(`{"type": "record", "name": "customer", "fields": [{"name": "mail", "type": "string"}, {"name": "points", "type": "int"}]}`)
		w, failed := ocf.NewWriter(&b, schema, ocf.WithCodec(ocf.SnappyCodec()), ocf.WithBlockCount(700))
		if err = failed; err == nil {
			for i := range rows {
				err = errors.Join(err, w.Encode(rows[i]))
			}
			err = errors.Join(err, w.Close())
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAnImportThatIsBrokenOffGoesOnAndOneThatIsRepeatedDoesNothing(t *testing.T) {
	for _, format := range []string{"csv", "csv.gz", "ndjson", "avro", "parquet"} {
		t.Run(format, func(t *testing.T) { brokenOff(t, format) })
	}
}

// brokenOff breaks an import off by its user, then by the broker in the middle of a
// commit, runs it to the end, and again.
func brokenOff(t *testing.T, format string) {
	broker, client := connect(t)
	const n, bad = 10_000, 10
	c := config(file(t, "a."+format, customersAs(t, format, n)), crm(t))
	ctx, cancel := context.WithCancel(t.Context())
	c.Progress = func(s bulk.State) {
		if s.Rows == 4000 {
			cancel()
		}
	}
	report, err := bulk.Run(ctx, client, c)
	if !errors.Is(err, context.Canceled) || report.Rows != 4000 {
		t.Fatalf("%+v, %v", report, err)
	}
	ends := 0
	broker.ControlKey(int16(kmsg.EndTxn), func(request kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		if ends++; ends != 2 {
			return nil, nil, false
		}
		answer := request.ResponseKind().(*kmsg.EndTxnResponse)
		answer.ErrorCode = kerr.UnknownServerError.Code
		return answer, nil, true
	})
	c.Progress = nil
	report, err = bulk.Run(t.Context(), client, c)
	if err == nil || report.Before != 4000 {
		t.Fatalf("%+v, %v", report, err)
	}
	report, err = bulk.Run(t.Context(), client, c)
	if err != nil || report.Before != 6000 || report.Rows != 4000 || report.Refused != 4 {
		t.Fatalf("%+v, %v", report, err)
	}
	ids := imported(t, client)
	if len(ids) != n-bad {
		t.Errorf("%d events, want %d", len(ids), n-bad)
	}
	for id, times := range ids {
		if times != 1 {
			t.Fatalf("%s is there %d times", id, times)
		}
	}
	report, err = bulk.Run(t.Context(), client, c)
	if err != nil || !report.Known || report.Rows != 0 || len(imported(t, client)) != n-bad {
		t.Errorf("again: %+v, %v", report, err)
	}
	renamed := *crm(t)
	renamed.Name = "other"
	c.Mapping = &renamed
	if report, err = bulk.Run(t.Context(), client, c); err != nil || report.Known {
		t.Errorf("by another mapping: %+v, %v", report, err)
	}
}

func TestOfTwoWhoImportTheSameFileOneGivesWay(t *testing.T) {
	_, client := connect(t)
	c := config(file(t, "a.csv", manyCustomers(6000)), crm(t))
	overtaken := make(chan error, 1)
	c.Progress = func(s bulk.State) {
		if s.Rows != 2000 {
			return
		}
		other := c
		other.Progress = nil
		_, err := bulk.Run(t.Context(), client, other)
		overtaken <- err
	}
	_, err := bulk.Run(t.Context(), client, c)
	if second := <-overtaken; second != nil || !errors.Is(err, bulk.ErrOvertaken) {
		t.Errorf("the first says %v, the second %v", err, second)
	}
	for id, times := range imported(t, client) {
		if times != 1 {
			t.Fatalf("%s is there %d times", id, times)
		}
	}
	if got := len(imported(t, client)); got != 5994 {
		t.Errorf("%d events", got)
	}
}

func TestNothingIsImportedAboutWhoWasErased(t *testing.T) {
	_, client := connect(t)
	if _, err := client.ChangeRing(t.Context(), func(*keyring.Ring) *keyring.Ring { return keyring.New().Lose("email:p1@x.example") }); err != nil {
		t.Fatal(err)
	}
	report, err := bulk.Run(t.Context(), client, config(file(t, "a.csv", []byte("mail,points\np1@x.example,1\np2@x.example,2\n")), crm(t)))
	if err != nil || report.Events != 1 || report.Refused != 1 || !strings.Contains(report.Problems[0].What, "erased") {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestAFileThatIsDamagedIsImportedUpToThere(t *testing.T) {
	_, client := connect(t)
	text := append(manyCustomers(100), append([]byte(`"`), make([]byte, 9<<20)...)...)
	c := config(file(t, "a.csv", text), crm(t))
	for range 2 {
		if _, err := bulk.Run(t.Context(), client, c); err == nil || !strings.Contains(err.Error(), "line 102") {
			t.Fatal(err)
		}
	}
	if got := len(imported(t, client)); got != 99 {
		t.Errorf("%d events", got)
	}
}
