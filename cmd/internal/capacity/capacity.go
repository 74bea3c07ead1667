// Package capacity turns what was measured on one machine into what a cluster
// needs.
//
// In: how much there is to do. Out: cores, memory, partitions, disk and network,
// each with what it was computed from. Laws: pure; every figure is a measured
// one times what was asked for, or an assumption that is printed.
//
// Not here: measuring (loadtest/load, loadtest/scale, loadtest/bench).
package capacity

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"

	"kairos/processors/host"
)

//go:embed measured.json
var measuredJSON []byte

// Measured is the cost of one event, one person and one audience.
type Measured struct {
	Source               string  `json:"source"`
	ClientMicros         float64 `json:"client_us_per_event"` // all stages in one process, with so many audiences touched:
	Touched              float64 `json:"touched_per_event"`
	MicrosPerTouched     float64 `json:"us_per_audience_touched"` // each one more
	TouchedPerAudience   float64 `json:"touched_per_audience"`    // defined, where most are about one product
	PeoplePerCore        float64 `json:"people_per_core"`         // whose events these were
	MorePerTenfold       float64 `json:"more_per_tenfold_people"` // a part of the cost, for each ten times as many people a core
	GrowthSource         string  `json:"growth_source"`
	BrokerMicros         float64 `json:"broker_us_per_event"`  // one replica
	Bytes                float64 `json:"bytes_per_event"`      // added to all topics and tables, compressed, one replica
	DoorBytes            float64 `json:"door_bytes_per_event"` // of these in the log of events, which is kept longest
	HeapBytesPerPerson   float64 `json:"heap_bytes_per_person"`
	HeapBytesPerAudience float64 `json:"heap_bytes_per_audience"`
	RecoverySource       string  `json:"recovery_source"`
	PeoplePerSecond      float64 `json:"people_recovered_per_second"` // by one process that has lost its disk
}

// Load is what there is to do.
type Load struct {
	Events      float64 `json:"events_per_second"`
	People      float64 `json:"people"`
	Audiences   float64 `json:"audiences"`
	Touched     float64 `json:"audiences_touched_per_event"` // 0: as measured with so many audiences
	Replicas    float64 `json:"replicas"`
	Utilisation float64 `json:"utilisation"` // of cores; the rest is for peaks, restarts and growth
	CoresEach   float64 `json:"cores_per_process"`
	DaysOfLog   float64 `json:"days_of_log"` // of events
	Partitions  float64 `json:"partitions"`  // 0: as many as it takes
	Skew        float64 `json:"skew"`        // the k-th of the people has 1/k^Skew of the first's events
}

// Plan is what that takes.
type Plan struct {
	Load            Load     `json:"load"`
	MicrosPerEvent  float64  `json:"client_us_per_event"`
	Cores           float64  `json:"cores"`
	Processes       float64  `json:"processes"`
	MemoryEach      float64  `json:"bytes_of_memory_per_process"`
	Partitions      float64  `json:"partitions"`
	RowsEach        float64  `json:"rows_per_partition"`
	RecoverySeconds float64  `json:"seconds_to_recover_a_process"`
	BrokerCores     float64  `json:"broker_cores"`
	NetworkIn       float64  `json:"bytes_per_second_to_brokers"`
	NetworkOut      float64  `json:"bytes_per_second_from_brokers"`
	LogBytes        float64  `json:"bytes_of_event_log"`
	StateBytes      float64  `json:"bytes_of_tables"`
	Assumptions     []string `json:"assumptions"`
	Limits          []Limit  `json:"limits"` // the nearest first

	Skews      []Skew      `json:"skews"`
	Rebalances []Rebalance `json:"rebalances"`
}

// What is not measured here, but known or chosen.
const (
	heapSlack        = 2.0    // what a process resides in, per byte alive
	baseMemory       = 512e6  // of a process without people
	mostRows         = 2e6    // of one partition: two seconds
	stateSlack       = 2.0    // a compacted topic holds, per byte alive
	partitionsBroker = 4_000  // replicas that one broker carries without ado
	partitionsMost   = 10_000 // that a topology takes
	mostPartitions   = 100_000
	coresBroker      = 16.0   // of one
	diskBroker       = 20e12  // bytes
	networkBroker    = 1.25e9 // bytes a second: 10 Gbit/s
	memoryProcess    = 64e9   // of one machine
	topicsPartition  = 12.0   // keyed topics and tables, each with as many partitions
	secondsOfDay     = 86_400.0
)

// Default is a load that says nothing of its own.
func Default() Load {
	return Load{Replicas: 3, Utilisation: 0.6, CoresEach: 8, DaysOfLog: 400, Skew: 0.8}
}

// Read is what was measured.
func Read() (m Measured, err error) {
	if err := json.Unmarshal(measuredJSON, &m); err != nil {
		return m, fmt.Errorf("capacity: measured.json: %w", err)
	}
	return m, nil
}

