package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/topologies"
)

// Drop is files that a destination is told by.
type Drop struct {
	Destination string
	Format      string // csv or parquet
	Place       Place
	RollBytes   int           // of messages, after which a file is closed; 0: 8 MiB
	RollAfter   time.Duration // likewise, since its first message was read; 0: 15 minutes
}

// DropConfig is what a dropper needs.
type DropConfig struct {
	Drop
	Kafka    []kgo.Opt
	Clock    Clock                 // nil: the machine's
	Registry prometheus.Registerer // nil: no metrics
	Logger   *slog.Logger
}

// Dropper writes one destination's files.
//
// A file holds what lies between two offsets of a partition, and is called after
// them. Where it ends is committed before it is written, beside the offset at
// which it begins: whoever goes on after that writes the same file again, byte
// for byte, rather than another that overlaps.
type Dropper struct {
	config  DropConfig
	letters letters
	metrics *metrics
	reader  *kgo.Client
	topic   string
	member  member

	lock  sync.Mutex
	files map[int32]*file // of the partitions that are ours
}

// file is one that is being filled.
type file struct {
	rows   []Message
	first  int64 // offset
	last   int64
	bytes  int
	opened time.Time // when its first message was read
	said   time.Time // and when that was said
	end    int64     // behind the last offset, once that is committed; 0: it is open
}

// NewDropper checks c and makes a dropper. Nothing is connected before Run.
func NewDropper(c DropConfig) (*Dropper, error) {
	if c.RollBytes == 0 {
		c.RollBytes = 8 << 20
	}
	if c.RollAfter == 0 {
		c.RollAfter = 15 * time.Minute
	}
	if c.Clock == nil {
		c.Clock = machineClock{}
	}
	switch {
	case c.Destination == "":
		return nil, errors.New("files: names no destination")
	case formats[c.Format].write == nil:
		return nil, fmt.Errorf("files of destination %s: format %q is none of csv and parquet", c.Destination, c.Format)
	case c.Place == nil:
		return nil, fmt.Errorf("files of destination %s: needs a folder or a bucket", c.Destination)
	case c.RollBytes < 0 || c.RollAfter < 0 || c.RollBytes > 256<<20:
		return nil, fmt.Errorf("files of destination %s: roll_bytes and roll_after cannot be negative, nor roll_bytes more than 256 MiB", c.Destination)
	}
	m, err := newMetrics(c.Registry, c.Destination+"/files")
	if err != nil {
		return nil, err
	}
	return &Dropper{
		config: c, metrics: m, topic: topologies.Activations(c.Destination).Name, files: map[int32]*file{},
		letters: letters{clock: c.Clock, metrics: m, label: c.Destination + "/files"},
	}, nil
}

// Ready says what it waits for before it can write files; empty: nothing.
func (d *Dropper) Ready() string { return d.member.waits(FilesGroup(d.config.Destination)) }

// Run writes files until ctx ends, and returns nil then. What had not filled a
// file is read again by whoever runs next; so is everything that was in hand when
// something failed.
func (d *Dropper) Run(ctx context.Context) (err error) {
	if d.letters.client, err = kgo.NewClient(append(slices.Clone(d.config.Kafka), kgo.ClientID("kairos-delivery"))...); err != nil {
		return err
	}
	defer d.letters.client.Close()
	for tries := 0; ; tries++ {
		began := d.config.Clock.Now()
		err := d.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if d.config.Clock.Now().Sub(began) > time.Hour {
			tries = 0
		}
		d.config.Logger.Warn("writing files failed, and begins again at what is committed", "destination", d.config.Destination, "error", err)
		if d.config.Clock.Wait(ctx, backoff(tries, rand.Float64())) != nil {
			return nil
		}
	}
}

