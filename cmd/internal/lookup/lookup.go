// Package lookup finds a person by any identifier and gathers what all stages
// keep about them.
//
// In: table rows, of a running process or of a cluster's table topics. Out: a
// [Person]. State: none.
//
// Not here: how a person is shown (cmd/internal/portrait).
package lookup

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/cluster"
	"kairos/schemas"
	"kairos/topologies"
)

// Rows gives committed rows, encoded; nil where there is none.
type Rows interface {
	Row(ctx context.Context, table topologies.Topic, key string) ([]byte, error)
}

// Person is everything that is kept about a person.
type Person struct {
	ID          string
	Asked       schemas.Identifier // by which the person was found
	Identity    *schemas.IdentityRow
	Component   *schemas.Component // of the identifier; nil: no link was ever seen
	Profile     *schemas.ProfileRow
	Segment     *schemas.SegmentRow
	Propensity  *schemas.PropensityRow
	Destination *schemas.DestinationRow
}

// ByPerson is the namespace under which a person's own id can be asked for, as
// it stands in transitions and activations.
const ByPerson = "person"

// NotFoundError says that no event ever had the identifier.
type NotFoundError struct{ Identifier schemas.Identifier }

func (e *NotFoundError) Error() string {
	if e.Identifier.Namespace == ByPerson {
		return fmt.Sprintf("there is no person %s: a person's id has sixteen digits and letters from a to f", e.Identifier.Value)
	}
	return fmt.Sprintf("nobody is known by %s=%s: is it spelled as in the events, and has one arrived?", e.Identifier.Namespace, e.Identifier.Value)
}

// Find gathers the person that an identifier belongs to now, or that has an id.
func Find(ctx context.Context, rows Rows, id schemas.Identifier) (*Person, error) {
	p := &Person{Asked: id, ID: id.Value}
	var err error
	if id.Namespace == ByPerson {
		err = p.byID(ctx, rows)
	} else {
		err = p.byIdentifier(ctx, rows, id)
	}
	if err != nil {
		return nil, err
	}
	if err := p.component(ctx, rows); err != nil {
		return nil, err
	}
	if p.Profile, err = decode(ctx, rows, topologies.ProfileTable, p.ID); err != nil {
		return nil, err
	}
	if p.Segment, err = decode(ctx, rows, topologies.SegmentTable, p.ID); err != nil {
		return nil, err
	}
	if p.Propensity, err = decode(ctx, rows, topologies.PropensityTable, p.ID); err != nil {
		return nil, err
	}
	p.Destination, err = decode(ctx, rows, topologies.DestinationTable, p.ID)
	return p, err
}

func (p *Person) byIdentifier(ctx context.Context, rows Rows, id schemas.Identifier) (err error) {
	if p.Identity, err = decode(ctx, rows, topologies.IdentityTable, id.String()); err != nil {
		return err
	}
	if p.Identity == nil || !p.Identity.Arrived {
		return &NotFoundError{id}
	}
	p.ID = p.Identity.Person
	return nil
}

// byID follows the person to whoever holds the fragments now.
func (p *Person) byID(ctx context.Context, rows Rows) error {
	for hops := 0; ; hops++ {
		row, err := decode(ctx, rows, topologies.ProfileTable, p.ID)
		if err != nil {
			return err
		}
		if row == nil {
			return &NotFoundError{p.Asked}
		}
		if row.ForwardTo != "" && hops < 64 {
			p.ID = row.ForwardTo
			continue
		}
		if len(row.Fragments) > 0 {
			p.Identity, err = decode(ctx, rows, topologies.IdentityTable, row.Fragments[0].Identifier)
		}
		return err
	}
}

// component reads the evidence, which rests in the row of the root.
func (p *Person) component(ctx context.Context, rows Rows) error {
	row := p.Identity
	var err error
	for hops := 0; row != nil && row.Root != "" && hops < 64; hops++ {
		if row, err = decode(ctx, rows, topologies.IdentityTable, row.Root); err != nil {
			return err
		}
	}
	if row == nil || len(row.Component) == 0 {
		return nil
	}
	p.Component, err = schemas.ComponentCodec.Decode(row.Component)
	return err
}

// Standing is the person's place in an audience; nil if never entered.
func (p *Person) Standing(audience string) *schemas.Standing {
	if p.Segment == nil {
		return nil
	}
	i := slices.IndexFunc(p.Segment.Standings, func(s schemas.Standing) bool { return s.Audience == audience })
	if i < 0 {
		return nil
	}
	return &p.Segment.Standings[i]
}

func decode[R any](ctx context.Context, rows Rows, table topologies.Table[R], key string) (*R, error) {
	encoded, err := rows.Row(ctx, table.Topic, key)
	if err != nil || encoded == nil {
		return nil, err
	}
	row, err := table.Codec.Decode(encoded)
	if err != nil {
		return nil, fmt.Errorf("row %q of %s: %w", key, table.Name, err)
	}
	return row, nil
}

// FromCluster reads rows from the table topics, each time from their start.
type FromCluster struct{ Client *cluster.Client }

// Row implements [Rows].
func (f FromCluster) Row(ctx context.Context, table topologies.Topic, key string) ([]byte, error) {
	partition, err := f.Client.PartitionOf(ctx, table.Name, key)
	if err != nil {
		return nil, err
	}
	var newest []byte
	err = f.Client.Scan(ctx, table.Name, partition, func(r *kgo.Record) error {
		if string(r.Key) == key {
			newest = r.Value
		}
		return nil
	})
	return newest, err
}
