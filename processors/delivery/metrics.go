package delivery

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	results *prometheus.CounterVec
	retries *prometheus.CounterVec
	age     prometheus.Gauge
}

func newMetrics(registry prometheus.Registerer, destination string) (*metrics, error) {
	m := &metrics{
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kairos_delivery_total", Help: "Activations, by destination (those of files as NAME/files) and by what became of them: delivered, unaddressed, superseded by the record behind it, or a dead letter's reason.",
		}, []string{"destination", "result"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kairos_delivery_retries_total", Help: "Requests that failed and were tried again, by destination.",
		}, []string{"destination"}),
		age: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "kairos_delivery_age_seconds", Help: "How long ago the oldest was said that waits for its destination, not for itself; 0: nothing waits.",
			ConstLabels: prometheus.Labels{"destination": destination},
		}),
	}
	if registry == nil {
		return m, nil
	}
	var twice prometheus.AlreadyRegisteredError
	for _, vec := range []**prometheus.CounterVec{&m.results, &m.retries} {
		if err := registry.Register(*vec); errors.As(err, &twice) { // of another destination
			*vec = twice.ExistingCollector.(*prometheus.CounterVec)
		} else if err != nil {
			return nil, err
		}
	}
	return m, registry.Register(m.age)
}
