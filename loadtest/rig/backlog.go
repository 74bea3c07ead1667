package rig

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"kairos/loadtest/binary"
	"kairos/schemas"
	"kairos/topologies"
)

// Backlog is what it took to work off events that were waiting.
type Backlog struct {
	Events               int                `json:"events"`
	Seconds              float64            `json:"seconds"`
	EventsPerSecond      float64            `json:"events_per_second"`
	Transitions          int                `json:"transitions"`
	ClientMicrosPerEvent float64            `json:"client_cpu_us_per_event"`
	BrokerMicrosPerEvent float64            `json:"broker_cpu_us_per_event"`
	TopicBytesPerEvent   float64            `json:"topic_bytes_per_event"`    // over all topics and tables, one replica
	ByTopic              map[string]float64 `json:"bytes_per_event_by_topic"` // the same; Kafka's own topics included
	DoorBytesPerEvent    float64            `json:"door_bytes_per_event"`     // of the log of events, all that was ever fed; not among the above
	DiskBytesPerEvent    float64            `json:"disk_bytes_per_event"`     // written by kairos and broker
	OthersCPUs           float64            `json:"others_cpus"`              // kept busy by what was not measured, the reader included
}

const (
	span = 30 * 24 * time.Hour // that the history covers
	look = 50 * time.Millisecond
)

// Warm feeds everybody's history and lets kairos work it off.
func (w *World) Warm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.Patience)
	defer cancel()
	now := schemas.InstantOf(time.Now())
	begin := now.Add(-span)
	for number := range w.Config.People {
		at := begin.Add(time.Duration(number) * time.Second / 100)
		for _, e := range w.people.Arrival(number, at) {
			if err := w.feeder.feed(ctx, e); err != nil {
				return err
			}
		}
	}
	arrived := begin.Add(time.Duration(w.Config.People) * time.Second / 100)
	events := w.Config.People * w.History
	for i := range events {
		w.Bar.Show("feeding the history", int64(i), int64(events))
		at := arrived.Add(now.Sub(arrived) * time.Duration(i) / time.Duration(events))
		if err := w.feeder.feed(ctx, w.next(at)); err != nil {
			return err
		}
	}
	if err := w.feeder.flush(ctx); err != nil {
		return err
	}
	if len(w.processes()) == 0 {
		if err := w.Start(); err != nil {
			return err
		}
	}
	if err := w.awaitProgress(ctx, w.feeder.fed); err != nil {
		return err
	}
	if err := w.awaitIdle(ctx); err != nil { // people become one: their beacons would change hands
		return err
	}
	ids, err := w.lightMany(ctx)
	if err != nil {
		return err
	}
	if err := w.awaitDrained(ctx, ids); err != nil {
		return err
	}
	return w.awaitTime(ctx, schemas.InstantOf(time.Now()))
}

// AwaitReady returns when kairos has compiled the definitions, taken all
// partitions and has nothing to do.
func (w *World) AwaitReady(ctx context.Context) error { return w.awaitTime(ctx, 0) }

// AwaitDone returns when kairos has dealt with everything that was fed.
func (w *World) AwaitDone(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.Patience)
	defer cancel()
	if err := w.feeder.flush(ctx); err != nil {
		return err
	}
	if err := w.awaitProgress(ctx, w.feeder.fed); err != nil {
		return err
	}
	return w.awaitIdle(ctx)
}

// awaitTime returns when all that time has brought until t is dealt with: what
// the history leaves in closing windows is no part of the backlog.
func (w *World) awaitTime(ctx context.Context, t schemas.Instant) error {
	for _, r := range w.processes() {
		for reached := false; !reached; {
			groups, err := binary.StatusAt(ctx, r.rim)
			reached = err == nil && len(groups) > 0 && !slices.ContainsFunc(groups, func(s binary.Status) bool { return !s.Reached(t, w.Partitions) })
			if err := w.pause(ctx); err != nil {
				return fmt.Errorf("time has not come to %v in %s: %w", t, r.name, err)
			}
		}
	}
	return nil
}

