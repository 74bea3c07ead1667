package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"kairos/schemas"
)

// Rate is how kairos did while events came at a fixed rate.
type Rate struct {
	EventsPerSecond      int     `json:"events_per_second"`
	Sent                 float64 `json:"sent_per_second"` // what the feeder managed
	Seconds              float64 `json:"seconds"`
	Beacons              int     `json:"beacons"` // events whose transition was timed
	P50                  float64 `json:"p50_ms"`
	P99                  float64 `json:"p99_ms"`
	P999                 float64 `json:"p999_ms"`
	Max                  float64 `json:"max_ms"`
	ClientMicrosPerEvent float64 `json:"client_cpu_us_per_event"`
	BrokerMicrosPerEvent float64 `json:"broker_cpu_us_per_event"`
}

// every so many events one is a beacon.
const everyBeacon = 5

// keepUp feeds events at a rate. An event's time runs from when it was due, not
// from when it was sent: a feeder that is held up must not make kairos look
// quick.
func (w *world) keepUp(ctx context.Context, rate int, length time.Duration) (Rate, error) {
	ctx, cancel := context.WithTimeout(ctx, length+patience)
	defer cancel()
	before, err := w.sample(ctx)
	if err != nil {
		return Rate{}, err
	}
	due := map[string]time.Time{}
	start := time.Now()
	events := int(length.Seconds() * float64(rate))
	for i := range events {
		at := start.Add(time.Duration(i) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(at))
		if i%everyBeacon != 0 {
			err = w.feeder.feed(ctx, w.people.Next(schemas.InstantOf(time.Now())))
		} else {
			var id string
			id, err = w.light(ctx)
			due[id] = at
		}
		if err != nil {
			return Rate{}, err
		}
	}
	sending := time.Since(start)
	after, err := w.sample(ctx)
	if err != nil {
		return Rate{}, err
	}
	took, err := w.timed(ctx, due)
	if err != nil {
		return Rate{}, err
	}
	client, broker := after.client.since(before.client), after.broker.since(before.broker)
	return Rate{
		EventsPerSecond: rate, Sent: float64(events) / sending.Seconds(), Seconds: sending.Seconds(), Beacons: len(took),
		P50: percentile(took, 0.5), P99: percentile(took, 0.99), P999: percentile(took, 0.999), Max: percentile(took, 1),
		ClientMicrosPerEvent: float64(client.cpu.Microseconds()) / float64(events),
		BrokerMicrosPerEvent: float64(broker.cpu.Microseconds()) / float64(events),
	}, nil
}

// timed is how long each beacon took, sorted.
func (w *world) timed(ctx context.Context, due map[string]time.Time) ([]time.Duration, error) {
	ids := make([]string, 0, len(due))
	for id := range due {
		ids = append(ids, id)
	}
	seen, err := w.watcher.await(ctx, ids)
	if err != nil {
		return nil, errors.Join(err, w.alive())
	}
	var took []time.Duration
	for id, at := range due {
		took = append(took, seen[id].Sub(at))
	}
	if len(took) == 0 {
		return nil, fmt.Errorf("no beacon in so short a time: raise -seconds")
	}
	slices.Sort(took)
	return took, nil
}

// percentile is the nearest rank, in milliseconds.
func percentile(sorted []time.Duration, p float64) float64 {
	rank := int(math.Ceil(p * float64(len(sorted))))
	return float64(sorted[rank-1].Microseconds()) / 1000
}
