package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/schemas"
)

// gain is called after the group has given partitions to this member and their
// committed offsets have been read, and before their records are. At that point
// no transaction of the partitions' former owner can commit any more: offsets
// are read "stable", that is, after pending ones are decided, and the
// coordinator refuses offsets of former generations. So what the tables hold
// now is what belongs to these offsets. Other partitions work on meanwhile.
func (r *run) gain(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	select {
	case <-r.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	fresh := map[int32]*partition{}
	for topic, numbers := range offsets {
		for number, offset := range numbers {
			p := fresh[number]
			if p == nil {
				p = newPartition(number, r.tables)
				fresh[number] = p
			}
			p.next[topic] = offset.EpochOffset().Offset
		}
	}
	var ps []*partition
	for number, p := range fresh {
		for _, topic := range r.inputs {
			if _, ok := p.next[topic]; !ok && r.has(topic, number) {
				return nil, fmt.Errorf("partition %d came without its part of %s", number, topic)
			}
		}
		ps = append(ps, p)
	}
	began := time.Now()
	err := retry(ctx, 0, func() error {
		grown, err := r.checkSizes(ctx)
		if errors.Is(err, ErrResized) {
			r.refused.Store(&err)
			r.wakeUp()
			return err
		}
		if err == nil {
			err = r.resolveStarts(ctx, ps)
		}
		if err == nil {
			err = r.inherit(ctx, grown)
		}
		if err == nil {
			err = r.recover(ctx, ps)
		}
		if err != nil {
			r.config.Logger.Warn("recovering failed, will be tried again", "partitions", len(ps), "error", err)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	r.metrics.recovery.Observe(time.Since(began).Seconds())
	r.showRecovered(ps)
	starts := r.own(ps)
	r.config.Logger.Info("partitions gained", "partitions", len(ps), "seconds", time.Since(began).Seconds())
	return starts, nil
}

// showRecovered lets the watcher begin with rows that nothing changes yet, where
// it does not know them.
func (r *run) showRecovered(ps []*partition) {
	var working sync.WaitGroup
	for _, p := range ps {
		known := !p.strange
		p.strange = false
		if known || r.config.Watcher == nil {
			continue
		}
		working.Go(func() {
			r.config.Watcher.Recovered(p.number, func(table string, f func(string, []byte)) {
				if place, ok := p.tables[table]; ok {
					p.rows.scan(place, "", func(key string, row []byte) bool {
						f(key, row)
						return true
					})
				}
			})
		})
	}
	working.Wait()
}

// own makes recovered partitions ready, and says where to read on.
func (r *run) own(ps []*partition) map[string]map[int32]kgo.Offset {
	r.mu.Lock()
	defer r.mu.Unlock()
	starts := map[string]map[int32]kgo.Offset{}
	for _, p := range ps {
		r.owned[p.number] = p
		// Whoever had it may not have known of the new definitions. To sweep twice is
		// no harm, not to sweep is.
		r.beginSweeps(p, slices.Collect(maps.Keys(r.asked)))
		for topic, next := range p.next {
			if starts[topic] == nil {
				starts[topic] = map[int32]kgo.Offset{}
			}
			starts[topic][p.number] = kgo.NewOffset().At(next)
		}
	}
	r.changed = true
	r.publish()
	r.wakeUp()
	return starts
}

// lose gives partitions up. It waits for the batches at work, so a generation
// never ends with a batch open: franz-go calls it at the end of each, with
// nothing lost if nothing moves.
func (r *run) lose(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settleOpen(0)
	for _, numbers := range lost {
		for _, number := range numbers {
			if r.owned[number] != nil {
				delete(r.owned, number)
				r.changed = true
				if r.config.Watcher != nil {
					r.config.Watcher.Lost(number)
				}
			}
		}
	}
	if r.changed {
		r.publish()
		r.wakeUp()
	}
}

func newPartition(number int32, tables []string) *partition {
	p := &partition{
		number: number, tables: map[string]int{}, rows: newRows(tables), strange: true,
		next: map[string]int64{}, settled: map[string]int64{}, ends: map[string]int64{},
	}
	for place, table := range tables {
		p.tables[table] = place
	}
	return p
}

// ready prepares a partition whose rows are complete.
func (p *partition) ready() error {
	if p.strange {
		p.timers = timersOf(p.rows)
	} else {
		p.rewind()
	}
	p.layers, p.inbox, p.held, p.share = nil, nil, nil, nil
	p.state, p.heard = schemas.HostState{}, heard{}
	if p.rows.host == nil {
		return nil
	}
	state, err := decodeState(p.rows.host)
	if err != nil {
		return fmt.Errorf("the host's own row of partition %d in %s: %w", p.number, p.rows.tables[0], err)
	}
	p.state = *state
	for _, w := range state.Watermarks {
		p.heard.round = max(p.heard.round, w.Tick.Round)
	}
	return nil
}

// numbers lists the owned partitions in order.
func (r *run) numbers() []int32 {
	numbers := make([]int32, 0, len(r.owned))
	for number := range r.owned {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	return numbers
}
