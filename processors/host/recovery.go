package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"kairos/schemas"
)

// resolveStarts replaces "from the start" by an offset where a partition has no
// committed one.
func (r *run) resolveStarts(ctx context.Context, ps []*partition) error {
	if !slices.ContainsFunc(ps, func(p *partition) bool {
		for _, next := range p.next {
			if next < 0 {
				return true
			}
		}
		return false
	}) {
		return nil
	}
	starts, err := r.admin.ListStartOffsets(ctx, r.inputs...)
	if err = errors.Join(err, starts.Error()); err != nil {
		return fmt.Errorf("first offsets of the inputs: %w", err)
	}
	for _, p := range ps {
		for topic, next := range p.next {
			if start, ok := starts.Lookup(topic, p.number); ok && next < 0 {
				p.next[topic] = start.Offset
			}
		}
	}
	return nil
}

// recover brings the rows of partitions up to the end of their tables: first
// from disk, then from the topics, all partitions at once.
//
// The end is the high water mark, not the last stable offset: a transaction
// that is decided may not have its markers in all partitions yet, and its rows
// belong to offsets that are already stable. Reading committed up to the high
// water mark waits for them, and passes over those of transactions that are
// aborted.
func (r *run) recover(ctx context.Context, ps []*partition) error {
	if err := r.catchUp(ctx, ps); err != nil {
		return err
	}
	var working errgroup.Group
	for _, p := range ps {
		if p.afresh {
			p.afresh = false
			r.disk.fill(p)
		}
		working.Go(p.ready)
	}
	return working.Wait()
}

// catchUp is recover, but for what a partition needs to be worked on.
func (r *run) catchUp(ctx context.Context, ps []*partition) error {
	var loading errgroup.Group
	for _, p := range ps {
		if !p.rows.blank() {
			continue
		}
		if r.takeRows(p) {
			p.afresh = !r.disk.holds(p)
			continue
		}
		loading.Go(func() error {
			err := r.disk.load(p)
			p.afresh = p.rows.blank()
			return err
		})
	}
	if err := loading.Wait(); err != nil {
		return err
	}
	ends, err := r.admin.ListEndOffsets(ctx, r.tables...)
	if err = errors.Join(err, ends.Error()); err != nil {
		return fmt.Errorf("ends of the tables: %w", err)
	}
	starts, err := r.admin.ListStartOffsets(ctx, r.tables...)
	if err = errors.Join(err, starts.Error()); err != nil {
		return fmt.Errorf("first offsets of the tables: %w", err)
	}
	from := map[string]map[int32]kgo.Offset{}
	for _, p := range ps {
		p.rewindIfStrange(r, func(table string) (first, end int64) {
			s, _ := starts.Lookup(table, p.number)
			e, _ := ends.Lookup(table, p.number)
			return s.Offset, e.Offset
		})
		for place, table := range r.tables {
			if end, _ := ends.Lookup(table, p.number); p.rows.next[place] < end.Offset {
				if from[table] == nil {
					from[table] = map[int32]kgo.Offset{}
				}
				from[table][p.number] = kgo.NewOffset().At(p.rows.next[place])
			}
		}
	}
	return r.read(ctx, ps, from, func(table string, number int32) int64 {
		end, _ := ends.Lookup(table, number)
		return end.Offset
	})
}

// rewindIfStrange forgets all rows if the local ones cannot be a part of the
// tables as they are now: the topic has been made anew, or cut.
func (p *partition) rewindIfStrange(r *run, bounds func(table string) (first, end int64)) {
	for place, table := range p.rows.tables {
		first, end := bounds(table)
		if next := p.rows.next[place]; next != 0 && (next > end || next < first) {
			r.config.Logger.Warn("local rows do not belong to the table, reading all of it",
				"table", table, "partition", p.number, "local", next, "first", first, "end", end)
			p.rows.clear()
			p.strange = true
			r.disk.forget(p.number)
			break
		}
	}
	for place, table := range p.rows.tables {
		first, _ := bounds(table)
		p.rows.next[place] = max(p.rows.next[place], first)
	}
}

