package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kairos/topologies"
)

// Applied is what Apply did and what it must leave to people.
type Applied struct {
	Created  []string     `json:"created"`  // topics
	Changed  []Difference `json:"changed"`  // settings
	Refused  []Difference `json:"refused"`  // would part keys from their rows, or move data
	Declared int          `json:"declared"` // topics in all
}

// Apply creates the topics that are missing and sets the settings that differ.
// It returns once every new partition has a leader.
func (c *Client) Apply(ctx context.Context, t *topologies.Topology) (Applied, error) {
	differences, err := c.Diff(ctx, t)
	if err != nil {
		return Applied{}, err
	}
	done := Applied{Created: []string{}, Changed: []Difference{}, Refused: []Difference{}, Declared: len(t.Topics())}
	for _, d := range differences {
		switch {
		case d.What == Missing:
			done.Created = append(done.Created, d.Topic)
		case d.Repairable():
			done.Changed = append(done.Changed, d)
		default:
			done.Refused = append(done.Refused, d)
		}
	}
	if err := c.create(ctx, t, done.Created); err != nil {
		return Applied{}, err
	}
	if err := c.change(ctx, done.Changed); err != nil {
		return Applied{}, err
	}
	return done, c.awaitTopics(ctx, done.Created)
}

// create makes all topics in one request, so that a controller writes them in
// one go.
func (c *Client) create(ctx context.Context, t *topologies.Topology, names []string) error {
	if len(names) == 0 {
		return nil
	}
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis = 15_000
	for _, topic := range t.Topics() {
		if !slices.Contains(names, topic.Name) {
			continue
		}
		wanted := kmsg.NewCreateTopicsRequestTopic()
		wanted.Topic = topic.Name
		wanted.NumPartitions = t.PartitionsOf(topic)
		wanted.ReplicationFactor = t.Config.Replication
		for _, s := range t.Settings(topic) {
			entry := kmsg.NewCreateTopicsRequestTopicConfig()
			entry.Name, entry.Value = s.Name, &s.Value
			wanted.Configs = append(wanted.Configs, entry)
		}
		request.Topics = append(request.Topics, wanted)
	}
	response, err := request.RequestWith(ctx, c.Client)
	if err != nil {
		return fmt.Errorf("create topics: %w", err)
	}
	for _, topic := range response.Topics {
		err := kerr.ErrorForCode(topic.ErrorCode)
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) { // somebody else was quicker: just as well
			return fmt.Errorf("create topic %s: %w%s", topic.Topic, err, detail(topic.ErrorMessage))
		}
	}
	return nil
}

func (c *Client) change(ctx context.Context, differences []Difference) error {
	byTopic := map[string][]kadm.AlterConfig{}
	var topics []string
	for _, d := range differences {
		if byTopic[d.Topic] == nil {
			topics = append(topics, d.Topic)
		}
		byTopic[d.Topic] = append(byTopic[d.Topic], kadm.AlterConfig{Op: kadm.SetConfig, Name: d.What, Value: &d.Want})
	}
	for _, topic := range topics {
		responses, err := c.admin.AlterTopicConfigs(ctx, byTopic[topic], topic)
		if err != nil {
			return fmt.Errorf("change the settings of %s: %w", topic, err)
		}
		for _, r := range responses {
			if r.Err != nil {
				return fmt.Errorf("change the settings of %s: %w%s", topic, r.Err, detail(&r.ErrMessage))
			}
		}
	}
	return nil
}

func detail(message *string) string {
	if message == nil || *message == "" {
		return ""
	}
	return " (" + *message + ")"
}