// session reads and writes until something fails.
func (d *Dropper) session(ctx context.Context) (err error) {
	group := FilesGroup(d.config.Destination)
	d.files = map[int32]*file{}
	d.reader, err = kgo.NewClient(append(slices.Clone(d.config.Kafka),
		kgo.ClientID("kairos-delivery"), kgo.ConsumerGroup(group), kgo.ConsumeTopics(d.topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(), // so that what was read is in its file before a partition goes
		kgo.OnPartitionsAssigned(func(ctx context.Context, client *kgo.Client, came map[string][]int32) {
			notes := committedNotes(ctx, client, group, d.topic, came[d.topic], d.config.Logger)
			d.lock.Lock()
			defer d.lock.Unlock()
			for number, c := range notes {
				d.files[number] = &file{first: c.at, end: readEnd(c.text)}
			}
			d.member.in.Store(true)
		}),
		kgo.OnPartitionsRevoked(d.leave), kgo.OnPartitionsLost(d.lost),
	)...)
	if err != nil {
		return err
	}
	defer d.member.in.Store(false)
	defer d.reader.CloseAllowingRebalance()
	for {
		if err := d.step(ctx); err != nil || ctx.Err() != nil {
			return err
		}
		d.reader.AllowRebalance()
	}
}

func (d *Dropper) leave(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
	d.lock.Lock() // a file that is being closed stays ours until it is
	defer d.lock.Unlock()
	for _, number := range gone[d.topic] {
		delete(d.files, number)
	}
}

func (d *Dropper) lost(ctx context.Context, client *kgo.Client, gone map[string][]int32) {
	d.member.in.Store(false)
	d.leave(ctx, client, gone)
}

// step closes the files whose time has come, reads once, and closes those that
// are full.
func (d *Dropper) step(ctx context.Context) error {
	due, err := d.closeDue(ctx)
	if err != nil {
		return err
	}
	reading, enough := context.WithCancel(ctx)
	defer enough()
	if due > 0 {
		go func() {
			if d.config.Clock.Wait(reading, due) == nil {
				enough()
			}
		}()
	}
	fetches := d.reader.PollRecords(reading, mostRead)
	if reading.Err() == nil {
		fetches.EachError(func(topic string, number int32, err error) {
			d.config.Logger.Warn("reading what is to be delivered failed, will be tried again", "topic", topic, "partition", number, "error", err)
		})
	}
	d.lock.Lock()
	defer d.lock.Unlock()
	for _, r := range fetches.Records() {
		if err := d.take(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// closeDue closes files that are old enough, and says when the next one is; 0:
// there is none.
func (d *Dropper) closeDue(ctx context.Context) (next time.Duration, err error) {
	d.lock.Lock()
	defer d.lock.Unlock()
	now := d.config.Clock.Now()
	late := time.Duration(0)
	for _, f := range d.files {
		if len(f.rows) > 0 {
			late = max(late, now.Sub(f.said)-d.config.RollAfter)
		}
	}
	d.metrics.age.Set(late.Seconds())
	for number, f := range d.files {
		if len(f.rows) == 0 || f.end > 0 && f.last < f.end-1 {
			continue // of what was promised, not all has been read yet
		}
		left := f.opened.Add(d.config.RollAfter).Sub(now)
		if left <= 0 || f.bytes >= d.config.RollBytes || f.end > 0 {
			if err := d.close(ctx, number, f); err != nil {
				return 0, err
			}
		} else if next == 0 || left < next {
			next = left
		}
	}
	return next, nil
}

// take puts a message into its file. What does not belong into it any more
// closes it first.
func (d *Dropper) take(ctx context.Context, r *kgo.Record) error {
	f := d.files[r.Partition]
	if f == nil {
		return nil // it is another process's
	}
	if f.end > 0 && r.Offset >= f.end && len(f.rows) > 0 || f.end == 0 && f.bytes >= d.config.RollBytes {
		if err := d.close(ctx, r.Partition, f); err != nil {
			return err
		}
	}
	if f.end > 0 && r.Offset >= f.end {
		*f = file{} // all that was promised has been compacted away
	}
	if r.Value == nil {
		return nil // a tombstone: the person is forgotten, and nobody is told
	}
	a, err := topologies.Activations(d.config.Destination).Codec.Decode(r.Value)
	if err != nil {
		return d.letters.write(ctx, []verdict{{item{record: r}, undecodable, err.Error()}}, func(v verdict) string { return v.status })
	}
	if len(f.rows) == 0 {
		f.opened, f.said = d.config.Clock.Now(), r.Timestamp
		if f.end == 0 {
			f.first = r.Offset
		}
	}
	f.rows, f.last, f.bytes = append(f.rows, messageOf(a)), r.Offset, f.bytes+len(r.Value)
	return nil
}

// close promises where the file ends, writes it, and goes on behind it.
func (d *Dropper) close(ctx context.Context, number int32, f *file) error {
	if f.end == 0 {
		if err := d.commit(ctx, number, f.first, endText(f.last+1)); err != nil {
			return err
		}
		f.end = f.last + 1
	}
	content, err := formats[d.config.Format].write(f.rows)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%s/%s-%05d-%020d-%020d.%s", d.config.Destination, d.config.Destination, number, f.first, f.end-1, d.config.Format)
	if err := d.config.Place.Put(ctx, name, content, formats[d.config.Format].mime); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := d.commit(ctx, number, f.end, ""); err != nil {
		return err
	}
	d.metrics.results.WithLabelValues(d.letters.label, "delivered").Add(float64(len(f.rows)))
	*f = file{}
	return nil
}

func (d *Dropper) commit(ctx context.Context, number int32, offset int64, text string) error {
	err := commitNotes(ctx, d.reader, d.topic, map[int32]int64{number: offset}, map[int32]string{number: text})
	if err != nil {
		return fmt.Errorf("commit offsets: %w", err)
	}
	return nil
}

const endPrefix = "kairos1-file-until:"

func endText(end int64) string { return endPrefix + strconv.FormatInt(end, 10) }

func readEnd(text string) int64 {
	text, ours := strings.CutPrefix(text, endPrefix)
	end, err := strconv.ParseInt(text, 10, 64)
	if !ours || err != nil || end < 0 {
		return 0
	}
	return end
}
