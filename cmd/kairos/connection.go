package main

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/catalog"
	"kairos/cmd/internal/cluster"
	"kairos/topologies"
)

// connection says where Kafka is.
type connection struct {
	Brokers []string `default:"127.0.0.1:9092" placeholder:"HOST:PORT" help:"Kafka brokers to start from (${default})."`
}

func (c connection) connect(ctx context.Context, options ...kgo.Opt) (*cluster.Client, error) {
	return cluster.Connect(ctx, c.Brokers, options...)
}

// size says how large the topology is. What is 0 is as the cluster has it, or
// the default.
type size struct {
	Partitions  int32 `placeholder:"N" help:"Partitions of every keyed topic (what the cluster has, or 4). They can never change."`
	Replication int16 `placeholder:"N" help:"Replicas of every partition (what the cluster has, or 1); 3 in production."`
	Unchained   bool  `help:"One consumer group for each stage, instead of one for all that are keyed by person."`
}

// topology builds the topology, with the destinations that are named.
func (s size) topology(destinations []string) (*topologies.Topology, error) {
	config := topologies.DefaultConfig()
	config.Chained, config.Destinations = !s.Unchained, destinations
	if s.Partitions != 0 {
		config.Partitions = s.Partitions
	}
	if s.Replication != 0 {
		config.Replication = s.Replication
	}
	t, err := topologies.New(config)
	if err != nil {
		return nil, askedError{err}
	}
	return t, nil
}

// on builds the topology of a cluster: of the size that it has, or that s
// says, with the destinations that are published and those named.
func (s size) on(ctx context.Context, client *cluster.Client, destinations ...string) (*topologies.Topology, error) {
	partitions, replication, err := client.Size(ctx)
	if err != nil {
		return nil, err
	}
	if s.Partitions == 0 {
		s.Partitions = partitions
	}
	if s.Replication == 0 {
		s.Replication = replication
	}
	published, err := catalog.Read(ctx, client)
	if err != nil {
		return nil, err
	}
	return s.topology(append(destinations, published.Names("destination")...))
}
