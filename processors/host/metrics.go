package host

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kairos/topologies"
)

// metrics are what the host counts. Labels come from the topology and from
// stages' closed sets of reasons, never from data.
type metrics struct {
	in           *prometheus.CounterVec // by topic
	out          *prometheus.CounterVec // by topic
	dropped      *prometheus.CounterVec // by stage and reason
	letters      *prometheus.CounterVec // by stage
	errands      prometheus.Counter
	batch        prometheus.Histogram
	transactions prometheus.Histogram
	aborted      prometheus.Counter
	steps        prometheus.Histogram
	recovery     prometheus.Histogram
	recordAge    prometheus.Histogram

	lag        *prometheus.GaugeVec // by topic
	behind     prometheus.Gauge
	partitions prometheus.Gauge
	age        prometheus.Gauge
	declared   prometheus.Gauge
	rows       prometheus.Gauge
	bytes      prometheus.Gauge
	due        prometheus.Gauge
	swept      prometheus.Gauge
	toSweep    prometheus.Gauge

	letterTopics map[string]string // topic -> stage
}

func newMetrics(registerer prometheus.Registerer, group topologies.Group) (*metrics, error) {
	var all []prometheus.Collector
	labels := prometheus.Labels{"group": group.Name}
	counters := func(name, help string, by ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels}, by)
		all = append(all, c)
		return c
	}
	gauges := func(name, help string, by ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, by)
		all = append(all, g)
		return g
	}
	histogram := func(name, help string, first, factor float64, count int) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, ConstLabels: labels, Buckets: prometheus.ExponentialBuckets(first, factor, count),
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour})
		all = append(all, h)
		return h
	}
	m := &metrics{
		in:           counters("kairos_host_records_in_total", "Records processed and committed, by input.", "topic"),
		out:          counters("kairos_host_records_out_total", "Records committed, by topic; tables and ticks included.", "topic"),
		dropped:      counters("kairos_host_drops_total", "Messages that changed nothing, by stage and reason.", "stage", "reason"),
		letters:      counters("kairos_host_dead_letters_total", "Dead letters committed, by stage.", "stage"),
		errands:      counters("kairos_host_errands_total", "Wakes and steps of sweeps processed and committed.").WithLabelValues(),
		aborted:      counters("kairos_host_aborts_total", "Times that open transactions failed and were done again.").WithLabelValues(),
		batch:        histogram("kairos_host_batch_messages", "Messages in one transaction.", 1, 4, 9),
		transactions: histogram("kairos_host_transaction_seconds", "From the first write of a batch to its commit.", 0.001, 2, 14),
		steps:        histogram("kairos_host_step_seconds", "Time that the steps of one batch took.", 0.0001, 4, 10),
		recovery:     histogram("kairos_host_recovery_seconds", "Time to recover the rows of partitions that came together.", 0.01, 3, 10),
		recordAge:    histogram("kairos_host_record_age_seconds", "From when the broker took the first record of a batch to its commit, for each partition.", 0.001, 2, 20),
		behind:       gauges("kairos_host_lag_seconds", "How long ago the broker took the first record that is not committed; 0: nothing waits.").WithLabelValues(),
		lag:          gauges("kairos_host_lag_records", "Records of an input that are not yet processed, in owned partitions.", "topic"),
		partitions:   gauges("kairos_host_partitions", "Partitions owned.").WithLabelValues(),
		declared:     gauges("kairos_host_topology_partitions", "Partitions that all processes of the group own together.").WithLabelValues(),
		age:          gauges("kairos_host_partition_time_age_seconds", "How far the oldest partition time is behind the clock.").WithLabelValues(),
		rows:         gauges("kairos_host_keys", "Keys with rows, in owned partitions.").WithLabelValues(),
		bytes:        gauges("kairos_host_state_bytes", "Bytes of rows and their keys, in owned partitions.").WithLabelValues(),
		due:          gauges("kairos_host_wakes_due", "Wakes that are due and have not run, at most a chunk of each partition.").WithLabelValues(),
		swept:        gauges("kairos_host_sweep_done_keys", "Keys that sweeps under way have visited.").WithLabelValues(),
		toSweep:      gauges("kairos_host_sweep_total_keys", "Keys that sweeps under way have to visit.").WithLabelValues(),
		letterTopics: map[string]string{},
	}
	for _, s := range group.Stages {
		m.letterTopics[topologies.DeadLetters(s.Word).Name] = s.Word
	}
	if registerer == nil {
		return m, nil
	}
	for _, c := range all {
		if err := registerer.Register(c); err != nil {
			return nil, fmt.Errorf("metrics: %w; give each host of a group a registry of its own, or labels of its own", err)
		}
	}
	return m, nil
}

// count adds what a committed batch did.
func (m *metrics) count(p *pending, now time.Time) {
	total := 0
	for _, s := range p.batch.shares {
		if !s.layer.oldest.IsZero() {
			m.recordAge.Observe(max(0, now.Sub(s.layer.oldest).Seconds()))
		}
		total += s.messages
		m.errands.Add(float64(s.errands))
		for topic, n := range s.read {
			m.in.WithLabelValues(topic).Add(float64(n))
		}
		for _, drop := range s.drops {
			m.dropped.WithLabelValues(drop.Stage, drop.Reason).Inc()
		}
	}
	m.batch.Observe(float64(total))
	byTopic := map[string]int{}
	for _, out := range p.outputs {
		byTopic[out.record.Topic]++
	}
	for topic, n := range byTopic {
		m.out.WithLabelValues(topic).Add(float64(n))
		if stage, ok := m.letterTopics[topic]; ok {
			m.letters.WithLabelValues(stage).Add(float64(n))
		}
	}
}

// measure shows the state after a turn.
func (r *run) measure(s Status) {
	m := r.metrics
	lag := map[string]int64{}
	var rows, due int
	var swept, total int64
	var age, behind float64
	var bytes int64
	for _, p := range s.Partitions {
		for topic, n := range p.Lag {
			lag[topic] += n
		}
		rows += p.Rows
		bytes += p.Bytes
		if !p.Oldest.IsZero() {
			behind = max(behind, r.config.Now().Sub(p.Oldest).Seconds())
		}
		due += p.Due
		if p.Time > 0 {
			age = max(age, r.config.Now().Sub(p.Time.Time()).Seconds())
		}
		for _, sweep := range p.Sweeps {
			if !sweep.Ended {
				swept, total = swept+sweep.Done, total+sweep.Total
			}
		}
	}
	for _, topic := range r.inputs {
		m.lag.WithLabelValues(topic).Set(float64(lag[topic]))
	}
	m.partitions.Set(float64(len(s.Partitions)))
	m.declared.Set(float64(r.config.Topology.PartitionsOf(r.config.Group.Inputs()[0])))
	m.rows.Set(float64(rows))
	m.bytes.Set(float64(bytes))
	m.behind.Set(behind)
	m.due.Set(float64(due))
	m.age.Set(age)
	m.swept.Set(float64(swept))
	m.toSweep.Set(float64(total))
}
