package crowd

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/portrait"
	"kairos/processors/definition"
	"kairos/processors/flow"
	"kairos/processors/scenario"
	"kairos/schemas"
	"kairos/topologies"
)

// PreviewFromLog plays all events that the door's log still holds through the
// stages, in memory, under a plan in which the audience is published, and
// compares who is in it then with who is in it by the tables. It needs no row,
// so it knows what nobody has kept; what the log has forgotten it does not.
//
// Reading says how much of the log may be played; it all lies in memory.
func PreviewFromLog(ctx context.Context, client *cluster.Client, plan *definition.Plan, audience string, most int, reading Reading) (Preview, error) {
	records, err := reading.fits(ctx, client)
	if err != nil {
		return Preview{}, err
	}
	open := *plan
	open.Audiences = slices.Clone(plan.Audiences)
	view := Preview{Audience: audience, Members: []Member{}, Unknown: []Unknown{}}
	for i := range open.Audiences {
		if a := &open.Audiences[i]; a.Name == audience {
			view.From, view.Until = portrait.When(a.From), portrait.When(a.Until)
			a.From, a.Until = 0, 0
		}
	}
	world := scenario.NewPure(scenario.Shape{Partitions: 1, Chained: true}, flow.Runner, 0)
	if err := world.Follow(&open); err != nil {
		return view, err
	}
	tables := FromCluster{client}
	was := map[string]bool{}
	now := schemas.Instant(0)
	err = each(ctx, tables, want{profile: true}, func(p *part) error {
		now = max(now, p.at)
		for _, person := range people(p.segment) {
			row, err := rowOf(topologies.SegmentTable, p.segment, person)
			if err != nil {
				return err
			}
			if isMember(row, audience) {
				was[person] = true
			}
		}
		return nil
	})
	if err != nil {
		return view, err
	}
	first, newest, err := play(ctx, client, world, func(read int64) { reading.Progress(min(1, float64(read)/float64(records))) })
	if err != nil {
		return view, err
	}
	view.Log, view.At = portrait.When(first), portrait.When(max(now, newest))
	if err := world.Tick(schemas.Instant(view.At)); err != nil {
		return view, err
	}
	return view, view.compare(ctx, played{world}, was, most)
}

// Reading bounds how much of the log is played.
type Reading struct {
	Most     int64              // records
	Progress func(part float64) // hears of the part that is read
}

// LongLogError says that a log is too long to be played.
type LongLogError struct{ Records, Most int64 }

func (e *LongLogError) Error() string {
	return fmt.Sprintf("the log holds about %d records, more than the %d that may be played", e.Records, e.Most)
}

// fits counts the records of the log, unless they are too many.
func (r Reading) fits(ctx context.Context, client *cluster.Client) (records int64, err error) {
	n, err := client.Extent(ctx, topologies.Events.Name)
	if err == nil && n > r.Most {
		return 0, &LongLogError{n, r.Most}
	}
	return n, err
}

// play puts the log into the world and says from when to when it goes. Progress
// hears now and then how many records are read.
func play(ctx context.Context, client *cluster.Client, world *scenario.Pure, progress func(read int64)) (first, newest schemas.Instant, err error) {
	read := int64(0)
	err = client.Scan(ctx, topologies.Events.Name, cluster.EveryPartition, func(r *kgo.Record) error {
		if read++; read%1000 == 0 {
			progress(read)
		}
		if string(r.Key) == schemas.TickKey {
			return nil
		}
		if e, err := topologies.Events.Codec.Decode(r.Value); err == nil { // the stages refuse what cannot be read
			if first == 0 || e.Received < first {
				first = e.Received
			}
			newest = max(newest, e.Received)
		}
		return world.Put(scenario.Input{Topic: topologies.Events.Name, Key: r.Key, Value: r.Value})
	})
	if err == nil {
		err = world.Settle()
	}
	if err != nil {
		return 0, 0, fmt.Errorf("play the log: %w", err)
	}
	return first, newest, nil
}

func (view *Preview) compare(ctx context.Context, tables Tables, was map[string]bool, most int) error {
	is := map[string]bool{}
	err := eachPerson(ctx, tables, func(person string, row *schemas.ProfileRow, standings *schemas.SegmentRow) {
		view.People++
		if !isMember(standings, view.Audience) {
			return
		}
		is[person] = true
		view.Size++
		if !was[person] {
			view.Enter++
		}
		view.Members = append(view.Members, Member{Person: person, Identifiers: identifiers(row)})
	})
	for person := range was {
		if !is[person] {
			view.Exit++
		}
	}
	view.cut(most)
	return err
}

// played are the tables of a world.
type played struct{ world *scenario.Pure }

// Partitions implements [Tables].
func (p played) Partitions(context.Context) (int32, error) { return 1, nil }

// Rows implements [Tables].
func (p played) Rows(_ context.Context, table topologies.Topic, _ int32) (map[string][]byte, error) {
	return p.world.Rows(table.Name)
}
