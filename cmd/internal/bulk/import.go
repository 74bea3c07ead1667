package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/door"
	"kairos/cmd/internal/foreign"
	"kairos/processors/definition"
	"kairos/processors/keyring"
	"kairos/schemas"
	"kairos/topologies"
)

// Config is what an import needs.
type Config struct {
	File     *File
	Mapping  *definition.Mapping // nil: what the file's own schema says
	Plan     *definition.Plan    // for identity rules and labels
	Clock    func() schemas.Instant
	Progress func(State) // hears after every batch; nil: nobody does
	Rejects  io.Writer   // gets the line and the fault of each row that is no event; nil: nobody does
}

// State is how far an import is.
type State struct {
	Part float64 // of the file, from 0 to 1
	Rows int64
}

// Report is what became of a file's rows.
type Report struct {
	File     string  `json:"file"`
	Mapping  string  `json:"mapping"`
	Rows     int64   `json:"rows"`   // of this run
	Events   int64   `json:"events"` // good ones
	Refused  int64   `json:"refused"`
	Before   int64   `json:"before"` // rows that had been imported before this run
	Known    bool    `json:"known"`  // the file had been imported whole: nothing was to do
	Problems []Fault `json:"problems"`
}

// Fault is one reason why rows are no events.
type Fault struct {
	Field string  `json:"field"`
	What  string  `json:"what"`
	Rows  int64   `json:"rows"`
	Lines []int64 `json:"lines"` // the first few
}

const (
	mostFaults = 100 // different ones; others are counted together
	mostLines  = 5
)

func (r *Report) add(line int64, problems door.Problems) {
	r.Refused++
	for _, p := range problems {
		field := strings.TrimPrefix(p.Path, "/")
		i := slices.IndexFunc(r.Problems, func(f Fault) bool { return f.Field == field && f.What == p.What })
		if i < 0 && len(r.Problems) >= mostFaults {
			field, p.What = "", "other faults"
			i = slices.IndexFunc(r.Problems, func(f Fault) bool { return f.What == p.What })
		}
		if i < 0 {
			r.Problems = append(r.Problems, Fault{Field: field, What: p.What})
			i = len(r.Problems) - 1
		}
		f := &r.Problems[i]
		if f.Rows++; len(f.Lines) < mostLines {
			f.Lines = append(f.Lines, line)
		}
	}
}

// run is one import or check on its way.
type run struct {
	Config
	reader  Reader
	mapping *definition.Mapping
	report  Report
	row     int64         // of the file, from 1
	ring    *keyring.Ring // by which events are sealed
}

// begin opens the file and finds its mapping.
func begin(c Config) (*run, error) {
	reader, err := c.File.Read()
	if err != nil {
		return nil, err
	}
	r := &run{Config: c, reader: reader, mapping: c.Mapping}
	if r.mapping == nil {
		if reader.Schema() == nil {
			err = fmt.Errorf("%s: say with --mapping what its fields mean", c.File.Path)
		} else if r.mapping, err = reader.Schema().Mapping(); err != nil {
			err = fmt.Errorf("%s: %w", c.File.Path, err)
		}
	}
	if err != nil {
		return nil, errors.Join(err, reader.Close())
	}
	r.report = Report{File: c.File.Path, Mapping: r.name(), Problems: []Fault{}}
	return r, nil
}

// name of the mapping; of what a schema says, that of the event.
func (r *run) name() string {
	if r.mapping.Name != "" {
		return r.mapping.Name
	}
	return "avro " + r.mapping.Event
}

// batch reads up to n rows and gives the events that they are. done says that
// there are no more.
func (r *run) batch(n int) (records []*kgo.Record, done bool, err error) {
	for range n {
		row, err := r.reader.Next()
		var bad *RowError
		switch {
		case errors.Is(err, io.EOF):
			return records, true, nil
		case errors.As(err, &bad):
			r.row++
			r.report.Rows++
			if err := r.refuse(door.Problems{{What: bad.What}}); err != nil {
				return records, false, err
			}
			continue
		case err != nil:
			return records, false, fmt.Errorf("%s, line %d: %w", r.File.Path, r.reader.Line(), err)
		}
		r.row++
		r.report.Rows++
		record, problems := r.event(row)
		if problems != nil {
			if err := r.refuse(problems); err != nil {
				return records, false, err
			}
			continue
		}
		r.report.Events++
		records = append(records, record)
	}
	return records, false, nil
}

func (r *run) event(row foreign.Row) (*kgo.Record, door.Problems) {
	e, err := foreign.Event(r.mapping, row, fmt.Sprintf("import/%s/%d", r.File.Fingerprint[:16], r.row))
	if err != nil {
		var problems door.Problems
		errors.As(err, &problems)
		return nil, problems
	}
	record, problem := door.Record(e, r.Clock(), r.Plan.Identity, r.ring)
	if problem != nil {
		return nil, door.Problems{*problem}
	}
	if record == nil {
		return nil, door.Problems{{What: "is about somebody who was erased: nothing is taken in about them until `kairos erase renew`"}}
	}
	return record, nil
}

