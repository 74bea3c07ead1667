package host_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestWhatHappensIsCounted(t *testing.T) {
	w := newWorld(t, toys(2, true))
	c := w.config("writer")
	registry := prometheus.NewRegistry()
	c.Registerer = registry
	h := w.start(c)
	w.write("a 1 pass=x wake=5", "b 2 drop", "c 3 refuse", "d 4 say=y")
	w.tick(10)
	w.drain(h)
	for name, want := range map[string]float64{
		"kairos_host_records_in_total":           4,
		"kairos_host_errands_total":              1,
		"kairos_host_drops_total":                2, // one dull, one refused
		"kairos_host_dead_letters_total":         1,
		"kairos_host_keys":                       3,
		"kairos_host_lag_records":                0,
		"kairos_host_partitions":                 2,
		"kairos_host_topology_partitions":        2,
		"kairos_host_wakes_due":                  0,
		"kairos_host_aborts_total":               0,
		"kairos_host_sweep_total_keys":           0,
		"kairos_host_lag_seconds":                0,
		"kairos_host_state_bytes":                -1, // any
		"kairos_host_record_age_seconds":         -1,
		"kairos_host_partition_time_age_seconds": -1,
		"kairos_host_recovery_seconds":           -1,
		"kairos_host_batch_messages":             -1,
		"kairos_host_transaction_seconds":        -1,
		"kairos_host_step_seconds":               -1,
	} {
		got, ok := sum(t, registry, name)
		if !ok || want >= 0 && got != want {
			t.Errorf("%s is %v (there: %v), want %v", name, got, ok, want)
		}
	}
}

// Histograms are native ones too, for Prometheus that take them: their buckets
// need nobody to have guessed how slow things would be.
func TestHistogramsAreNativeToo(t *testing.T) {
	w := newWorld(t, toys(1, true))
	c := w.config("writer")
	registry := prometheus.NewRegistry()
	c.Registerer = registry
	h := w.start(c)
	w.write("a 1 pass=x")
	w.drain(h)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	histograms := 0
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if found := m.GetHistogram(); found != nil {
				histograms++
				if found.Schema == nil || len(found.GetBucket()) == 0 {
					t.Errorf("%s is not both", family.GetName())
				}
			}
		}
	}
	if histograms < 5 {
		t.Errorf("%d histograms only", histograms)
	}
}

// sum adds the values of a metric over its labels.
func sum(t testing.TB, registry *prometheus.Registry, name string) (total float64, ok bool) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			total += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
		return total, true
	}
	return 0, false
}
