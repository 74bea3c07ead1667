package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"kairos/loadtest/binary"
	"kairos/loadtest/rig"
	"kairos/schemas"
)

// keepUp feeds events at a rate and times those that somebody enters or leaves
// an audience by. An event's time runs from when it was due, not from when it
// was sent: a feeder that is held up must not make anybody look quick.
func (s *stage) keepUp(ctx context.Context, c *config, who peer, p *binary.Process, l *listener, rate int, bar *rig.Bar) (r rig.Rate, err error) {
	before, err := s.look(ctx, p, who.group)
	if err != nil {
		return r, err
	}
	events, title := max(1, rate*c.seconds), fmt.Sprint(who.name, " at ", rate, "/s")
	l.time(events)
	due, start := make(map[string]time.Time, events), time.Now()
	for i := range events {
		bar.Show(title, int64(i), int64(events))
		at := start.Add(time.Duration(i) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(at))
		if err := ctx.Err(); err != nil {
			return r, err
		}
		now := schemas.InstantOf(time.Now())
		id, err := s.feeder.one(ctx, now, s.judge)
		if err != nil {
			return r, err
		}
		due[id] = at
		if i%rate == rate-1 || i == events-1 { // every second, as identity does
			if err := s.feeder.tick(ctx, now); err != nil {
				return r, err
			}
			s.end = now
		}
	}
	sending := time.Since(start)
	after, err := s.look(ctx, p, who.group)
	if err != nil {
		return r, err
	}
	all, err := s.records(ctx)
	if err != nil {
		return r, err
	}
	if _, err := s.await(ctx, p, who.group, func(now at) bool { return now.committed >= all }); err != nil {
		return r, err
	}
	if err := l.quiet(ctx, time.Second); err != nil {
		return r, err
	}
	var took []time.Duration
	for id, seen := range l.timed() {
		if at, ok := due[id]; ok {
			took = append(took, seen.Sub(at))
		}
	}
	if len(took) == 0 {
		return r, fmt.Errorf("%d events a second: nobody entered or left: raise -seconds", rate)
	}
	slices.Sort(took)
	client, broker := after.client.Since(before.client), after.broker.Since(before.broker)
	return rig.Rate{
		EventsPerSecond: rate, Sent: float64(events) / sending.Seconds(), Seconds: sending.Seconds(), Beacons: len(took),
		P50: rig.Percentile(took, 0.5), P99: rig.Percentile(took, 0.99), P999: rig.Percentile(took, 0.999), Max: rig.Percentile(took, 1),
		ClientMicrosPerEvent: float64(client.CPU.Microseconds()) / float64(events),
		BrokerMicrosPerEvent: float64(broker.CPU.Microseconds()) / float64(events),
		OthersCPUs:           (after.machine - before.machine - client.CPU - broker.CPU).Seconds() / sending.Seconds(),
	}, nil
}
