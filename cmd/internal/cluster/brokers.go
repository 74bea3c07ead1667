package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"kairos/topologies"
)

// brokerRule says what a setting of brokers should be, and why.
type brokerRule struct {
	setting string
	level   Level // of not being so
	right   func(value string, t *topologies.Topology) bool
	because string // what happens otherwise, and the next move
}

var brokerRules = []brokerRule{
	{"add.partitions.to.txn.retry.backoff.ms", Hint, atMost(1),
		"each hop may wait that long for the transaction before; set it to 1 in the broker's properties for the lowest latency"},
	{"unclean.leader.election.enable", Wrong, is("false"),
		"a replica that is behind may become the leader, and what was acknowledged is gone; set it to false"},
	{"transaction.max.timeout.ms", Wrong, atLeast(20_000),
		"hosts ask for 20000 and are refused; raise it"},
	{"offsets.retention.minutes", Hint, atLeast(7 * 24 * 60),
		"who rests longer has forgotten where it was and refuses to start over its rows; 10080 is a week"},
	{"transaction.state.log.replication.factor", Hint, replicated,
		"a lost disk loses the state of transactions; it should have as many replicas as the topics"},
	{"offsets.topic.replication.factor", Hint, replicated,
		"a lost disk loses where groups are; it should have as many replicas as the topics"},
}

func atMost(most int64) func(string, *topologies.Topology) bool {
	return func(value string, _ *topologies.Topology) bool {
		n, err := strconv.ParseInt(value, 10, 64)
		return err != nil || n <= most
	}
}

func atLeast(least int64) func(string, *topologies.Topology) bool {
	return func(value string, _ *topologies.Topology) bool {
		n, err := strconv.ParseInt(value, 10, 64)
		return err != nil || n >= least
	}
}

func is(want string) func(string, *topologies.Topology) bool {
	return func(value string, _ *topologies.Topology) bool { return value == "" || value == want }
}

func replicated(value string, t *topologies.Topology) bool {
	return atLeast(int64(min(t.Config.Replication, 3)))(value, t)
}

// brokerFindings holds the settings of brokers against the rules. A setting that
// a broker does not tell is passed over.
func (c *Client) brokerFindings(ctx context.Context, brokers kadm.BrokerDetails, t *topologies.Topology) ([]Finding, error) {
	configs, err := c.admin.DescribeBrokerConfigs(ctx, brokers.NodeIDs()...)
	if errors.Is(err, kerr.ClusterAuthorizationFailed) {
		return []Finding{unseen("brokers' settings", err)}, nil
	} else if err != nil {
		return nil, fmt.Errorf("read the settings of brokers: %w", err)
	}
	var findings []Finding
	for _, b := range configs {
		if b.Err != nil {
			findings = append(findings, unseen("broker "+b.Name+", settings", b.Err))
		}
		for _, rule := range brokerRules {
			for _, entry := range b.Configs {
				if entry.Key != rule.setting {
					continue
				}
				f := Finding{Fine, "broker " + b.Name + ", " + rule.setting, entry.MaybeValue()}
				if !rule.right(entry.MaybeValue(), t) {
					f.Level, f.Detail = rule.level, f.Detail+": "+rule.because
				}
				findings = append(findings, f)
			}
		}
	}
	return findings, nil
}

// Disks says how full brokers' disks are, if they tell.
func (c *Client) Disks(ctx context.Context) ([]Finding, error) {
	all, err := c.admin.DescribeAllLogDirs(ctx, nil)
	if errors.Is(err, kerr.ClusterAuthorizationFailed) {
		return []Finding{unseen("brokers' disks", err)}, nil
	} else if err != nil {
		return nil, fmt.Errorf("look at brokers' disks: %w", err)
	}
	var findings []Finding
	all.Each(func(dir kadm.DescribedLogDir) {
		if dir.Err != nil {
			findings = append(findings, unseen(fmt.Sprintf("broker %d, disks", dir.Broker), dir.Err))
		}
		if dir.Err == nil && dir.TotalBytes > 0 {
			findings = append(findings, DiskFinding(fmt.Sprintf("broker %d, %s", dir.Broker, dir.Dir), uint64(dir.UsableBytes), uint64(dir.TotalBytes),
				"a broker whose disk is full ends; add room, or lower retention"))
		}
	})
	return findings, nil
}

// unseen is a finding of what a broker does not show us. Clusters that others
// keep often do not, so nothing is wrong with it.
func unseen(what string, err error) Finding {
	return Finding{Hint, what, fmt.Sprintf("cannot be looked at: %v; `kairos doctor --role=%s` says which right shows them", err, topologies.OperatorRole)}
}

// DiskFinding judges how much of a disk is free, in bytes: too little is a small
// part of it, but of a large disk not when that is a lot.
func DiskFinding(what string, free, total uint64, move string) Finding {
	const gib = 1 << 30
	f := Finding{Fine, what, fmt.Sprintf("%.1f of %.1f GiB free", float64(free)/gib, float64(total)/gib)}
	switch share := float64(free) / float64(total); {
	case free < gib || share < 0.05 && free < 20*gib:
		f.Level, f.Detail = Wrong, f.Detail+": "+move
	case share < 0.15 && free < 100*gib:
		f.Level, f.Detail = Hint, f.Detail+": "+move
	}
	return f
}

// Clock compares our clock with brokers'. What they have written cannot be of
// the future; and where hosts work by the wall clock they write all the time, so
// what they wrote last is of this moment.
func (c *Client) Clock(ctx context.Context, t *topologies.Topology, now func() time.Time) (Finding, error) {
	names := []string{topologies.Events.Name, topologies.Definitions.Name}
	for _, g := range t.Groups {
		for _, topic := range append(g.Outputs(), g.Stages[0].Table) {
			names = append(names, topic.Name)
		}
	}
	newest := time.Time{}
	listed, err := c.admin.ListMaxTimestampOffsets(ctx, names...)
	if err != nil {
		return Finding{}, fmt.Errorf("look at brokers' clocks: %w", err)
	}
	listed.Each(func(o kadm.ListedOffset) {
		if written := time.UnixMilli(o.Timestamp); o.Err == nil && o.Offset >= 0 && written.After(newest) {
			newest = written
		}
	})
	without, err := c.Working(ctx, t)
	if err != nil && !passing(err) {
		return Finding{}, err
	}
	return clockFinding(newest, now(), err == nil && len(without) == 0), nil
}

// clockFinding judges the time that a broker wrote last, if it ever did.
func clockFinding(newest, now time.Time, working bool) Finding {
	const grace, still = time.Second, 10 * time.Second
	f := Finding{Fine, "clock", "no broker is ahead of this machine"}
	switch ahead := newest.Sub(now); {
	case newest.IsZero():
	case ahead > grace:
		f.Level, f.Detail = Wrong, fmt.Sprintf("a broker has written a record %v after now: set clocks by NTP, or what happens is judged at the wrong time", ahead.Round(time.Millisecond))
	case working && ahead < -still:
		f.Level, f.Detail = Hint, fmt.Sprintf("hosts work, and what a broker wrote last is of %v ago: either this machine's clock is ahead of the broker's by as much (set both by NTP), or time stands still (`kairos status`, the hosts' logs)", (-ahead).Round(time.Second))
	case working:
		f.Detail = fmt.Sprintf("within %v of the brokers'", max(grace, -ahead.Round(time.Second)))
	}
	return f
}
