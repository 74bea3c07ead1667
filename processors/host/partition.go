package host

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/processors/stage"
	"kairos/schemas"
)

// partition is one partition of the group that this host owns: its rows, its
// time, its place in the inputs. The owner goroutine changes it; while a batch
// runs, the partition's Goka goroutine changes its share of the batch.
type partition struct {
	number int32
	tables map[string]int // name -> place
	rows   *rows
	ending bool     // it does not count any more; what lies behind its seam is of a growth
	layers []*layer // of open batches, oldest first
	timers *timers

	next    map[string]int64  // per input: the offset after the last record in a batch
	settled map[string]int64  // the same, of the newest batch that is committed
	ends    map[string]int64  // per input: where it ended when it was last read
	inbox   []*kgo.Record     // polled, not yet in a batch
	held    []*kgo.Record     // of the door, behind what a growth has put into loops
	state   schemas.HostState // as of the newest batch
	heard   heard             // what follows from it
	pace    pace
	share   *share // of the batch at work
}

// share is a partition's part of a batch.
type share struct {
	partition *partition
	layer     *layer
	records   []output
	drops     []stage.Drop
	in        map[string]int64 // per input: the offset to commit
	stateful  bool             // the host's own row changed
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

// Row gives the row of a key as the newest batch left it.
func (p *partition) Row(table, key string) ([]byte, error) {
	return p.row(p.tables[table], key), nil
}

func (p *partition) row(table int, key string) []byte {
	for i := len(p.layers) - 1; i >= 0; i-- {
		if row, ok := p.layers[i].get(table, key); ok {
			return row
		}
	}
	return p.rows.get(table, key)
}

// wakeOf is when the first of the rows of key wants to be woken, as of the
// newest batch.
func (p *partition) wakeOf(key string) schemas.Instant {
	var first schemas.Instant
	for table := range p.rows.tables {
		if wake := schemas.WakeOf(p.row(table, key)); wake != 0 && (first == 0 || wake < first) {
			first = wake
		}
	}
	return first
}

// open begins a share: what steps write from now on goes into a new layer.
func (p *partition) open() *share {
	l := newLayer(len(p.rows.tables))
	p.layers = append(p.layers, l)
	p.share = &share{partition: p, layer: l, in: map[string]int64{}, read: map[string]int{}}
	return p.share
}

// retime moves the timers of all keys that the newest layer changed.
func (p *partition) retime() {
	newest := p.layers[len(p.layers)-1]
	older := p.layers[:len(p.layers)-1]
	all := p.layers
	for key := range newest.changes {
		p.layers = older
		before := p.wakeOf(key)
		p.layers = all
		p.timers.move(key, before, p.wakeOf(key))
	}
}

// commit makes the oldest open layer part of the rows.
func (p *partition) commit() *layer {
	oldest := p.layers[0]
	p.layers = p.layers[1:]
	p.rows.apply(oldest)
	return oldest
}
