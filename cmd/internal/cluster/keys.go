package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/processors/keyring"
	"kairos/schemas"
	"kairos/topologies"
)

// ErrKeysOvertaken says that somebody else changed the keys at the same time.
var ErrKeysOvertaken = errors.New("somebody else is changing the keys: nothing was changed; do it again")

// rings puts parts of rings together.
type rings struct {
	newest *keyring.Ring
	nodes  map[keyring.Node]keyring.Secret // of the one that is coming
}

// take adds a part, and reports whether a newer ring is complete.
func (s *rings) take(r *kgo.Record) (bool, error) {
	part, err := topologies.Keys.Codec.Decode(r.Value)
	if err != nil {
		return false, fmt.Errorf("keys at offset %d: %w", r.Offset, err)
	}
	if s.nodes == nil {
		s.nodes = map[keyring.Node]keyring.Secret{}
	}
	for _, n := range part.Nodes {
		s.nodes[keyring.Node{Depth: uint8(n.Depth), Prefix: uint64(n.Prefix)}] = keyring.Secret(n.Secret)
	}
	if !part.Last {
		return false, nil
	}
	s.newest, s.nodes = keyring.Restore(part.Version, keyring.Secret(part.Salt), s.nodes), nil
	return true, nil
}

// Ring reads the keys by which events are sealed; nil if there are none.
func (c *Client) Ring(ctx context.Context) (*keyring.Ring, error) {
	var s rings
	err := c.Scan(ctx, topologies.Keys.Name, EveryPartition, func(r *kgo.Record) error {
		_, err := s.take(r)
		return err
	})
	return s.newest, err
}

// FollowRing calls f with the keys, now and whenever they change, until ctx
// ends, when it returns nil. complain hears of brokers that are away.
func (c *Client) FollowRing(ctx context.Context, f func(*keyring.Ring), complain func(error)) error {
	reader, err := kgo.NewClient(append(c.Opts(),
		kgo.ConsumeTopics(topologies.Keys.Name), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(500*time.Millisecond))...)
	if err != nil {
		return fmt.Errorf("follow the keys: %w", err)
	}
	defer reader.Close()
	var s rings
	for {
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		fetches.EachError(func(_ string, _ int32, err error) { complain(fmt.Errorf("follow the keys: %w", err)) })
		fetches.EachRecord(func(r *kgo.Record) {
			switch complete, err := s.take(r); {
			case err != nil:
				complain(err)
			case complete:
				f(s.newest)
			}
		})
	}
}

// ChangeRing replaces the keys by what change makes of them, for good: what was
// before is deleted from the topic. change gets nil if there are none.
func (c *Client) ChangeRing(ctx context.Context, change func(*keyring.Ring) *keyring.Ring) (*keyring.Ring, error) {
	writer, err := c.Writer(ctx, topologies.Keys.Name)
	if err != nil {
		return nil, err
	}
	defer writer.Close()
	before, err := c.Ring(ctx)
	if err != nil {
		return nil, err
	}
	after := change(before)
	records, err := parts(after)
	if err != nil {
		return nil, err
	}
	switch err := writer.Write(ctx, records); {
	case errors.Is(err, ErrOvertaken):
		return nil, ErrKeysOvertaken
	case err != nil:
		return nil, fmt.Errorf("change the keys: %w", err)
	}
	cut := kadm.Offsets{}
	cut.Add(kadm.Offset{Topic: topologies.Keys.Name, At: records[0].Offset})
	deleted, err := c.admin.DeleteRecords(ctx, cut)
	if err = cmp.Or(err, deleted.Error()); err != nil {
		return nil, fmt.Errorf("the new keys count, but the old ones could not be deleted from %s: %w", topologies.Keys.Name, err)
	}
	return after, nil
}

// partNodes is how many secrets a record holds, well below what topics take.
const partNodes = 20_000

// parts are a ring as records.
func parts(r *keyring.Ring) ([]*kgo.Record, error) {
	salt := r.Salt()
	nodes := make([]schemas.KeyNode, 0, len(r.Nodes()))
	for n, secret := range r.Nodes() {
		nodes = append(nodes, schemas.KeyNode{Depth: int32(n.Depth), Prefix: int64(n.Prefix), Secret: secret[:]})
	}
	slices.SortFunc(nodes, func(a, b schemas.KeyNode) int {
		return cmp.Or(cmp.Compare(a.Depth, b.Depth), cmp.Compare(a.Prefix, b.Prefix))
	})
	var records []*kgo.Record
	for first := 0; first == 0 || first < len(nodes); first += partNodes {
		end := min(first+partNodes, len(nodes))
		value, err := topologies.Keys.Codec.Append(nil, &schemas.KeyRing{
			Version: r.Version(), Salt: salt[:], Nodes: nodes[first:end], Last: end == len(nodes),
		})
		if err != nil {
			return nil, fmt.Errorf("change the keys: %w", err)
		}
		records = append(records, &kgo.Record{Topic: topologies.Keys.Name, Partition: 0, Value: value})
	}
	return records, nil
}

// unsealing reads events for those who look at the log: what is sealed is
// opened, and what nobody may read any more is passed over.
func (c *Client) unsealing(ctx context.Context, f func(*kgo.Record) error) func(*kgo.Record) error {
	var ring *keyring.Ring
	return func(r *kgo.Record) error {
		if !keyring.IsSealed(r.Value) {
			return f(r)
		}
		key, value, err := ring.Open(r.Value)
		if errors.Is(err, keyring.ErrAhead) {
			if ring, err = c.Ring(ctx); err != nil {
				return err
			}
			key, value, err = ring.Open(r.Value)
		}
		switch {
		case errors.Is(err, keyring.ErrLost):
			return nil
		case err != nil:
			return fmt.Errorf("event at %d/%d: %w", r.Partition, r.Offset, err)
		}
		opened := *r
		opened.Key, opened.Value = key, value
		return f(&opened)
	}
}
