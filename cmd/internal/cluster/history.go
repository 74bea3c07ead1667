package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/schemas"
	"kairos/topologies"
)

// HistoryError says that a group must not start: it would read again what its
// tables have dealt with already, and count everything twice.
type HistoryError struct {
	Group string
	What  string
}

func (e *HistoryError) Error() string {
	return fmt.Sprintf("group %s must not start, it would count twice what is in its tables already: %s", e.Group, e.What)
}

// Continues refuses groups of t that cannot go on where their tables are. Rows
// and offsets are committed together, but Kafka keeps offsets under the name
// of a group: they do not follow stages into another group, and they expire.
func (c *Client) Continues(ctx context.Context, t *topologies.Topology, groups []topologies.Group) error {
	config := t.Config
	config.Chained = !config.Chained
	others, err := topologies.New(config)
	if err != nil {
		return err
	}
	for _, g := range groups {
		for _, other := range others.Groups {
			if other.Name == g.Name || !sharesTable(g, other) {
				continue
			}
			if worked, err := c.hasOffsets(ctx, other.Name); err != nil {
				return err
			} else if worked {
				return &HistoryError{g.Name, fmt.Sprintf("group %s has worked on them: run with --unchained always or never on one cluster", other.Name)}
			}
		}
		if err := c.offsetsOrNoRows(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

func sharesTable(a, b topologies.Group) bool {
	return slices.ContainsFunc(a.Stages, func(s topologies.Stage) bool {
		return slices.ContainsFunc(b.Stages, func(o topologies.Stage) bool { return o.Table.Name == s.Table.Name })
	})
}

func (c *Client) hasOffsets(ctx context.Context, group string) (bool, error) {
	committed, err := c.committed(ctx, group)
	if err != nil {
		return false, err
	}
	for _, partitions := range committed {
		for _, o := range partitions {
			if o.At >= 0 {
				return true, nil
			}
		}
	}
	return false, nil
}

// committed is how far a group is; one that has never been is nowhere. On a
// new cluster nobody coordinates groups for a moment.
func (c *Client) committed(ctx context.Context, group string) (kadm.OffsetResponses, error) {
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		committed, err := c.admin.FetchOffsets(ctx, group)
		switch {
		case err == nil:
			return committed, nil
		case errors.Is(err, kerr.GroupIDNotFound):
			return nil, nil
		case !passing(err):
			return nil, fmt.Errorf("ask how far group %s is: %w", group, err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, fmt.Errorf("ask how far group %s is: %w, last answer: %v", group, ctx.Err(), err)
		}
	}
}

// errFound ends a scan.
var errFound = errors.New("found")

func (c *Client) offsetsOrNoRows(ctx context.Context, g topologies.Group) error {
	if worked, err := c.hasOffsets(ctx, g.Name); err != nil || worked {
		return err
	}
	for _, s := range g.Stages {
		err := c.Scan(ctx, s.Table.Name, EveryPartition, func(r *kgo.Record) error {
			if string(r.Key) != schemas.HostKey && len(r.Value) > 0 {
				return errFound
			}
			return nil
		})
		switch {
		case errors.Is(err, errFound):
			return &HistoryError{g.Name, fmt.Sprintf("%s has rows, but Kafka keeps no offsets for the group (they expire after offsets.retention.minutes without a member). "+
				"Set its offsets to where it stopped (kafka-consumer-groups --reset-offsets), or start anew on a new cluster", s.Table.Name)}
		case err != nil:
			return err
		}
	}
	return nil
}
