package pipeline

import (
	"fmt"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"kairos/processors/host"
	"kairos/schemas"
	"kairos/topologies"
)

// sizes is the metric of how many people are in each audience, in the
// partitions of this process: the sum over processes is the size. It counts
// the rows of segment when a partition comes, and transitions from then on.
type sizes struct {
	logger *slog.Logger
	metric *prometheus.Desc
	mutex  sync.Mutex
	counts map[int32]map[string]int // by partition, then audience
}

func newSizes(logger *slog.Logger) *sizes {
	return &sizes{
		logger: logger, counts: map[int32]map[string]int{},
		metric: prometheus.NewDesc("kairos_audience_members", "People in an audience, in owned partitions.", []string{"audience"}, nil),
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
	scan(topologies.SegmentTable.Name, func(key string, encoded []byte) {
		err := schemas.MembersOf(encoded, func(audience []byte) {
			n := found[string(audience)] // without a copy of the name
			if n == nil {
				n = new(int)
				found[string(audience)] = n
			}
			*n++
		})
		if err != nil {
			s.logger.Error("a row is missing in the sizes of audiences, or a part of it", "key", key, "error", err)
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
	t, err := schemas.TransitionCodec.Decode(value)
	if err != nil { // a tick, or a record that readers outside cannot read either
		return
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
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
	for audience, n := range all {
		metrics <- prometheus.MustNewConstMetric(s.metric, prometheus.GaugeValue, float64(n), audience)
	}
}