// read applies the records of the tables to the rows, from offsets up to ends.
func (r *run) read(ctx context.Context, ps []*partition, from map[string]map[int32]kgo.Offset, end func(string, int32) int64) error {
	if len(from) == 0 {
		return nil
	}
	client, err := kgo.NewClient(append(slices.Clone(r.config.Kafka),
		kgo.ClientID("kairos-recovery"),
		kgo.WithLogger(kafkaLogger{r.config.Logger}),
		kgo.ConsumePartitions(from),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // a table ends with the marker of a transaction, not with a row
		kgo.FetchMaxPartitionBytes(8<<20),
	)...)
	if err != nil {
		return err
	}
	defer client.Close()
	byNumber := map[int32]*partition{}
	for _, p := range ps {
		byNumber[p.number] = p
	}
	for left := countOf(from); left > 0; {
		fetches := client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := fetches.Err0(); err != nil {
			return fmt.Errorf("read %s: %w", strings.Join(slices.Sorted(maps.Keys(from)), ", "), err) // Kafka does not say of which
		}
		fetches.EachError(func(topic string, number int32, err error) {
			r.config.Logger.Warn("reading a table failed, will be tried again", "table", topic, "partition", number, "error", err)
		})
		left -= r.restore(fetches, byNumber, end)
	}
	return nil
}

func countOf(from map[string]map[int32]kgo.Offset) int {
	n := 0
	for _, numbers := range from {
		n += len(numbers)
	}
	return n
}

// restore applies what one poll brought, partitions in parallel, and counts the
// tables that are complete with it.
func (r *run) restore(fetches kgo.Fetches, byNumber map[int32]*partition, end func(string, int32) int64) int {
	parts := map[int32][]kgo.FetchTopicPartition{}
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		parts[f.Partition] = append(parts[f.Partition], f)
	})
	var working sync.WaitGroup
	var counting sync.Mutex
	complete := 0
	for number, list := range parts {
		p := byNumber[number]
		working.Go(func() {
			for _, f := range list {
				if p.restore(r.disk, f, end(f.Topic, number)) {
					counting.Lock()
					complete++
					counting.Unlock()
				}
			}
		})
	}
	working.Wait()
	return complete
}

// restore applies committed records of one table and reports whether it has
// reached the end with them. What lies behind the end is applied too: it is
// committed, and next says so; but not in a partition that ends there.
func (p *partition) restore(d *disk, f kgo.FetchTopicPartition, end int64) bool {
	if len(f.Records) == 0 {
		return false
	}
	place := p.tables[f.Topic]
	before := p.rows.next[place]
	if p.ending || p.afresh {
		p.rows.mu.Lock()
		p.rows.next[place] = p.putAll(f.Records, place, end, p.rows.put)
		p.rows.mu.Unlock()
	} else {
		l := newLayer(len(p.rows.tables))
		l.next[place] = p.putAll(f.Records, place, end, l.restore)
		p.rows.apply(l)
		d.put(p.number, l)
	}
	return before < end && p.rows.next[place] >= end
}

// putAll puts committed records of one table, and says which offset follows.
func (p *partition) putAll(records []*kgo.Record, place int, end int64, put func(place int, key string, value []byte)) (next int64) {
	for _, record := range records {
		if p.ending && record.Offset >= end {
			return end
		}
		next = record.Offset + 1
		if !record.Attrs.IsControl() {
			put(place, string(record.Key), record.Value)
			p.strange = true
		}
	}
	return next
}

// restore is put for a record that was read again. Its value is a part of a large
// buffer, which a layer must not keep alive.
func (l *layer) restore(place int, key string, value []byte) {
	value = slices.Clone(value)
	if key == schemas.HostKey {
		if place == 0 {
			l.host = value
		}
		return
	}
	l.put(place, key, value)
	l.purge = l.purge || value == nil // what was erased while nobody was here
}
