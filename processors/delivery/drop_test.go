package delivery_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/parquet-go/parquet-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/processors/delivery"
)

// shelf is a place that remembers what was put, and fails when it is told to.
type shelf struct {
	delivery.Place
	lock  sync.Mutex
	puts  []string // names with what they held
	tried int
	fail  func(put int, before bool) error
	news  chan struct{}
}

func newShelf(place delivery.Place) *shelf {
	return &shelf{Place: place, fail: func(int, bool) error { return nil }, news: make(chan struct{}, 1000)}
}

func (s *shelf) Put(ctx context.Context, name string, content []byte, mime string) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	defer func() { s.news <- struct{}{} }()
	s.tried++
	if err := s.fail(len(s.puts), true); err != nil {
		return err
	}
	s.puts = append(s.puts, fmt.Sprintf("%s %x", name, sha256.Sum256(content)))
	return errors.Join(s.Place.Put(ctx, name, content, mime), s.fail(len(s.puts)-1, false))
}

func (s *shelf) put() []string {
	s.lock.Lock()
	defer s.lock.Unlock()
	return slices.Clone(s.puts)
}

// await waits until something was put n times, or failed to be.
func (s *shelf) await(t *testing.T, n int) {
	t.Helper()
	tried := func() int {
		s.lock.Lock()
		defer s.lock.Unlock()
		return s.tried
	}
	for tried() < n {
		select {
		case <-s.news:
		case <-time.After(30 * time.Second):
			t.Fatalf("of %d files only %d came: %q", n, tried(), s.put())
		}
	}
}

