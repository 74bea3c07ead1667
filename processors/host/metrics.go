package host

import "github.com/prometheus/client_golang/prometheus"

// metrics are what the host counts. Labels come from the topology and from
// stages' closed sets of reasons, never from data.
type metrics struct {
	in           *prometheus.CounterVec
	out          *prometheus.CounterVec
	dropped      *prometheus.CounterVec
	batch        prometheus.Histogram
	transactions prometheus.Histogram
	aborted      prometheus.Counter
	steps        prometheus.Histogram
	recovery     prometheus.Histogram
	lag          *prometheus.GaugeVec
}

func newMetrics(registerer prometheus.Registerer, group string) (*metrics, error) {
	constant := prometheus.Labels{"group": group}
	m := &metrics{
		in:           prometheus.NewCounterVec(prometheus.CounterOpts{Name: "kairos_host_messages_total", Help: "Records, wakes and sweep steps processed.", ConstLabels: constant}, []string{"partition"}),
		out:          prometheus.NewCounterVec(prometheus.CounterOpts{Name: "kairos_host_records_total", Help: "Records written, by topic.", ConstLabels: constant}, []string{"topic"}),
		dropped:      prometheus.NewCounterVec(prometheus.CounterOpts{Name: "kairos_host_drops_total", Help: "Messages that changed nothing, by stage and reason.", ConstLabels: constant}, []string{"stage", "reason"}),
		batch:        prometheus.NewHistogram(prometheus.HistogramOpts{Name: "kairos_host_batch_messages", Help: "Messages of one partition in one transaction.", ConstLabels: constant, Buckets: prometheus.ExponentialBuckets(1, 4, 8)}),
		transactions: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "kairos_host_transaction_seconds", Help: "Time to write and commit a batch.", ConstLabels: constant, Buckets: prometheus.ExponentialBuckets(0.001, 2, 14)}),
		aborted:      prometheus.NewCounter(prometheus.CounterOpts{Name: "kairos_host_aborted_transactions_total", Help: "Transactions that failed and were done again.", ConstLabels: constant}),
		steps:        prometheus.NewHistogram(prometheus.HistogramOpts{Name: "kairos_host_step_seconds", Help: "Time that the steps of a batch took.", ConstLabels: constant, Buckets: prometheus.ExponentialBuckets(0.0001, 4, 10)}),
		recovery:     prometheus.NewHistogram(prometheus.HistogramOpts{Name: "kairos_host_recovery_seconds", Help: "Time to recover the rows of gained partitions.", ConstLabels: constant, Buckets: prometheus.ExponentialBuckets(0.01, 3, 10)}),
		lag:          prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "kairos_host_lag_records", Help: "Records of an input that are not yet processed.", ConstLabels: constant}, []string{"topic"}),
	}
	if registerer == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.in, m.out, m.dropped, m.batch, m.transactions, m.aborted, m.steps, m.recovery, m.lag} {
		if err := registerer.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// count adds what a committed share did.
func (m *metrics) count(s *share) {
	m.batch.Observe(float64(s.messages))
	for _, out := range s.records {
		m.out.WithLabelValues(out.record.Topic).Inc()
	}
	for _, drop := range s.drops {
		m.dropped.WithLabelValues(drop.Stage, drop.Reason).Inc()
	}
}