// WorkOff starts kairos anew, holds it while the backlog is fed, and measures until all
// is done by all stages. It begins when all rows are there: what a start costs is
// [World.Recover]'s.
func (w *World) WorkOff(ctx context.Context) (Backlog, error) {
	if err := w.Stop(); err != nil {
		return Backlog{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, w.Patience)
	defer cancel()
	if err := w.Start(); err != nil {
		return Backlog{}, err
	}
	if err := w.AwaitReady(ctx); err != nil {
		return Backlog{}, err
	}
	var beacons []string
	var from int64
	var before sample
	if err := w.held(func() (err error) {
		for i := range w.Backlog {
			w.Bar.Show("feeding", int64(i), int64(w.Backlog))
			if err := w.feeder.feed(ctx, w.next(schemas.InstantOf(time.Now()))); err != nil {
				return err
			}
		}
		if beacons, err = w.lightMany(ctx); err != nil {
			return err
		}
		if from, err = w.progress(ctx); err != nil {
			return err
		}
		before, err = w.sample(ctx)
		return err
	}); err != nil {
		return Backlog{}, err
	}
	profiled := w.takeProfiles(ctx)
	if err := w.awaitDrained(ctx, beacons); err != nil {
		return Backlog{}, err
	}
	after, err := w.sample(ctx)
	if err != nil {
		return Backlog{}, err
	}
	b := after.backlogSince(before, int(w.feeder.fed-from))
	b.DoorBytesPerEvent = float64(after.topics[topologies.Events.Name]) / float64(w.feeder.fed)
	return b, profiled()
}

// held does something while kairos' processes stand still. Where that takes longer than
// their sessions they lose their partitions, and begin by taking them again.
func (w *World) held(do func() error) error {
	var problems []error
	for _, p := range w.processes() {
		problems = append(problems, p.Hold())
	}
	problems = append(problems, do())
	for _, p := range w.processes() {
		problems = append(problems, p.GoOn())
	}
	return errors.Join(problems...)
}

// awaitProgress returns when the first stage has committed that many of the
// door's records.
func (w *World) awaitProgress(ctx context.Context, records int64) error {
	for {
		now, err := w.progress(ctx)
		w.Bar.Show("worked off", now, records)
		if err == nil && now >= records {
			return nil
		}
		if err := w.pause(ctx); err != nil {
			return fmt.Errorf("%d of the door's %d records are committed: %w", now, records, err)
		}
	}
}

// awaitDrained returns when the beacons at the end of what was fed have been
// seen, and the stages that they do not show are done as well.
func (w *World) awaitDrained(ctx context.Context, beacons []string) error {
	found := make(chan error, 1)
	go func() {
		_, err := w.watcher.await(ctx, beacons)
		found <- err
	}()
	for waiting := true; waiting; {
		select {
		case err := <-found:
			if err != nil {
				return err
			}
			waiting = false
		case <-time.After(look):
			if err := w.alive(); err != nil {
				return err
			}
		}
	}
	return w.awaitIdle(ctx)
}

// awaitIdle returns when the groups have no more to do than what goes on all
// the time.
func (w *World) awaitIdle(ctx context.Context) error {
	const idle = 200 // markers of transactions and ticks
	most := int64(0)
	for {
		rest, err := w.behind(ctx)
		most = max(most, rest)
		w.Bar.Show("catching up", most-rest, most)
		if err == nil && rest < idle {
			return nil
		}
		if err := w.pause(ctx); err != nil {
			return fmt.Errorf("%d records are still to be done: %w", rest, err)
		}
	}
}

// pause waits a little, unless kairos has ended or time is up.
func (w *World) pause(ctx context.Context) error {
	if err := w.alive(); err != nil {
		return err
	}
	select {
	case <-time.After(look):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sample is everything that is counted, at one moment.
type sample struct {
	at             time.Time
	client, broker Usage
	machine        time.Duration
	topics         map[string]int64 // bytes
	transitions    int
}

func (w *World) sample(ctx context.Context) (sample, error) {
	s := sample{at: time.Now(), transitions: w.watcher.count()}
	var err error
	if s.client, err = w.used(); err != nil {
		return s, err
	}
	if s.broker, err = UsageOf(w.brokerPID); err != nil {
		return s, err
	}
	if s.machine, err = MachineCPU(); err != nil {
		return s, err
	}
	s.topics, err = TopicBytes(ctx, w.admin)
	return s, err
}

func (s sample) backlogSince(before sample, events int) Backlog {
	took := s.at.Sub(before.at)
	client, broker := s.client.Since(before.client), s.broker.Since(before.broker)
	per := func(n float64) float64 { return n / float64(events) }
	byTopic, sum := map[string]float64{}, 0.0
	for topic, bytes := range s.topics {
		if grown := per(float64(bytes - before.topics[topic])); grown != 0 {
			byTopic[topic] = grown
			sum += grown
		}
	}
	return Backlog{
		Events:               events,
		Seconds:              took.Seconds(),
		EventsPerSecond:      float64(events) / took.Seconds(),
		Transitions:          s.transitions - before.transitions,
		ClientMicrosPerEvent: per(float64(client.CPU.Microseconds())),
		BrokerMicrosPerEvent: per(float64(broker.CPU.Microseconds())),
		TopicBytesPerEvent:   sum,
		ByTopic:              byTopic,
		DiskBytesPerEvent:    per(float64(client.Written + broker.Written)),
		OthersCPUs:           (s.machine - before.machine - client.CPU - broker.CPU).Seconds() / took.Seconds(),
	}
}