// drop runs a dropper until what it gives back is called.
func (w *world) drop(d delivery.Drop, c delivery.Clock) (stop func()) {
	w.t.Helper()
	dropper, err := delivery.NewDropper(delivery.DropConfig{
		Drop: d, Kafka: []kgo.Opt{kgo.SeedBrokers(w.address)}, Clock: c, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.until(dropper.Run)
}

// rowsIn reads the CSV files below a folder, in the order of their names.
func rowsIn(t *testing.T, folder string) (people []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rows, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
		if err != nil {
			return err
		}
		for _, row := range rows[1:] {
			people = append(people, row[2]+" "+row[5])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return people
}

func said(from, to int) (all []string) {
	for n := from; n < to; n++ {
		all = append(all, fmt.Sprintf("p%d 1", n))
	}
	return all
}

func TestFilesHoldEachMessageOnceWhateverFailsAndWhoeverGoesOn(t *testing.T) {
	for _, moment := range []string{"before a file is written", "after it is written"} {
		t.Run(moment, func(t *testing.T) {
			w, folder := open(t, "warehouse"), t.TempDir()
			first := newShelf(delivery.Folder(folder))
			broken := errors.New("the machine dies")
			first.fail = func(put int, before bool) error {
				if put >= 2 && before == strings.HasPrefix(moment, "before") {
					return broken
				}
				return nil
			}
			w.say("warehouse", said(0, 20)...)
			drop := delivery.Drop{Destination: "warehouse", Format: "csv", Place: first, RollBytes: 100, RollAfter: time.Hour}
			stop := w.drop(drop, waiting{})
			first.await(t, 3)
			stop()
			w.say("warehouse", said(20, 40)...)
			again := newShelf(delivery.Folder(folder))
			drop.Place, drop.RollBytes, drop.RollAfter = again, 250, time.Nanosecond // files of other lengths from here on
			stop = w.drop(drop, nil)
			for n := 1; len(rowsIn(t, folder)) < 40; n++ {
				again.await(t, n)
			}
			stop()
			if got := rowsIn(t, folder); !slices.Equal(got, said(0, 40)) {
				t.Errorf("files hold %q", got)
			}
			if left, err := filepath.Glob(filepath.Join(folder, "warehouse", ".*")); err != nil || len(left) > 0 {
				t.Errorf("%q are left (%v)", left, err)
			}
			if before := first.put(); strings.HasPrefix(moment, "after") && before[len(before)-1] != again.put()[0] {
				t.Errorf("the last file before is %s, the first one after %s", before[len(before)-1], again.put()[0])
			}
		})
	}
}

func TestThoseWhoShareTheFilesWriteEachMessageOnce(t *testing.T) {
	w, folder := openOn(t, 4, "warehouse"), t.TempDir()
	s := newShelf(delivery.Folder(folder))
	drop := delivery.Drop{Destination: "warehouse", Format: "csv", Place: s, RollBytes: 150, RollAfter: time.Millisecond}
	w.say("warehouse", said(0, 40)...)
	first := w.drop(drop, nil)
	s.await(t, 4)
	second := w.drop(drop, nil)
	w.say("warehouse", said(40, 80)...)
	s.await(t, 10)
	first()
	w.say("warehouse", said(80, 120)...)
	for n := 1; len(rowsIn(t, folder)) < 120; n++ {
		s.await(t, n)
	}
	second()
	got, want := rowsIn(t, folder), said(0, 120)
	slices.Sort(got)
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("files hold %q", got)
	}
}

// waiting is a clock by which nobody ever has waited long enough.
type waiting struct{}

func (waiting) Now() time.Time { return time.Unix(1e9, 0) }

func (waiting) Wait(ctx context.Context, _ time.Duration) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestAFileIsClosedWhenItsTimeHasComeThoughNothingMoreIsSaid(t *testing.T) {
	w, folder := open(t, "warehouse"), t.TempDir()
	s, c := newShelf(delivery.Folder(folder)), &clock{now: time.Unix(1e9, 0)}
	w.say("warehouse", "a 1")
	w.drop(delivery.Drop{Destination: "warehouse", Format: "csv", Place: s, RollAfter: time.Hour}, c)
	s.await(t, 1)
	if got := rowsIn(t, folder); !slices.Equal(got, []string{"a 1"}) || c.Now().Sub(time.Unix(1e9, 0)) < time.Hour {
		t.Errorf("after %v there is %q", c.Now().Sub(time.Unix(1e9, 0)), got)
	}
}

func TestParquetFilesInABucketReadBack(t *testing.T) {
	memory := s3mem.New()
	server := httptest.NewServer(gofakes3.New(memory).Server())
	t.Cleanup(server.Close)
	if err := memory.CreateBucket("drops"); err != nil {
		t.Fatal(err)
	}
	bucket, err := delivery.S3{Endpoint: server.URL, Region: "us-east-1", Bucket: "drops", Prefix: "kairos/", AccessKey: "key", SecretKey: "secret"}.Open()
	if err != nil {
		t.Fatal(err)
	}
	w, s := open(t, "warehouse"), newShelf(bucket)
	w.say("warehouse", "a 1", "b 1", "a 2")
	w.drop(delivery.Drop{Destination: "warehouse", Format: "parquet", Place: s, RollAfter: time.Hour}, &clock{now: time.Unix(1e9, 0)})
	s.await(t, 1)
	name, _, _ := strings.Cut(s.put()[0], " ")
	if want := "warehouse/warehouse-00000-00000000000000000000-00000000000000000002.parquet"; name != want {
		t.Errorf("it is called %s, want %s", name, want)
	}
	object, err := memory.GetObject("drops", "kairos/"+name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer object.Contents.Close()
	var content bytes.Buffer
	if _, err := content.ReadFrom(object.Contents); err != nil {
		t.Fatal(err)
	}
	type row struct {
		Person      string `parquet:"person"`
		Revision    int64  `parquet:"revision"`
		Entered     bool   `parquet:"entered"`
		Attributes  string `parquet:"attributes"`
		Identifiers []struct {
			Namespace string `parquet:"namespace"`
		} `parquet:"identifiers,list"`
	}
	rows, err := parquet.Read[row](bytes.NewReader(content.Bytes()), int64(content.Len()))
	if err != nil || len(rows) != 3 || rows[2].Person != "a" || rows[2].Revision != 2 || rows[2].Entered || rows[0].Attributes != "{}" {
		t.Errorf("%v: %+v", err, rows)
	}
}

func TestWrongFilesAreRefused(t *testing.T) {
	for part, d := range map[string]delivery.Drop{
		"no destination": {Format: "csv", Place: delivery.Folder("x")},
		"none of csv":    {Destination: "a", Format: "xlsx", Place: delivery.Folder("x")},
		"a folder":       {Destination: "a", Format: "csv"},
		"negative":       {Destination: "a", Format: "csv", Place: delivery.Folder("x"), RollBytes: -1},
	} {
		if _, err := delivery.NewDropper(delivery.DropConfig{Drop: d}); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%+v gives %v, want %q", d, err, part)
		}
	}
	for part, s := range map[string]delivery.S3{
		"endpoint": {Endpoint: "s3.example", Bucket: "b"}, "no bucket": {Endpoint: "https://s3.example"},
		"go together": {Endpoint: "https://s3.example", Bucket: "b", AccessKey: "a"},
	} {
		if _, err := s.Open(); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%+v gives %v, want %q", s, err, part)
		}
	}
}