func (r *run) refuse(problems door.Problems) error {
	r.report.add(r.reader.Line(), problems)
	if r.Rejects == nil {
		return nil
	}
	for _, p := range problems {
		if _, err := fmt.Fprintf(r.Rejects, "%d\t%s\t%s\n", r.reader.Line(), strings.TrimPrefix(p.Path, "/"), p.What); err != nil {
			return fmt.Errorf("write down what is refused: %w", err)
		}
	}
	return nil
}

func (r *run) tell() {
	if r.Progress != nil {
		r.Progress(State{min(r.reader.Part(), 1), r.row})
	}
}

// atOnce is how many rows go into one transaction.
const atOnce = 2000

// Check says what the rows are worth, and imports none.
func Check(ctx context.Context, c Config) (Report, error) {
	r, err := begin(c)
	if err != nil {
		return Report{}, err
	}
	defer r.reader.Close()
	for done := false; !done; r.tell() {
		if _, done, err = r.batch(atOnce); err != nil || ctx.Err() != nil {
			return r.report, errors.Join(err, ctx.Err())
		}
	}
	return r.report, nil
}

// ErrOvertaken says that the same file is being imported elsewhere.
var ErrOvertaken = errors.New("the same file is being imported by another process, which goes on from here")

// Run imports the rows that have not been imported yet. A run that is broken off
// is gone on with by the next.
func Run(ctx context.Context, client *cluster.Client, c Config) (Report, error) {
	r, err := begin(c)
	if err != nil {
		return Report{}, err
	}
	defer r.reader.Close()
	if c.Mapping == nil {
		if err := foreign.Undeclared(r.mapping, c.Plan); err != nil {
			return r.report, fmt.Errorf("%s: %w", c.File.Path, err)
		}
	}
	writer, err := client.Writer(ctx, "kairos.import-"+c.File.Fingerprint[:16]+"-"+r.name(),
		kgo.ClientID("kairos-import"), door.Partitioner(), kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()))
	if err != nil {
		return r.report, fmt.Errorf("import: %w", err)
	}
	defer writer.Close()
	at, err := position(ctx, client, r.key())
	if err != nil {
		return r.report, err
	}
	if r.report.Before = at.Rows; at.Done {
		r.report.Known = true
		return r.report, nil
	}
	if err := r.skip(ctx, at.Rows); err != nil {
		return r.report, err
	}
	return r.report, r.transact(ctx, client, writer, at.Refused)
}

func (r *run) key() string { return r.File.Fingerprint + "/" + r.name() }

// position is how far an import has got.
func position(ctx context.Context, client *cluster.Client, key string) (at schemas.Import, err error) {
	err = client.Scan(ctx, topologies.Imports.Name, cluster.EveryPartition, func(record *kgo.Record) error {
		if string(record.Key) != key {
			return nil
		}
		i, err := topologies.Imports.Codec.Decode(record.Value)
		if err == nil {
			at = *i
		}
		return err
	})
	return at, err
}

// skip passes over rows that are imported.
func (r *run) skip(ctx context.Context, rows int64) error {
	for ; r.row < rows; r.row++ {
		var bad *RowError
		if _, err := r.reader.Next(); err != nil && !errors.As(err, &bad) {
			return fmt.Errorf("%s, line %d, on the way to where the import broke off: %w", r.File.Path, r.reader.Line(), err)
		}
		if r.row%atOnce == 0 {
			if r.tell(); ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return nil
}

// transact imports batch by batch, each with how far it leads.
func (r *run) transact(ctx context.Context, client *cluster.Client, writer *cluster.Writer, refused int64) error {
	for done := false; !done; {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		ring, err := client.Ring(ctx) // each time: somebody may be erased meanwhile
		if err != nil {
			return err
		}
		r.ring = ring
		records, end, broken := r.batch(atOnce) // what is before the damage counts
		value, err := topologies.Imports.Codec.Append(nil, &schemas.Import{
			Fingerprint: r.File.Fingerprint, Mapping: r.name(), Rows: r.row, Refused: refused + r.report.Refused, Done: end, Cause: r.Clock(),
		})
		if err != nil {
			return err
		}
		records = append(records, &kgo.Record{Topic: topologies.Imports.Name, Key: []byte(r.key()), Value: value})
		switch err := writer.Write(ctx, records); {
		case errors.Is(err, cluster.ErrOvertaken):
			return ErrOvertaken
		case err != nil:
			return fmt.Errorf("import: %w", err)
		}
		r.tell()
		if done = end; broken != nil {
			return broken
		}
	}
	return nil
}
