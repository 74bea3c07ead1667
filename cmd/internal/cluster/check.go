package cluster

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"

	"kairos/topologies"
)

// Level says how bad a finding is.
type Level string

// The levels.
const (
	Fine  Level = "ok"
	Hint  Level = "hint"  // works, could be better
	Wrong Level = "wrong" // must be mended
)

// Finding is one thing that Check looked at.
type Finding struct {
	Level  Level  `json:"level"`
	What   string `json:"what"`
	Detail string `json:"detail"`
}

const transactionFeature = "transaction.version"

// Check looks at everything that kairos needs of a cluster.
func (c *Client) Check(ctx context.Context, t *topologies.Topology) ([]Finding, error) {
	brokers, err := c.admin.ListBrokers(ctx)
	if err != nil {
		return nil, fmt.Errorf("list brokers: %w", err)
	}
	versions, err := c.admin.ApiVersions(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask brokers for their versions: %w", err)
	}
	findings := []Finding{brokersFinding(brokers, t.Config.Replication)}
	for _, v := range versions.Sorted() {
		findings = append(findings, transactionFinding(v))
	}
	settings, err := c.brokerFindings(ctx, brokers, t)
	if err != nil {
		return nil, err
	}
	topics, err := c.topicFindings(ctx, t)
	if err != nil {
		return nil, err
	}
	return append(append(findings, settings...), topics...), nil
}

func brokersFinding(brokers kadm.BrokerDetails, replication int16) Finding {
	n := len(brokers)
	switch {
	case n < int(replication):
		return Finding{Wrong, "brokers", fmt.Sprintf("%d, but the topology wants %d replicas: add brokers or lower --replication", n, replication)}
	case replication < 3:
		return Finding{Hint, "brokers", fmt.Sprintf("%d with %d replica(s): the loss of one disk can lose data; use 3 in production", n, replication)}
	}
	return Finding{Fine, "brokers", fmt.Sprintf("%d, %d replicas", n, replication)}
}

// transactionFinding insists on the second version of the transaction protocol
// (KIP-890): in the first one a late message of an aborted transaction could
// become part of the next, which would break exactly once.
func transactionFinding(v kadm.BrokerApiVersions) Finding {
	what := fmt.Sprintf("broker %d, %s", v.NodeID, transactionFeature)
	if v.Err != nil {
		return Finding{Wrong, what, fmt.Sprintf("the broker does not answer: %v", v.Err)}
	}
	for _, f := range v.Raw().FinalizedFeatures {
		if f.Name == transactionFeature && f.MaxVersionLevel >= 2 {
			return Finding{Fine, what, fmt.Sprintf("%d (%s)", f.MaxVersionLevel, v.VersionGuess())}
		}
	}
	return Finding{Wrong, what, "below 2: a torn transaction can be committed (KIP-890). Needs Kafka 4.0 or newer, and on an upgraded cluster " +
		"`kafka-features.sh --bootstrap-server ... upgrade --feature transaction.version=2`"}
}

func (c *Client) topicFindings(ctx context.Context, t *topologies.Topology) ([]Finding, error) {
	differences, err := c.Diff(ctx, t)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	missing := 0
	for _, d := range differences {
		if d.What == Missing {
			missing++
			continue
		}
		move := "run `kairos topology apply`"
		if !d.Repairable() {
			move = "give kairos the number that the cluster has, or let it grow with `kairos topology grow`: added by hand, partitions part keys from their rows"
			if d.What == Replicas {
				move = "move replicas with kafka-reassign-partitions.sh, or give --replication what the cluster has"
			}
		}
		findings = append(findings, Finding{Wrong, "topics", d.String() + ": " + move})
	}
	if missing > 0 {
		findings = append(findings, Finding{Wrong, "topics", fmt.Sprintf("%d of %d do not exist: run `kairos topology apply`", missing, len(t.Topics()))})
	}
	if len(findings) == 0 {
		findings = append(findings, Finding{Fine, "topics", fmt.Sprintf("%d, all as declared", len(t.Topics()))})
	}
	left, err := c.Undeclared(ctx, t)
	for _, name := range left {
		findings = append(findings, Finding{Hint, "topics", name + " is not declared (any more): delete it when nobody reads it"})
	}
	return findings, err
}
