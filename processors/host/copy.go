package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/schemas"
	"kairos/topologies"
)

// few is how many records may be left for behind the fence.
const few = 20_000

// part is a partition of a stage's table.
type part struct {
	group  topologies.Group
	place  int
	number int32
}

func (p part) table() string { return p.group.Stages[p.place].Table.Name }

// parts are the partitions of all tables that rows leave, and those that hold
// the hosts' own rows.
func (m *mover) parts() []part {
	var all []part
	for _, g := range m.Topology.Groups {
		for place := range g.Stages {
			for p := range m.from {
				if m.leaves(p) || place == 0 {
					all = append(all, part{g, place, p})
				}
			}
		}
	}
	return all
}

// leaves reports whether rows leave a partition.
func (m *mover) leaves(p int32) bool { return m.Partitions > m.from || p >= m.Partitions }

// copyAhead copies rows that will move while hosts work: what is committed,
// then what has been committed meanwhile, until that is little. Nobody looks at
// the new partitions yet. With fewer partitions there are no new ones, and rows
// wait for the fence; only the hosts' own rows, which the others hide, are
// looked for.
func (m *mover) copyAhead(ctx context.Context) error {
	m.begin(StepRows)
	var err error
	if m.total, err = m.extent(ctx); err != nil {
		return err
	}
	left, err := m.leftovers(ctx)
	if err != nil {
		return err
	}
	const rounds = 8 // then hosts write faster than we copy
	for round := range rounds {
		n, err := m.copyRound(ctx)
		if err != nil {
			return err
		}
		if round == 0 {
			if err := m.clear(ctx, left); err != nil {
				return err
			}
		}
		if n < few {
			break
		}
	}
	return nil
}

func (m *mover) copyRound(ctx context.Context) (records int64, err error) {
	for _, p := range m.parts() {
		if m.Partitions < m.from && m.leaves(p.number) {
			continue
		}
		ends, err := m.decided(ctx, p.table())
		if err != nil {
			return 0, err
		}
		err = m.transaction(ctx, func(w *writing) error {
			n, err := m.copyRows(ctx, w, []part{p}, func(part) bounds { return ends[p.number] })
			records += n
			return errors.Join(err, w.flush())
		})
		if err != nil {
			return 0, err
		}
	}
	return records, nil
}

// decided are bounds up to the first transaction that is open.
func (m *mover) decided(ctx context.Context, topic string) (map[int32]bounds, error) {
	all, err := boundsOf(ctx, m.admin, topic)
	if err != nil {
		return nil, err
	}
	stable, err := m.admin.ListCommittedOffsets(ctx, topic)
	if err = errors.Join(err, stable.Error()); err != nil {
		return nil, fmt.Errorf("ends of %s: %w", topic, err)
	}
	for number, b := range all {
		if at, ok := stable.Lookup(topic, number); ok {
			all[number] = bounds{b.first, min(b.end, at.Offset)}
		}
	}
	return all, nil
}

// homeOf is where a key of an old partition lives.
func (m *mover) homeOf(key []byte, p int32) int32 {
	return homeAmong(m.home, key, p, m.from, m.Partitions)
}

// newest is what is read of one part: the newest row of each key, in the order
// in which the keys came.
type newest struct {
	rows map[string][]byte
	keys []string
}

