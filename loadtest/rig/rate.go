package rig

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
	OthersCPUs           float64 `json:"others_cpus"` // kept busy by what was not measured, feeder and reader included
}

// every so many events one is a beacon.
const everyBeacon = 5

// KeepUp feeds events at a rate for a time.
func (w *World) KeepUp(ctx context.Context, rate int, length time.Duration) (Rate, error) {
	ctx, cancel := context.WithTimeout(ctx, length+w.Patience)
	defer cancel()
	events := int(length.Seconds() * float64(rate))
	return w.keepUp(ctx, rate, func(i int) bool {
		w.Bar.Show("at a fixed rate", int64(i), int64(events))
		return i < events
	})
}

// KeepUpWhile feeds events at a rate while more, which is asked before each of
// them, says so.
func (w *World) KeepUpWhile(ctx context.Context, rate int, more func() bool) (Rate, error) {
	ctx, cancel := context.WithTimeout(ctx, w.Patience)
	defer cancel()
	return w.keepUp(ctx, rate, func(int) bool { return ctx.Err() == nil && more() })
}

// keepUp feeds events at a rate. An event's time runs from when it was due, not
// from when it was sent: a feeder that is held up must not make kairos look
// quick.
func (w *World) keepUp(ctx context.Context, rate int, more func(fed int) bool) (Rate, error) {
	before, err := w.sample(ctx)
	if err != nil {
		return Rate{}, err
	}
	due := map[string]time.Time{}
	start, events := time.Now(), 0
	for ; more(events); events++ {
		at := start.Add(time.Duration(events) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(at))
		if events%everyBeacon != 0 {
			err = w.feeder.feed(ctx, w.next(schemas.InstantOf(time.Now())))
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
	client, broker := after.client.Since(before.client), after.broker.Since(before.broker)
	return Rate{
		EventsPerSecond: rate, Sent: float64(events) / sending.Seconds(), Seconds: sending.Seconds(), Beacons: len(took),
		P50: Percentile(took, 0.5), P99: Percentile(took, 0.99), P999: Percentile(took, 0.999), Max: Percentile(took, 1),
		ClientMicrosPerEvent: float64(client.CPU.Microseconds()) / float64(events),
		BrokerMicrosPerEvent: float64(broker.CPU.Microseconds()) / float64(events),
		OthersCPUs:           (after.machine - before.machine - client.CPU - broker.CPU).Seconds() / sending.Seconds(),
	}, nil
}

// timed is how long each beacon took, sorted.
func (w *World) timed(ctx context.Context, due map[string]time.Time) ([]time.Duration, error) {
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

// Percentile is the nearest rank, in milliseconds.
func Percentile(sorted []time.Duration, p float64) float64 {
	rank := int(math.Ceil(p * float64(len(sorted))))
	return float64(sorted[rank-1].Microseconds()) / 1000
}
