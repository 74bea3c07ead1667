package host

import (
	"fmt"
	"slices"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/processors/arena"
	"kairos/processors/stage"
	"kairos/schemas"
)

// partition is one partition of the group that this host owns: its rows, its
// time, its place in the inputs. The owner goroutine changes it; while a batch
// runs, the partition's Goka goroutine changes its share of the batch.
type partition struct {
	number  int32
	tables  map[string]int // name -> place
	rows    *rows
	ending  bool     // it does not count any more; what lies behind its seam is of a growth
	strange bool     // rows have been read that its timers and the watcher do not know
	afresh  bool     // nothing of it is on disk: its rows are written down once they are whole, see filling
	layers  []*layer // of open batches, oldest first
	timers  *timers

	next     map[string]int64         // per input: the offset after the last record in a batch
	settled  map[string]int64         // the same, of the newest batch that is committed
	ends     map[string]int64         // per input: where it ended when it was last read
	inbox    []*kgo.Record            // polled, not yet in a batch
	held     []*kgo.Record            // of the door, behind what a growth has put into loops
	messages []sarama.ConsumerMessage // memory for those of the batch at work
	state    schemas.HostState        // as of the newest batch
	heard    heard                    // what follows from it
	pace     pace
	share    *share        // of the batch at work
	spare    *share        // of a batch that is committed, whose memory the next one uses; nil: there is none
	handed   stage.Effects // of the step at work, while Goka carries them
	lent     stage.Effects // of the step before, whose lists the next one uses
	tickets  []*ticket
	current  keyRows // of the key at work
}

// share is a partition's part of a batch.
type share struct {
	partition *partition
	layer     *layer
	records   []output
	drops     []stage.Drop
	in        map[string]int64     // per input: the offset to commit
	stateful  bool                 // the host's own row changed
	made      arena.Of[kgo.Record] // for Kafka
	keys      arena.Of[byte]       // of them
	values    arena.Of[byte]       // of them, rows and others
	messages  int
	errands   int             // of the messages
	read      map[string]int  // records, by input; ticks and markers aside
	least     schemas.Instant // the earliest cause of what goes through a loop; 0: nothing

	followed map[place]*followed // records that ask for it; nil, as ever: none does
}

// output is a record for a topic, with the partition it goes to.
type output struct {
	record *kgo.Record
	table  int // place of the table that it is for; -1: a stream
}

// at gives steps the rows of one key. They are looked up once, not once for each
// stage, and hold until the next call.
func (p *partition) at(key string) *keyRows {
	if p.current.rows == nil {
		p.current = keyRows{partition: p, rows: make(rowSet, len(p.rows.tables))}
	}
	p.current.key = key
	p.current.at = p.rows.fill(p.current.rows, key)
	for _, l := range p.layers {
		if c := l.of(p.current.at.hash, key); c != nil {
			c.rows.onto(p.current.rows, c.set)
		}
	}
	return &p.current
}

// put makes what a step did to the rows of the key at work part of the batch.
func (p *partition) put(changed []stage.RowChange) {
	c := p.share.layer.change(p.current.at.hash, p.current.key)
	if c.set == 0 {
		c.at, c.from = p.current.at, p.current.rows.wake()
	}
	for _, row := range changed {
		c.put(p.tables[row.Table], row.Value)
	}
	c.rows.onto(p.current.rows, c.set)
	c.to = p.current.rows.wake()
}

// keyRows is the rows of one key, as the newest batch left them, with memory for
// what a step makes of them.
type keyRows struct {
	partition *partition
	key       string
	rows      rowSet
	at        spot
}

// Row implements stage.Rows.
func (k *keyRows) Row(table, key string) ([]byte, error) {
	if key != k.key {
		return nil, fmt.Errorf("a step on key %q asks for the row of another", k.key)
	}
	return k.rows[k.partition.tables[table]], nil
}

// Take implements stage.Memory: it holds until the share at work is closed.
func (k *keyRows) Take(n int) []byte {
	if n > largeValue { // one of many megabytes would stay for good
		return make([]byte, n)
	}
	return k.partition.share.values.Take(n)
}

// Effects implements stage.Memory: they hold until the next step.
func (k *keyRows) Effects() stage.Effects {
	e := &k.partition.lent
	return stage.Effects{Rows: e.Rows[:0], Records: e.Records[:0], Drops: e.Drops[:0]}
}

const largeValue = 1 << 16

// open begins a share: what steps write from now on goes into a new layer.
func (p *partition) open() *share {
	l := newLayer(len(p.rows.tables))
	p.layers = append(p.layers, l)
	if p.share, p.spare = p.spare, nil; p.share == nil {
		p.share = &share{in: map[string]int64{}, read: map[string]int{}}
	}
	p.share.partition, p.share.layer = p, l
	return p.share
}

// close leaves the memory of a share whose batch is committed to the next one. The
// layer is not the share's any more.
func (s *share) close() {
	clear(s.in)
	clear(s.read)
	clear(s.records)
	clear(s.drops)
	s.made.Clear()
	s.keys.Clear()
	s.values.Clear()
	s.partition.spare = s
	*s = share{partition: s.partition, in: s.in, read: s.read, records: s.records[:0], drops: s.drops[:0], made: s.made, keys: s.keys, values: s.values}
}

// record makes a record for Kafka, which holds until the share is closed.
func (s *share) record(key string) *kgo.Record {
	record := &s.made.Take(1)[0]
	record.Key = s.keys.Take(len(key))
	copy(record.Key, key)
	return record
}

// retime moves the timers of all keys that the newest layer changed.
func (p *partition) retime() {
	for _, c := range p.layers[len(p.layers)-1].changes {
		p.timers.move(c.key, c.from, c.to)
	}
}

// rewind moves the timers back to what the rows say, of all keys that open layers
// have changed.
func (p *partition) rewind() {
	for _, l := range slices.Backward(p.layers) {
		for _, c := range l.changes {
			p.timers.move(c.key, c.to, c.from)
		}
	}
}

// commit makes the oldest open layer part of the rows.
func (p *partition) commit() {
	oldest := p.layers[0]
	p.layers[0] = nil
	p.layers = p.layers[1:]
	p.rows.apply(oldest)
}
