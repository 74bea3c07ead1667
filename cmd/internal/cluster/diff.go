package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"kairos/schemas"
	"kairos/topologies"
)

// The kinds of a Difference that are no setting's name.
const (
	Missing    = "missing"
	Partitions = "partitions"
	Replicas   = "replicas"
)

// Difference is one thing that the cluster has otherwise than declared.
type Difference struct {
	Topic string `json:"topic"`
	What  string `json:"what"` // Missing, Partitions, Replicas or a setting's name
	Want  string `json:"want"`
	Have  string `json:"have"`
}

func (d Difference) String() string {
	if d.What == Missing {
		return fmt.Sprintf("%s does not exist", d.Topic)
	}
	return fmt.Sprintf("%s: %s is %s, not %s", d.Topic, d.What, d.Have, d.Want)
}

// Repairable reports whether Apply can remove the difference. Partitions are
// added by a growth, which takes the rows there, and replicas are moved by the cluster's operator.
func (d Difference) Repairable() bool { return d.What != Partitions && d.What != Replicas }

// Diff lists what differs, by topic and kind.
func (c *Client) Diff(ctx context.Context, t *topologies.Topology) ([]Difference, error) {
	declared := t.Topics()
	names := make([]string, len(declared))
	for i, topic := range declared {
		names[i] = topic.Name
	}
	details, err := c.listTopics(ctx, names...)
	if err != nil {
		return nil, err
	}
	grown, err := c.Growth(ctx)
	if err != nil {
		return nil, err
	}
	var all []Difference
	var existing []topologies.Topic
	for _, topic := range declared {
		detail := details[topic.Name]
		switch {
		case errors.Is(detail.Err, kerr.UnknownTopicOrPartition) || !details.Has(topic.Name):
			all = append(all, Difference{Topic: topic.Name, What: Missing})
		case detail.Err != nil:
			return nil, fmt.Errorf("look at topic %s: %w", topic.Name, detail.Err)
		default:
			all = append(all, sizes(t, topic, detail, grown)...)
			existing = append(existing, topic)
		}
	}
	settings, err := c.settingDifferences(ctx, t, existing)
	if err != nil {
		return nil, err
	}
	all = append(all, settings...)
	slices.SortFunc(all, func(a, b Difference) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), strings.Compare(a.What, b.What))
	})
	return all, nil
}

// listTopics asks the cluster itself: the client's cache may be some seconds
// old, and asking for authorized operations is how it is passed by.
func (c *Client) listTopics(ctx context.Context, names ...string) (kadm.TopicDetails, error) {
	details, err := c.admin.ListTopics(kadm.WithAuthorizedOps(ctx), names...)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	return details, nil
}

func sizes(t *topologies.Topology, topic topologies.Topic, have kadm.TopicDetail, grown *schemas.Growth) []Difference {
	var all []Difference
	if want, count := int(t.PartitionsOf(topic)), counting(t, topic, have, grown); count != want {
		all = append(all, Difference{topic.Name, Partitions, strconv.Itoa(want), strconv.Itoa(count)})
	}
	want := int(t.Config.Replication)
	for _, p := range have.Partitions.Sorted() {
		if p.Err == nil && len(p.Replicas) != want {
			return append(all, Difference{topic.Name, Replicas, strconv.Itoa(want), strconv.Itoa(len(p.Replicas))})
		}
	}
	return all
}

// counting is how many partitions of a topic count. A topology that has grown
// counts as many as the growth says, and leaves public topics as they were.
func counting(t *topologies.Topology, topic topologies.Topic, have kadm.TopicDetail, grown *schemas.Growth) int {
	switch {
	case grown == nil || topic.Partition > 0:
		return len(have.Partitions)
	case t.Grows(topic.Name):
		return min(len(have.Partitions), int(grown.Partitions))
	}
	return int(t.PartitionsOf(topic))
}

func (c *Client) settingDifferences(ctx context.Context, t *topologies.Topology, topics []topologies.Topic) ([]Difference, error) {
	if len(topics) == 0 {
		return nil, nil
	}
	names := make([]string, len(topics))
	for i, topic := range topics {
		names[i] = topic.Name
	}
	configs, err := c.admin.DescribeTopicConfigs(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("read the settings of topics: %w", err)
	}
	var all []Difference
	for _, topic := range topics {
		have, err := configs.On(topic.Name, nil)
		if err = errors.Join(err, have.Err); err != nil {
			return nil, fmt.Errorf("read the settings of %s: %w", topic.Name, err)
		}
		for _, want := range t.Settings(topic) {
			if value := valueOf(have, want.Name); value != want.Value {
				all = append(all, Difference{topic.Name, want.Name, want.Value, value})
			}
		}
	}
	return all, nil
}

func valueOf(c kadm.ResourceConfig, name string) string {
	for _, entry := range c.Configs {
		if entry.Key == name {
			return entry.MaybeValue()
		}
	}
	return "(not set)"
}

// Undeclared lists topics called kairos.* that the topology does not declare:
// what an earlier chaining or a removed destination left behind.
func (c *Client) Undeclared(ctx context.Context, t *topologies.Topology) ([]string, error) {
	details, err := c.listTopics(ctx)
	if err != nil {
		return nil, err
	}
	declared := t.Topics()
	var left []string
	for _, name := range details.Names() {
		if strings.HasPrefix(name, "kairos.") && !slices.ContainsFunc(declared, func(t topologies.Topic) bool { return t.Name == name }) {
			left = append(left, name)
		}
	}
	return left, nil
}
