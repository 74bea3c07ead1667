package rig

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Idle is what goes on while nothing happens: kairos tells the time.
type Idle struct {
	Seconds      float64            `json:"seconds"`
	Transactions float64            `json:"transactions_per_second"`
	Records      float64            `json:"records_per_second"` // in all of kairos' topics, markers of transactions included
	ByTopic      map[string]float64 `json:"records_per_second_by_topic"`
	Bytes        float64            `json:"bytes_per_second"` // in all topics, Kafka's own included
	ClientCPUs   float64            `json:"client_cpus"`
	BrokerCPUs   float64            `json:"broker_cpus"`
	OthersCPUs   float64            `json:"others_cpus"` // kept busy by what was not measured
}

// Rest looks on for a time, and feeds nothing.
func (w *World) Rest(ctx context.Context, length time.Duration) (i Idle, err error) {
	before, err := w.glance(ctx)
	if err != nil {
		return i, err
	}
	for begun := time.Now(); time.Since(begun) < length; {
		w.Bar.Show("at rest", int64(time.Since(begun)/time.Second), int64(length/time.Second))
		if err := w.pause(ctx); err != nil {
			return i, err
		}
	}
	after, err := w.glance(ctx)
	if err != nil {
		return i, err
	}
	i.Seconds, i.ByTopic = after.at.Sub(before.at).Seconds(), map[string]float64{}
	per := func(n int64) float64 { return float64(n) / i.Seconds }
	client, broker := after.client.Since(before.client).CPU, after.broker.Since(before.broker).CPU
	i.Transactions = per(after.commits - before.commits)
	i.ClientCPUs, i.BrokerCPUs = client.Seconds()/i.Seconds, broker.Seconds()/i.Seconds
	i.OthersCPUs = (after.machine - before.machine - client - broker).Seconds() / i.Seconds
	for topic, end := range after.ends {
		if n := per(end - before.ends[topic]); n != 0 {
			i.ByTopic[topic] = n
			i.Records += n
		}
	}
	for topic, bytes := range after.topics {
		i.Bytes += per(bytes - before.topics[topic])
	}
	return i, nil
}

// glance is a sample, with how much lies in kairos' topics.
type glance struct {
	sample
	ends    map[string]int64 // offsets, of all partitions together
	commits int64
}

func (w *World) glance(ctx context.Context) (g glance, err error) {
	if g.sample, err = w.sample(ctx); err != nil {
		return g, err
	}
	listed, err := w.admin.ListEndOffsets(ctx)
	if err = errors.Join(err, listed.Error()); err != nil {
		return g, fmt.Errorf("ends of topics: %w", err)
	}
	g.ends = map[string]int64{}
	for topic, partitions := range listed {
		for _, p := range partitions {
			if strings.HasPrefix(topic, "kairos.") {
				g.ends[topic] += p.Offset
			}
		}
	}
	for _, r := range w.processes() {
		text, err := ask(ctx, r.rim, "/metrics")
		if err != nil {
			return g, err
		}
		n, err := metric(text, "kairos_host_transaction_seconds_count")
		if err != nil {
			return g, fmt.Errorf("%s: %w", r.name, err)
		}
		g.commits += n
	}
	return g, nil
}
