package capacity

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"kairos/processors/host"
)

// Skew is how unequal partitions are if the k-th of the people by their events
// has 1/k^exponent as many as the first.
type Skew struct {
	Exponent    float64 `json:"exponent"`
	Busiest     float64 `json:"busiest_partition"` // its part of the mean: 1 is equal
	Ninetyninth float64 `json:"p99_partition"`
	Least       float64 `json:"least_partition"`
	Process     float64 `json:"busiest_process"`          // likewise, with equally many partitions each
	Hottest     float64 `json:"hottest_person"`           // part of all events that are of one person
	Core        float64 `json:"core_of_busiest"`          // that the busiest partition keeps busy: above 1 it falls behind
	Bearable    float64 `json:"events_per_second_at_one"` // of all, at which it would be 1
}

// exponents are shown besides the one that was asked for: from nearly equal
// people to a few bots that make most of it.
var exponents = []float64{0.5, 0.8, 1, 1.2}

// placed is how many people are put into their partitions one by one. All the
// others together are spread evenly: each of them weighs too little to show.
const placed = 100_000

// places are the partitions of those whose keys are looked at, by the host's own
// partitioner.
func places(p Plan) []int32 {
	all := make([]int32, int(min(p.Load.People, placed)))
	partition := host.Partitioner()
	for i := range all {
		all[i] = partition([]byte("person-"+strconv.Itoa(i+1)), int32(p.Partitions))
	}
	return all
}

// skew is how unequal partitions are with the most active people at places.
func skew(p Plan, places []int32, exponent float64) Skew {
	partitions := int(p.Partitions)
	load := make([]float64, partitions)
	var all, first float64
	for k, partition := range places {
		weight := math.Pow(float64(k+1), -exponent)
		all += weight
		load[partition] += weight
		first = max(first, weight)
	}
	rest := tail(float64(len(places)), p.Load.People, exponent)
	all += rest
	mean := all / float64(partitions)
	for i := range load {
		load[i] = (load[i] + rest/float64(partitions)) / mean
	}
	byProcess := make([]float64, int(p.Processes))
	for i, l := range load {
		byProcess[i%len(byProcess)] += l
	}
	s := Skew{Exponent: exponent, Hottest: first / all, Process: slices.Max(byProcess) / (float64(partitions) / p.Processes)}
	slices.Sort(load)
	s.Least, s.Busiest, s.Ninetyninth = load[0], load[partitions-1], load[int(math.Ceil(0.99*float64(partitions)))-1]
	s.Core = p.Load.Events / float64(partitions) * s.Busiest * p.MicrosPerEvent / 1e6
	s.Bearable = p.Load.Events / s.Core
	return s
}

// tail is about the sum of 1/k^exponent for k above one number up to another.
func tail(above, upTo, exponent float64) float64 {
	from, to := above+0.5, upTo+0.5
	if to <= from {
		return 0
	}
	if exponent == 1 {
		return math.Log(to / from)
	}
	return (math.Pow(to, 1-exponent) - math.Pow(from, 1-exponent)) / (1 - exponent)
}

// skews are the usual ones and the one that was asked for.
func skews(p Plan) []Skew {
	asked := append([]float64{p.Load.Skew}, exponents...)
	slices.Sort(asked)
	var all []Skew
	at := places(p)
	for _, exponent := range slices.Compact(asked) {
		all = append(all, skew(p, at, exponent))
	}
	return all
}

// asked is the one that was asked for.
func (p Plan) asked() Skew {
	i := slices.IndexFunc(p.Skews, func(s Skew) bool { return s.Exponent == p.Load.Skew })
	return p.Skews[i]
}

// busiest is the limit that more brokers and processes do not lift.
func (p Plan) busiest() Limit {
	s := p.asked()
	lift := fmt.Sprintf("more partitions: they halve it each time they double, until one person is most of it (%.1f %% of all events are the first's)", 100*s.Hottest)
	if s.Hottest*p.Partitions > s.Busiest/2 {
		lift = fmt.Sprintf("a bound at the door on one identifier's events: %.1f %% of all are one person's, whom no number of partitions divides", 100*s.Hottest)
	}
	return Limit{"core of the busiest partition", s.Core,
		fmt.Sprintf("%.1f times the mean of %s events/s", s.Busiest, count(p.Load.Events/p.Partitions)), lift}
}
