package crowd

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/portrait"
	"kairos/schemas"
	"kairos/topologies"
)

// Hour is what happened to one audience within an hour, by the times of the
// causes.
type Hour struct {
	From     portrait.When `json:"from"`
	Audience string        `json:"audience"`
	Entered  int           `json:"entered"`
	Exited   int           `json:"exited"`
}

const hour = schemas.Instant(time.Hour / time.Millisecond)

// Churn counts entries and exits in the last hours up to the newest one, of
// the named audiences or of all. Hours without any are left out.
func Churn(ctx context.Context, client *cluster.Client, hours int, names ...string) ([]Hour, error) {
	c := &churn{hours: schemas.Instant(hours), counts: map[hourOf]*Hour{}}
	err := client.Scan(ctx, topologies.Transitions.Name, cluster.EveryPartition, func(r *kgo.Record) error {
		if string(r.Key) == schemas.TickKey || r.Value == nil { // removed with the person
			return nil
		}
		t, err := topologies.Transitions.Codec.Decode(r.Value)
		if err != nil {
			return fmt.Errorf("transition at %d/%d: %w", r.Partition, r.Offset, err)
		}
		if len(names) == 0 || slices.Contains(names, t.Audience) {
			c.add(t)
		}
		return nil
	})
	return c.list(), err
}

type churn struct {
	hours  schemas.Instant
	newest schemas.Instant // hour
	counts map[hourOf]*Hour
}

type hourOf struct {
	from     schemas.Instant
	audience string
}

func (c *churn) add(t *schemas.Transition) {
	at := hourOf{t.Cause / hour * hour, t.Audience}
	if at.from > c.newest {
		c.newest = at.from
		maps.DeleteFunc(c.counts, func(h hourOf, _ *Hour) bool { return c.over(h.from) })
	}
	if c.over(at.from) {
		return
	}
	if c.counts[at] == nil {
		c.counts[at] = &Hour{From: portrait.When(at.from), Audience: t.Audience}
	}
	if t.Entered {
		c.counts[at].Entered++
	} else {
		c.counts[at].Exited++
	}
}

func (c *churn) over(from schemas.Instant) bool { return from <= c.newest-c.hours*hour }

func (c *churn) list() []Hour {
	all := []Hour{}
	for _, h := range c.counts {
		all = append(all, *h)
	}
	slices.SortFunc(all, func(a, b Hour) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Audience, b.Audience)) })
	return all
}