// Validate says what is wrong with l and what to do about it.
func (l Load) Validate() error {
	switch {
	case !(l.Events > 0) || !(l.People > 0):
		return fmt.Errorf("%g events a second of %g people: give some of both", l.Events, l.People)
	case l.Audiences < 0 || l.Touched < 0 || l.DaysOfLog < 0:
		return fmt.Errorf("audiences, audiences touched and days of log cannot be negative")
	case !(l.Replicas >= 1) || !(l.CoresEach >= 1):
		return fmt.Errorf("%g replicas and processes of %g cores: give at least one of each", l.Replicas, l.CoresEach)
	case !(l.Utilisation > 0 && l.Utilisation <= 1):
		return fmt.Errorf("utilisation is %g: it is within 0 and 1", l.Utilisation)
	case !(l.Skew >= 0 && l.Skew <= 3):
		return fmt.Errorf("skew is %g: it is within 0 and 3", l.Skew)
	case l.Partitions < 0 || l.Partitions > mostPartitions || l.Partitions != math.Trunc(l.Partitions):
		return fmt.Errorf("%g partitions: give a whole number up to %d, or 0 for as many as it takes", l.Partitions, mostPartitions)
	}
	return nil
}

// Compute is what a load takes, by what was measured.
func Compute(m Measured, l Load) (Plan, error) {
	if l.Touched == 0 {
		l.Touched = max(m.Touched, l.Audiences*m.TouchedPerAudience)
	}
	p := Plan{Load: l}
	p.MicrosPerEvent, p.Cores = work(m, l)
	p.BrokerCores = math.Ceil(l.Events * m.BrokerMicros * l.Replicas / 1e6 / l.Utilisation)
	rows := l.People * m.HeapBytesPerPerson * heapSlack
	byCores, byMemory := p.Cores/l.CoresEach, rows/(memoryProcess-baseMemory)
	p.Processes = math.Ceil(max(byCores, byMemory, 1))
	p.MemoryEach = baseMemory + rows/p.Processes + l.Audiences*m.HeapBytesPerAudience*heapSlack
	if p.Partitions = l.Partitions; p.Partitions == 0 {
		p.Partitions = multiple(max(2*p.Processes*l.CoresEach, l.People/mostRows), p.Processes)
	}
	p.RowsEach = l.People / p.Partitions
	p.RecoverySeconds = l.People / p.Processes / m.PeoplePerSecond
	p.NetworkIn = l.Events * m.Bytes * l.Replicas
	p.NetworkOut = l.Events * m.Bytes * l.Replicas // followers, and what the stages read again
	p.LogBytes = l.Events * m.DoorBytes * l.Replicas * secondsOfDay * l.DaysOfLog
	p.StateBytes = l.People * m.HeapBytesPerPerson * l.Replicas * stateSlack
	p.Skews = skews(p)
	var err error
	if p.Rebalances, err = rebalances(m, p); err != nil {
		return p, err
	}
	p.Assumptions = assumptions(m, p)
	p.Limits = limits(p)
	return p, nil
}

// work is what an event takes, and the cores for all of them: on more cores each has
// fewer people, whose events cost less.
func work(m Measured, l Load) (micros, cores float64) {
	base := m.ClientMicros + m.MicrosPerTouched*max(0, l.Touched-m.Touched)
	micros = base
	for range 20 { // each step comes three times as near, at least
		cores = math.Ceil(l.Events * micros / 1e6 / l.Utilisation)
		micros = base * (1 + m.MorePerTenfold*max(0, math.Log10(l.People/max(1, cores)/m.PeoplePerCore)))
	}
	return micros, cores
}

// multiple is the first multiple of step that is not below n.
func multiple(n, step float64) float64 { return math.Ceil(n/step) * step }

func assumptions(m Measured, p Plan) []string {
	l := p.Load
	return []string{
		"measured: " + m.Source,
		fmt.Sprintf("a process that has lost its disk reads the rows of %s people a second, all it knows of them: %s; eight cores would be quicker", count(m.PeoplePerSecond), m.RecoverySource),
		fmt.Sprintf("the k-th of the people has 1/k^%g of the first's events; a partition is worked by one core; keys go where the host sends them, %s of them one by one and the rest evenly", l.Skew, count(min(l.People, placed))),
		fmt.Sprintf("partitions move as the host's own balancer moves them; members are static, a dead one is noticed after %.0f s", host.DefaultConfig().SessionTimeout.Seconds()),
		fmt.Sprintf("an event touches %.1f audiences; each beyond %.1f costs %.2f us", l.Touched, m.Touched, m.MicrosPerTouched),
		fmt.Sprintf("with ten times as many people a core an event costs %.0f %% more, from %s on: %s", 100*m.MorePerTenfold, count(m.PeoplePerCore), m.GrowthSource),
		fmt.Sprintf("cost per event does not change with the number of partitions or processes (not measured beyond this machine); cores are %.0f %% busy", 100*l.Utilisation),
		"a follower's append costs a broker as much as a leader's",
		fmt.Sprintf("all rows rest in memory, %.1f KB alive a person, and a process resides in %.0f times that", m.HeapBytesPerPerson/1e3, heapSlack),
		"a table on Kafka is as large as its rows in memory, twice between compactions",
		"two partitions a core, at most two million rows in one, if it is not said how many",
		"sizes are those of an invented shop, written in large batches that compress well: larger events cost more bytes and some CPU, a quiet log of small batches up to four times the bytes",
	}
}
