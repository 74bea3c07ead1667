package host

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"kairos/schemas"
)

// Kept is what the hosts of a process leave in memory for the hosts that follow
// them: after a growth, or when destinations change. Without it they read their
// rows from disk, or from the tables. Its zero value is ready.
type Kept struct {
	mu   sync.Mutex
	left map[string]*estate // by group
}

// estate is what a host has left: rows that are a committed prefix of the
// tables, just as those on disk.
type estate struct {
	at         time.Time
	partitions int32 // of the topology then
	topics     [][16]byte
	rows       map[int32]*rows
}

// keptFor is how long a host holds rows of partitions that it does not own, but
// that the group may still give to it.
const keptFor = time.Minute

func (k *Kept) put(group string, e *estate) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.left == nil {
		k.left = map[string]*estate{}
	}
	k.left[group] = e
}

func (k *Kept) take(group string) *estate {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.left[group]
	delete(k.left, group)
	return e
}

// leave keeps the rows of this host for the next one.
func (r *run) leave() {
	if r.config.Kept == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inheriting.Lock()
	defer r.inheriting.Unlock()
	e := r.estate
	if len(r.owned) > 0 {
		e = &estate{partitions: r.config.Topology.Config.Partitions, topics: r.idsOf(r.tables), rows: map[int32]*rows{}}
		for number, p := range r.owned {
			e.rows[number] = p.rows
		}
	}
	if e != nil {
		e.at = r.config.Now()
		r.config.Kept.put(r.config.Group.Name, e)
	}
}

// has reports whether something is left for a group.
func (k *Kept) has(group string) bool {
	if k == nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.left[group] != nil
}

func (r *run) idsOf(topics []string) [][16]byte {
	ids := make([][16]byte, len(topics))
	for i, name := range topics {
		ids[i] = r.topicIDs[name]
	}
	return ids
}

// inherit makes rows of today's partitions out of what the host before this one
// has left, once.
func (r *run) inherit(ctx context.Context, grown *schemas.Growth) error {
	e := r.takeEstate()
	if e == nil {
		return nil
	}
	if declared := r.config.Topology.Config.Partitions; e.partitions != declared {
		seams := seamsOf(grown, e.partitions, declared)
		if seams == nil {
			return nil
		}
		parents := e.parents(r, seams)
		if err := r.readToSeam(ctx, parents, seams); err != nil {
			r.keepEstate(e) // as far as it came, for the next try
			return err
		}
		e.rows = r.part(parents, e.partitions, seams)
		e.partitions = declared
	}
	r.keepEstate(e)
	return nil
}

// takeEstate gives what was left, if it is of use.
func (r *run) takeEstate() *estate {
	r.inheriting.Lock()
	defer r.inheriting.Unlock()
	e := r.estate
	r.estate = nil
	if e == nil && r.config.Kept != nil {
		e = r.config.Kept.take(r.config.Group.Name)
		if e != nil && (r.config.Now().Sub(e.at) > staleAfter || !slices.Equal(e.topics, r.idsOf(r.tables))) {
			return nil
		}
	}
	return e
}

func (r *run) keepEstate(e *estate) {
	r.inheriting.Lock()
	defer r.inheriting.Unlock()
	r.estate = e
	e.at = r.config.Now()
}

// takeRows gives a partition the rows that were kept for it.
func (r *run) takeRows(p *partition) bool {
	r.inheriting.Lock()
	defer r.inheriting.Unlock()
	if r.estate == nil || r.estate.rows[p.number] == nil {
		return false
	}
	p.rows = r.estate.rows[p.number]
	delete(r.estate.rows, p.number)
	return !p.rows.blank()
}

// dropEstate lets go of rows that somebody else has by now.
func (r *run) dropEstate() {
	r.inheriting.Lock()
	defer r.inheriting.Unlock()
	if e := r.estate; e != nil && (len(e.rows) == 0 || r.config.Now().Sub(e.at) > keptFor) {
		r.estate = nil
	}
}

// seams are those of a growth, by table and partition.
type seams map[string]map[int32]schemas.Seam

// seamsOf gives the seams between two numbers of partitions; nil if the newest
// growth has none.
func seamsOf(grown *schemas.Growth, from, to int32) seams {
	if grown == nil || grown.From != from || grown.Partitions != to || len(grown.Seams) == 0 {
		return nil
	}
	all := seams{}
	for _, s := range grown.Seams {
		if all[s.Table] == nil {
			all[s.Table] = map[int32]schemas.Seam{}
		}
		all[s.Table][s.Partition] = s
	}
	return all
}

