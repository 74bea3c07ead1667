package host

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"kairos/schemas"
)

// view is what the owner goroutine publishes after each turn.
type view struct {
	partitions map[int32]*rows
	positions  map[string]map[int32]int64
	status     Status

	redefinition int // the number of the one that it follows from
}

// Status says how a host is doing.
type Status struct {
	Group      string
	Partitions []PartitionStatus // owned, by number
	Held       bool              // sweeps stand still
}

// PartitionStatus says how one partition is doing.
type PartitionStatus struct {
	Number  int32
	Rows    int              // keys with rows
	Bytes   int64            // of rows and their keys
	Oldest  time.Time        // when the broker took the first record that is not committed; zero: there is none
	Time    schemas.Instant  // partition time; 0: not known yet
	Lag     map[string]int64 // records per input that were there when it was last read, and are not processed
	Due     int              // wakes that are due, at most a chunk is counted
	Waiting int              // records polled, not yet processed
	Open    int              // batches processed, not yet committed
	Telling bool             // the stages behind do not know Time yet
	Sweeps  []schemas.SweepDone
	Left    time.Duration // until the sweep under way is through, at its pace so far; 0: unknown
}

// publish shows the state after a turn to everybody else.
func (r *run) publish() {
	v := &view{partitions: map[int32]*rows{}, positions: map[string]map[int32]int64{}, redefinition: r.redefinition}
	v.status.Group, v.status.Held = r.config.Group.Name, r.host.held.Load()
	for _, topic := range r.inputs {
		v.positions[topic] = map[int32]int64{}
	}
	for _, number := range r.numbers() {
		p := r.owned[number]
		v.partitions[number] = p.rows
		if len(p.layers) == 0 {
			maps.Copy(p.settled, p.next) // markers need no transaction
		}
		for topic, next := range p.settled {
			v.positions[topic][number] = next
		}
		now, lag := r.timeOf(p), map[string]int64{}
		for topic, end := range p.ends {
			lag[topic] = max(0, end-p.settled[topic])
		}
		v.status.Partitions = append(v.status.Partitions, PartitionStatus{
			Number: number, Rows: p.rows.count, Bytes: p.rows.bytes, Oldest: p.oldest(), Time: now, Lag: lag, Due: p.timers.countDue(now, r.config.WakeChunk),
			Waiting: len(p.inbox) + len(p.held), Open: len(p.layers), Telling: r.mustTell(p) || r.mustSpeak(p), Sweeps: slices.Clone(p.state.Sweeps),
			Left: r.sweepLeft(p),
		})
	}
	r.measure(v.status)
	r.host.show(v)
}

// oldest is when the broker took the first record that was read and is not
// committed.
func (p *partition) oldest() time.Time {
	for _, l := range p.layers {
		if !l.oldest.IsZero() {
			return l.oldest
		}
	}
	if len(p.inbox) > 0 {
		return p.inbox[0].Timestamp
	}
	return time.Time{}
}

// Status says how the host is doing, as of its last turn.
func (h *Host) Status() Status { return h.view.Load().status }

// Positions says, per input and owned partition, the offset after the last
// record that is processed and committed; markers of transactions count. When
// it equals the end of a partition, nothing of it is left to do.
func (h *Host) Positions() map[string]map[int32]int64 { return h.view.Load().positions }

// ErrElsewhere says that a key's partition is not this host's.
var ErrElsewhere = errors.New("the key's partition is not this host's")

// Row is the committed row of key in a table, encoded; nil if there is none. It
// fails with ErrElsewhere if no owned partition can have it.
func (h *Host) Row(table, key string) ([]byte, error) {
	place := h.place(table)
	if place < 0 {
		return nil, fmt.Errorf("host of %s: no table %s", h.config.Group.Name, table)
	}
	v := h.view.Load()
	number := Partitioner()([]byte(key), h.config.Topology.Config.Partitions)
	r := v.partitions[number]
	if r == nil {
		return nil, fmt.Errorf("host of %s, key %q, partition %d: %w", h.config.Group.Name, key, number, ErrElsewhere)
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return bytes.Clone(r.get(place, key)), nil
}

// Scan calls f for committed rows of a table whose keys start with prefix, in
// no order, until f returns false. f must not keep or change value, and must
// not take long: while it runs, the partition waits.
func (h *Host) Scan(table, prefix string, f func(key string, value []byte) bool) error {
	place := h.place(table)
	if place < 0 {
		return fmt.Errorf("host of %s: no table %s", h.config.Group.Name, table)
	}
	for _, r := range h.view.Load().partitions {
		if !r.scan(place, prefix, f) {
			return nil
		}
	}
	return nil
}

func (r *rows) scan(place int, prefix string, f func(string, []byte) bool) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for i := range r.shards {
		for key, set := range r.shards[i].each(len(r.tables)) {
			if row := set[place]; row != nil && strings.HasPrefix(string(key), prefix) && !f(string(key), row) {
				return false
			}
		}
	}
	return true
}

func (h *Host) place(table string) int {
	for place, s := range h.config.Group.Stages {
		if s.Table.Name == table {
			return place
		}
	}
	return -1
}
