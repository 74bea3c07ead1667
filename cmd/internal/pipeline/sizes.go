package pipeline

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"kairos/processors/host"
	"kairos/schemas"
	"kairos/topologies"
)

// sizes is the metric of how many people are in each audience, in the
// partitions of this process: the sum over processes is the size. It counts
// the rows of segment when a partition comes, and transitions from then on. The
// largest have a label of their own, the others one together, so that ten thousand
// audiences are no ten thousand series; the sum of all is always that of all. Since
// people are dealt out evenly, what is large is large everywhere.
type sizes struct {
	logger *slog.Logger
	metric *prometheus.Desc
	mutex  sync.Mutex
	counts map[int32]map[string]int // by partition, then audience
	room   schemas.Room[schemas.Transition]
}

// Labels of the metric.
const (
	named  = 200        // audiences that have one of their own
	others = "(others)" // of the rest; no audience can be called so
)

func newSizes(logger *slog.Logger) *sizes {
	return &sizes{
		logger: logger, counts: map[int32]map[string]int{},
		metric: prometheus.NewDesc("kairos_audience_members", fmt.Sprintf("People in an audience, in owned partitions: of the %d largest, and of all %s together.", named, others), []string{"audience"}, nil),
	}
}

func watchSizes(c Config) (host.Watcher, error) {
	s := newSizes(c.Logger)
	if c.Registry != nil {
		if err := c.Registry.Register(s); err != nil {
			return nil, fmt.Errorf("metric of audience sizes: %w", err)
		}
	}
	return s, nil
}

// Recovered implements [kairos/processors/host.Watcher].
func (s *sizes) Recovered(partition int32, scan func(table string, f func(key string, row []byte))) {
	found := map[string]*int{}
	scan(topologies.SegmentTable.Name, func(_ string, encoded []byte) {
		err := schemas.MembersOf(encoded, func(audience []byte) {
			n := found[string(audience)] // without a copy of the name
			if n == nil {
				n = new(int)
				found[string(audience)] = n
			}
			*n++
		})
		if err != nil {
			s.logger.Error("a row is missing in the sizes of audiences, or a part of it", "partition", partition, "error", err)
		}
	})
	counts := make(map[string]int, len(found))
	for audience, n := range found {
		counts[audience] = *n
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.counts[partition] = counts
}

// Committed implements [kairos/processors/host.Watcher].
func (s *sizes) Committed(partition int32, topic string, value []byte) {
	if topic != topologies.Transitions.Name {
		return
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	t, err := schemas.TransitionCodec.DecodeIn(&s.room, value)
	if err != nil { // a tick, or a record that readers outside cannot read either
		return
	}
	if counts := s.counts[partition]; counts != nil && t.Entered {
		counts[t.Audience]++
	} else if counts != nil {
		counts[t.Audience]--
	}
}

// Lost implements [kairos/processors/host.Watcher].
func (s *sizes) Lost(partition int32) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	delete(s.counts, partition)
}

// Describe implements [prometheus.Collector].
func (s *sizes) Describe(metrics chan<- *prometheus.Desc) { metrics <- s.metric }

// Collect implements [prometheus.Collector].
func (s *sizes) Collect(metrics chan<- prometheus.Metric) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	all := map[string]int{}
	for _, counts := range s.counts {
		for audience, n := range counts {
			all[audience] += n
		}
	}
	for audience, n := range largest(all) {
		metrics <- prometheus.MustNewConstMetric(s.metric, prometheus.GaugeValue, float64(n), audience)
	}
}

// largest puts all together that are not among the largest; of those of a size,
// the first by name count as larger.
func largest(all map[string]int) map[string]int {
	if len(all) <= named {
		return all
	}
	names := slices.SortedFunc(maps.Keys(all), func(a, b string) int { return cmp.Or(cmp.Compare(all[b], all[a]), cmp.Compare(a, b)) })
	few := map[string]int{}
	for i, name := range names {
		if i >= named {
			few[others] += all[name]
			continue
		}
		few[name] = all[name]
	}
	return few
}
