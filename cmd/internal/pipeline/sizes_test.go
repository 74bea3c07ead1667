package pipeline

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// gathered reads the metric as Prometheus would.
func gathered(t *testing.T, s *sizes) map[string]int {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(s)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, m := range families[0].GetMetric() {
		found[m.GetLabel()[0].GetValue()] = int(m.GetGauge().GetValue())
	}
	return found
}

func TestTenThousandAudiencesAreFewSeriesThatAddUp(t *testing.T) {
	s, sum := newSizes(slog.New(slog.DiscardHandler)), 0
	for partition := range int32(2) {
		counts := map[string]int{}
		for n := range 10_000 {
			counts[fmt.Sprintf("a%05d", n)] = n
			sum += n
		}
		s.counts[partition] = counts
	}
	all := gathered(t, s)
	if len(all) != named+1 {
		t.Errorf("%d series", len(all))
	}
	for n := 10_000 - named; n < 10_000; n++ {
		name := fmt.Sprintf("a%05d", n)
		if all[name] != 2*n {
			t.Errorf("%s has %d people, want %d", name, all[name], 2*n)
		}
	}
	for _, n := range all {
		sum -= n
	}
	if sum != 0 {
		t.Errorf("%d people are missing", sum)
	}
}

func TestAudiencesThatAreNotManyHaveANameEach(t *testing.T) {
	s, counts := newSizes(slog.New(slog.DiscardHandler)), map[string]int{}
	for n := range named {
		counts[fmt.Sprintf("a%05d", n)] = n
	}
	s.counts[0] = counts
	if all := gathered(t, s); len(all) != named || all[others] != 0 {
		t.Errorf("%d series, %d people in no audience's", len(all), all[others])
	}
}
