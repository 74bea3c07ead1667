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

// copyAhead copies rows that will move while hosts work: what is committed,
// then what has been committed meanwhile, until that is little. Nobody looks at
// the new partitions yet.
func (m *mover) copyAhead(ctx context.Context) error {
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
	for _, g := range m.Topology.Groups {
		for place, s := range g.Stages {
			ends, err := m.decided(ctx, s.Table.Name)
			if err != nil {
				return 0, err
			}
			for p := range m.from {
				err := m.transaction(ctx, func(w *writing) error {
					n, err := m.copyRows(ctx, w, g, place, p, ends[p])
					records += n
					return errors.Join(err, w.flush())
				})
				if err != nil {
					return 0, err
				}
			}
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

// homeOf is where a key of an old partition lives. What does not belong there
// either stays.
func (m *mover) homeOf(key []byte, p int32) int32 {
	if home := m.home(key, m.Partitions); home%m.from == p {
		return home
	}
	return p
}

// copyRows brings the copies of the rows of an old partition that are at home
// elsewhere up to a bound, and keeps the host's own row. It holds the newest of
// what it reads, and says how much that was.
func (m *mover) copyRows(ctx context.Context, w *writing, g topologies.Group, place int, p int32, b bounds) (int64, error) {
	table := g.Stages[place].Table.Name
	if m.copied[table] == nil {
		m.copied[table] = map[int32]int64{}
	}
	b.first = max(b.first, m.copied[table][p])
	rows, keys, n := map[string][]byte{}, []string{}, int64(0)
	err := readCommitted(ctx, m.Kafka, table, p, b, func(record *kgo.Record) error {
		if n++; n%10_000 == 0 {
			m.Progress(GrowthProgress{Step: "rows", Done: min(m.read+n, m.total), Total: m.total})
		}
		switch key := string(record.Key); {
		case key == schemas.HostKey && place == 0:
			return m.keepState(g, p, record.Value)
		case strings.HasPrefix(key, "\x00") || m.homeOf(record.Key, p) == p:
		default:
			if _, known := rows[key]; !known {
				keys = append(keys, key)
			}
			rows[key] = slices.Clone(record.Value) // not the buffer around it
		}
		return nil
	})
	if err != nil {
		return n, err
	}
	live := m.movedOf(g, p)
	for _, key := range keys {
		if rows[key] != nil {
			live[key] |= 1 << place
		} else if live[key]&(1<<place) == 0 {
			continue // came and went
		} else if live[key] &^= 1 << place; live[key] == 0 {
			delete(live, key)
		}
		w.write(&kgo.Record{Topic: table, Partition: m.homeOf([]byte(key), p), Key: []byte(key), Value: rows[key]})
	}
	m.copied[table][p] = max(b.first, b.end)
	m.read += n
	return n, w.err()
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
	group topologies.Group
	place int
	q     int32
	key   string
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
				there := map[string]bool{}
				if err := readCommitted(ctx, m.Kafka, s.Table.Name, q, ends[q], func(record *kgo.Record) error {
					there[string(record.Key)] = record.Value != nil
					return nil
				}); err != nil {
					return nil, err
				}
				for key, row := range there {
					if row {
						all = append(all, leftover{g, place, q, key})
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
			p := l.q % m.from
			if m.homeOf([]byte(l.key), p) == l.q && m.movedOf(l.group, p)[l.key]&(1<<l.place) != 0 {
				continue
			}
			w.write(&kgo.Record{Topic: l.group.Stages[l.place].Table.Name, Partition: l.q, Key: []byte(l.key)})
		}
		return w.flush()
	})
}
