package scenario

import (
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Embedded is a world on a broker of its own within this process.
type Embedded struct {
	*Brokers
	broker *kfake.Cluster
}

// NewEmbedded makes an empty world on an embedded broker. StateDir is where
// hosts keep rows; empty: in memory.
func NewEmbedded(shape Shape, runners Runners, stateDir string) (*Embedded, error) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}))
	if err != nil {
		return nil, err
	}
	world, err := NewBrokers(shape, runners, stateDir, kgo.SeedBrokers(broker.ListenAddrs()...))
	if err != nil {
		broker.Close()
		return nil, err
	}
	return &Embedded{world, broker}, nil
}

// Close ends the hosts and the broker.
func (e *Embedded) Close() error {
	err := e.Brokers.Close()
	e.broker.Close()
	return err
}