// parents are the partitions before the growth whose rows reach no further than
// their seams.
func (e *estate) parents(r *run, all seams) map[int32]*partition {
	parents := map[int32]*partition{}
	for number, rows := range e.rows {
		p := newPartition(number, r.tables)
		p.rows, p.ending = rows, true
		beyond := false
		for place, table := range r.tables {
			beyond = beyond || rows.next[place] > all[table][number].End
		}
		if !beyond {
			parents[number] = p
		}
	}
	return parents
}

// readToSeam brings the rows of the former partitions to where the growth began.
func (r *run) readToSeam(ctx context.Context, parents map[int32]*partition, all seams) error {
	from := map[string]map[int32]kgo.Offset{}
	var ps []*partition
	for number, p := range parents {
		ps = append(ps, p)
		for place, table := range r.tables {
			if next := p.rows.next[place]; next < all[table][number].End {
				if from[table] == nil {
					from[table] = map[int32]kgo.Offset{}
				}
				from[table][number] = kgo.NewOffset().At(next)
			}
		}
	}
	return r.read(ctx, ps, from, func(table string, number int32) int64 { return all[table][number].End })
}

// part makes today's partitions of former ones, which are at their seams. With
// fewer partitions than before, one is made if all that go into it are here.
func (r *run) part(parents map[int32]*partition, from int32, all seams) map[int32]*rows {
	to := r.config.Topology.Config.Partitions
	parts := map[int32]*rows{}
	partOf := func(number int32) *rows {
		if parts[number] == nil {
			fresh := newRows(r.tables)
			for place, table := range r.tables {
				fresh.next[place] = all[table][number].Begin
			}
			parts[number] = fresh
		}
		return parts[number]
	}
	moves := map[int32]func(key []byte) *rows{}
	for number := range parents {
		if to < from && !hasAll(parents, number%to, from, to) {
			continue
		}
		into := map[int32]*rows{}
		for q := number % min(from, to); q < to; q += from {
			into[q] = partOf(q)
		}
		moves[number] = func(key []byte) *rows { return into[homeAmong(r.partitionFor, key, number, from, to)] }
	}
	for number := range moves { // whoever still looks at the host before this one
		parents[number].rows.mu.Lock()
		defer parents[number].rows.mu.Unlock()
	}
	var working errgroup.Group
	working.SetLimit(runtime.GOMAXPROCS(0))
	for i := range shardCount { // nothing goes from one into another
		working.Go(func() error {
			for number, to := range moves {
				parents[number].rows.moveShard(i, to)
			}
			return nil
		})
	}
	_ = working.Wait()
	for number := range moves {
		r := parents[number].rows
		r.count, r.bytes, r.host = 0, 0, nil
	}
	return parts
}

func hasAll(parents map[int32]*partition, number, from, to int32) bool {
	for q := number; q < from; q += to {
		if parents[q] == nil {
			return false
		}
	}
	return true
}

// homeAmong is where a key of a partition lives when there are to partitions
// instead of from. With more, each partition is parted, and what does not belong
// there either stays; with fewer, some are joined.
func homeAmong(home func([]byte, int32) int32, key []byte, number, from, to int32) int32 {
	if to < from {
		return number % to
	}
	if q := home(key, to); q%from == number {
		return q
	}
	return number
}

// moveShard takes the rows of a shard where they go, and leaves none.
func (r *rows) moveShard(i int, to func(key []byte) *rows) {
	type sum struct {
		keys  int
		bytes int64
	}
	moved, tables := map[*rows]*sum{}, len(r.tables)
	for key, set := range r.shards[i].each(tables) {
		dst, key := to(key), string(key)
		s, hash := &dst.shards[i], hashOf(key)
		s.write(hash, s.headOf(hash, key, tables), set, 1<<tables-1)
		if moved[dst] == nil {
			moved[dst] = &sum{}
		}
		moved[dst].keys++
		moved[dst].bytes += int64(len(key)) + set.size()
	}
	r.shards[i] = shard{}
	for dst, sum := range moved {
		dst.mu.Lock()
		dst.count += sum.keys
		dst.bytes += sum.bytes
		dst.mu.Unlock()
	}
}
