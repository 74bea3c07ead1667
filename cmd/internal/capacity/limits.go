package capacity

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Limit is something that ends, and what lifts it.
type Limit struct {
	What  string  `json:"what"`
	Used  float64 `json:"used"` // of what there is: above 1 it has broken
	Shape string  `json:"shape"`
	Lift  string  `json:"lift"`
}

// limits are what breaks, first things first. Brokers and processes can be
// added, so that what counts is what adding them does not help.
func limits(p Plan) []Limit {
	l := p.Load
	brokers := math.Ceil(max(p.BrokerCores/coresBroker, (p.NetworkIn+p.NetworkOut)/networkBroker, l.Replicas))
	replicas := p.Partitions * topicsPartition * l.Replicas
	all := []Limit{
		p.busiest(),
		{
			"disk of a broker", (p.LogBytes + p.StateBytes) / brokers / diskBroker,
			fmt.Sprintf("%s on each of %.0f", bytes((p.LogBytes+p.StateBytes)/brokers), brokers),
			fmt.Sprintf("tiered storage, or fewer days of events: %s are written a day; tables need no log, audiences that look back further than it do", bytes(p.LogBytes/max(l.DaysOfLog, 1))),
		},
		{
			"partitions of a topology", p.Partitions / partitionsMost,
			fmt.Sprintf("%.0f of %d", p.Partitions, partitionsMost),
			"several topologies, people divided among them by the door, or fewer cores' worth of work an event",
		},
		{
			"replicas of partitions a broker", replicas / brokers / partitionsBroker,
			fmt.Sprintf("%.0f on each of %.0f brokers of %.0f cores", replicas/brokers, brokers, coresBroker),
			fmt.Sprintf("%.0f brokers, or stages chained in fewer topics", math.Ceil(replicas/partitionsBroker)),
		},
		{
			"memory of a process", p.MemoryEach / memoryProcess,
			fmt.Sprintf("%.0f GB of %.0f", p.MemoryEach/1e9, memoryProcess/1e9),
			"more processes; or rows that have rested for long on disk alone (not built)",
		},
		{
			"recovery of a process that lost its disk", p.RecoverySeconds / 60,
			fmt.Sprintf("%.0f s of a minute", p.RecoverySeconds),
			"more, smaller processes; or standby replicas (not built)",
		},
		{
			"one group's members", p.Processes / 1_000,
			fmt.Sprintf("%.0f of about 1000", p.Processes),
			"larger processes: a rebalance is one exchange with every member",
		},
	}
	slices.SortStableFunc(all, func(a, b Limit) int { return -cmp.Compare(a.Used, b.Used) })
	return all
}
