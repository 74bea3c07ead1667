package pipeline

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"

	"kairos/cmd/internal/cluster"
	"kairos/processors/host"
	"kairos/schemas"
	"kairos/topologies"
)

// Statuses says how each host is doing.
func (p *Pipeline) Statuses() []host.Status {
	all := make([]host.Status, len(p.hosts))
	for i, h := range p.hosts {
		all[i] = h.Status()
	}
	return all
}

// HoldSweeps makes the sweeps of all hosts stand still, or go on.
func (p *Pipeline) HoldSweeps(hold bool) {
	for _, h := range p.hosts {
		h.HoldSweeps(hold)
	}
}

// Ready says what is not ready yet; empty when every host owns partitions. A
// host publishes a partition once its rows are recovered.
func (p *Pipeline) Ready() string {
	var waiting []string
	for i, s := range p.Statuses() {
		if len(s.Partitions) == 0 {
			waiting = append(waiting, fmt.Sprintf("%s owns no partition yet", p.config.Groups[i].Name))
		}
	}
	return strings.Join(waiting, "; ")
}

// Time is the earliest time of any partition: everything accepted until then
// has been dealt with by all hosts of this process. 0: not known.
func (p *Pipeline) Time() schemas.Instant {
	earliest := schemas.Instant(0)
	for _, s := range p.Statuses() {
		if len(s.Partitions) < int(p.config.Topology.Config.Partitions) {
			return 0 // some are elsewhere, or nowhere yet
		}
		for _, partition := range s.Partitions {
			if partition.Time == 0 {
				return 0
			}
			if earliest == 0 || partition.Time < earliest {
				earliest = partition.Time
			}
		}
	}
	return earliest
}

// Settled reports whether nothing is left to do: the hosts of this process have
// done all that their inputs hold and all that time has brought, and meanwhile
// nothing came in. Only a process that runs all groups can say so.
func (p *Pipeline) Settled(ctx context.Context, client *cluster.Client) (bool, error) {
	before, err := p.ends(ctx, client)
	if err != nil || !p.idle(before) {
		return false, err
	}
	after, err := p.ends(ctx, client)
	return err == nil && reflect.DeepEqual(before, after) && p.idle(after), err
}

func (p *Pipeline) ends(ctx context.Context, client *cluster.Client) (kadm.ListedOffsets, error) {
	var inputs []string
	for _, g := range p.config.Groups {
		for _, topic := range g.Inputs() {
			inputs = append(inputs, topic.Name)
		}
	}
	ends, err := client.Admin().ListEndOffsets(ctx, inputs...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("find the ends of the inputs: %w", err)
	}
	return ends, nil
}

func (p *Pipeline) idle(ends kadm.ListedOffsets) bool {
	for i, h := range p.hosts {
		positions := h.Positions()
		for _, topic := range p.config.Groups[i].Inputs() {
			for partition, end := range ends[topic.Name] {
				if partition >= p.config.Topology.Config.Partitions {
					continue // does not count
				}
				if next, owned := positions[topic.Name][partition]; !owned || next < end.Offset {
					return false
				}
			}
		}
		for _, partition := range h.Status().Partitions {
			if partition.Due > 0 || partition.Waiting > 0 || partition.Telling {
				return false
			}
		}
	}
	return true
}

// Scan calls f for the committed rows of a table, wherever they lie in this
// process, until f returns false.
func (p *Pipeline) Scan(table string, f func(key string, row []byte) bool) error {
	for i, h := range p.hosts {
		for _, s := range p.config.Groups[i].Stages {
			if s.Table.Name == table {
				return h.Scan(table, "", f)
			}
		}
	}
	return fmt.Errorf("no host of this process has the table %s", table)
}

// Row is the committed row of a key, if its partition is in this process.
func (p *Pipeline) Row(_ context.Context, table topologies.Topic, key string) ([]byte, error) {
	for i, h := range p.hosts {
		for _, s := range p.config.Groups[i].Stages {
			if s.Table.Name == table.Name {
				return h.Row(table.Name, key)
			}
		}
	}
	return nil, fmt.Errorf("no host of this process has the table %s: %w", table.Name, host.ErrElsewhere)
}

// TimeOf is the time until which everything that concerns a key of a table has
// been dealt with; 0: not known here.
func (p *Pipeline) TimeOf(table, key string) schemas.Instant {
	for i, h := range p.hosts {
		if !slices.ContainsFunc(p.config.Groups[i].Stages, func(s topologies.Stage) bool { return s.Table.Name == table }) {
			continue
		}
		number := host.PartitionOf(key, p.config.Topology.Config.Partitions)
		for _, partition := range h.Status().Partitions {
			if partition.Number == number {
				return partition.Time
			}
		}
	}
	return 0
}