// copyRows brings the copies of the rows of parts that are at home elsewhere up
// to bounds, and keeps the hosts' own rows. It holds the newest of what it reads,
// and says how much that was.
func (m *mover) copyRows(ctx context.Context, w *writing, parts []part, boundsOf func(part) bounds) (n int64, err error) {
	stretch, byTable, found := stretches{}, map[string]part{}, map[string]map[int32]*newest{}
	for _, p := range parts {
		table, b := p.table(), boundsOf(p)
		if m.copied[table] == nil {
			m.copied[table] = map[int32]int64{}
		}
		if found[table] == nil {
			found[table] = map[int32]*newest{}
		}
		b.first = max(b.first, m.copied[table][p.number])
		m.copied[table][p.number] = max(b.first, b.end)
		stretch.add(table, p.number, b)
		byTable[table], found[table][p.number] = p, &newest{rows: map[string][]byte{}}
	}
	err = readCommitted(ctx, m.Kafka, stretch, func(record *kgo.Record) error {
		if n++; n%10_000 == 0 {
			m.show(min(m.read+n, m.total), m.total)
		}
		of, it := byTable[record.Topic], found[record.Topic][record.Partition]
		switch key := string(record.Key); {
		case key == schemas.HostKey && of.place == 0:
			return m.keepState(of.group, record.Partition, record.Value)
		case strings.HasPrefix(key, "\x00") || m.homeOf(record.Key, record.Partition) == record.Partition:
		default:
			if _, known := it.rows[key]; !known {
				it.keys = append(it.keys, key)
			}
			it.rows[key] = slices.Clone(record.Value) // not the buffer around it
		}
		return nil
	})
	if err != nil {
		return n, err
	}
	for _, p := range parts {
		m.writeCopies(w, p, found[p.table()][p.number])
	}
	m.read += n
	return n, w.err()
}

func (m *mover) writeCopies(w *writing, p part, found *newest) {
	live := m.movedOf(p.group, p.number)
	for _, key := range found.keys {
		if found.rows[key] != nil {
			live[key] |= 1 << p.place
		} else if live[key]&(1<<p.place) == 0 {
			continue // came and went
		} else if live[key] &^= 1 << p.place; live[key] == 0 {
			delete(live, key)
		}
		w.write(&kgo.Record{Topic: p.table(), Partition: m.homeOf([]byte(key), p.number), Key: []byte(key), Value: found.rows[key]})
	}
}

func (m *mover) movedOf(g topologies.Group, p int32) map[string]uint16 {
	if m.moved[g.Name] == nil {
		m.moved[g.Name] = map[int32]map[string]uint16{}
	}
	if m.moved[g.Name][p] == nil {
		m.moved[g.Name][p] = map[string]uint16{}
	}
	return m.moved[g.Name][p]
}

// bury deletes the rows that have moved where they were.
func (m *mover) bury(w *writing, g topologies.Group) {
	for p := range m.from {
		for key, tables := range m.movedOf(g, p) {
			for place, s := range g.Stages {
				if tables&(1<<place) != 0 {
					w.write(&kgo.Record{Topic: s.Table.Name, Partition: p, Key: []byte(key)})
					m.grown.Rows++
				}
			}
		}
	}
}

// leftover is a row in a new partition, of a growth that was undone or died.
type leftover struct {
	part
	key string
}

func (m *mover) leftovers(ctx context.Context) ([]leftover, error) {
	var all []leftover
	for _, g := range m.Topology.Groups {
		for place, s := range g.Stages {
			ends, err := m.decided(ctx, s.Table.Name)
			if err != nil {
				return nil, err
			}
			for q := m.from; q < min(m.Partitions, int32(len(ends))); q++ { // they may not be there yet
				there, stretch := map[string]bool{}, stretches{}
				stretch.add(s.Table.Name, q, ends[q])
				if err := readCommitted(ctx, m.Kafka, stretch, func(record *kgo.Record) error {
					there[string(record.Key)] = record.Value != nil
					return nil
				}); err != nil {
					return nil, err
				}
				for key, row := range there {
					if row {
						all = append(all, leftover{part{g, place, q}, key})
					}
				}
			}
		}
	}
	return all, nil
}

// clear deletes what an earlier growth has left, unless this one has written it
// anew.
func (m *mover) clear(ctx context.Context, left []leftover) error {
	return m.transaction(ctx, func(w *writing) error {
		for _, l := range left {
			p := l.number % m.from
			if m.homeOf([]byte(l.key), p) == l.number && m.movedOf(l.group, p)[l.key]&(1<<l.place) != 0 {
				continue
			}
			w.write(&kgo.Record{Topic: l.table(), Partition: l.number, Key: []byte(l.key)})
		}
		return w.flush()
	})
}
