// Package crowd answers questions about audiences: how large, who, how they
// overlap and change, who would be in a draft, what distinguishes members.
//
// In: the tables of all stages, read committed; the stream of transitions; a
// plan. Out: answers, each as data and as text. State: none. Laws: a size is
// the number of members that the table of segment holds when it is read;
// whether somebody would be in a draft is for the stages' own evaluation to say.
//
// Not here: one person (cmd/internal/portrait).
package crowd

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/cluster"
	"kairos/schemas"
	"kairos/topologies"
)

// Tables gives the committed rows of the tables that are keyed by person. A
// person has the same partition in all of them.
type Tables interface {
	Partitions(ctx context.Context) (int32, error)
	// Rows gives the rows of one partition, encoded, the host's own included.
	Rows(ctx context.Context, table topologies.Topic, partition int32) (map[string][]byte, error)
}

// FromCluster reads tables from their topics, each time from their start.
type FromCluster struct{ Client *cluster.Client }

// Partitions implements [Tables].
func (f FromCluster) Partitions(ctx context.Context) (int32, error) {
	return f.Client.Partitions(ctx, topologies.SegmentTable.Name)
}

// Rows implements [Tables].
func (f FromCluster) Rows(ctx context.Context, table topologies.Topic, partition int32) (map[string][]byte, error) {
	rows := map[string][]byte{}
	err := f.Client.Scan(ctx, table.Name, partition, func(r *kgo.Record) error {
		if len(r.Value) == 0 {
			delete(rows, string(r.Key))
		} else {
			rows[string(r.Key)] = r.Value
		}
		return nil
	})
	return rows, err
}

// part is one partition of the tables, as far as a question needs it.
type part struct {
	number     int32
	at         schemas.Instant // time of the partition: what was accepted until then is in the rows
	segment    map[string][]byte
	profile    map[string][]byte
	propensity map[string][]byte
}

// want says which tables a question needs besides that of segment.
type want struct{ profile, propensity bool }

// eachPerson gives everybody who has a profile to f, with their standings; nil
// if they never entered anything.
func eachPerson(ctx context.Context, tables Tables, f func(person string, row *schemas.ProfileRow, standings *schemas.SegmentRow)) error {
	return each(ctx, tables, want{profile: true}, func(p *part) error {
		for _, person := range people(p.profile) {
			row, err := rowOf(topologies.ProfileTable, p.profile, person)
			if err != nil {
				return err
			}
			if len(row.Fragments) == 0 {
				continue
			}
			standings, err := rowOf(topologies.SegmentTable, p.segment, person)
			if err != nil {
				return err
			}
			f(person, row, standings)
		}
		return nil
	})
}

// each reads one partition after the other, so that one is in memory at a time.
func each(ctx context.Context, tables Tables, w want, f func(*part) error) error {
	n, err := tables.Partitions(ctx)
	if err != nil {
		return err
	}
	for number := range n {
		p := &part{number: number}
		if w.propensity { // what is behind is read first: it can only be older
			if p.propensity, err = tables.Rows(ctx, topologies.PropensityTable.Topic, number); err != nil {
				return err
			}
		}
		if p.segment, err = tables.Rows(ctx, topologies.SegmentTable.Topic, number); err != nil {
			return err
		}
		if w.profile {
			if p.profile, err = tables.Rows(ctx, topologies.ProfileTable.Topic, number); err != nil {
				return err
			}
			if p.at, err = timeOf(p.profile); err != nil {
				return err
			}
		}
		if err := f(p); err != nil {
			return err
		}
	}
	return nil
}

// timeOf is how far a partition's inputs had come, as its host noted in the
// table; 0: it has not yet.
func timeOf(rows map[string][]byte) (schemas.Instant, error) {
	encoded := rows[schemas.HostKey]
	if encoded == nil {
		return 0, nil
	}
	state, err := schemas.HostStateCodec.Decode(encoded)
	if err != nil {
		return 0, fmt.Errorf("the host's own row: %w", err)
	}
	least := schemas.Instant(0)
	for _, w := range state.Watermarks {
		if w.Topic != topologies.ProfileLoop.Name && (least == 0 || w.Tick.Time < least) {
			least = w.Tick.Time
		}
	}
	return least, nil
}

// people lists the persons of a table, sorted.
func people(rows map[string][]byte) []string {
	keys := slices.Sorted(maps.Keys(rows))
	return slices.DeleteFunc(keys, func(key string) bool { return key == schemas.HostKey })
}

// rowOf decodes one row; nil if there is none.
func rowOf[R any](table topologies.Table[R], rows map[string][]byte, key string) (*R, error) {
	encoded := rows[key]
	if encoded == nil {
		return nil, nil
	}
	row, err := table.Codec.Decode(encoded)
	if err != nil {
		return nil, fmt.Errorf("row %q of %s: %w", key, table.Name, err)
	}
	return row, nil
}

// members calls f for every membership, by partition and person.
func members(ctx context.Context, tables Tables, f func(p *part, person string, s *schemas.Standing)) error {
	return each(ctx, tables, want{}, func(p *part) error {
		for _, person := range people(p.segment) {
			row, err := rowOf(topologies.SegmentTable, p.segment, person)
			if err != nil {
				return err
			}
			for i := range row.Standings {
				if row.Standings[i].Member {
					f(p, person, &row.Standings[i])
				}
			}
		}
		return nil
	})
}

func isMember(row *schemas.SegmentRow, audience string) bool {
	return row != nil && slices.ContainsFunc(row.Standings, func(s schemas.Standing) bool { return s.Member && s.Audience == audience })
}
