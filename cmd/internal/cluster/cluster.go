// Package cluster makes a Kafka cluster hold what the topology declares, and
// says where it does not.
//
// In: a [topologies.Topology] and the addresses of brokers. Out: topics with
// their settings; differences; findings about the brokers themselves. State:
// none. Laws: nothing is ever deleted and no partition is ever added here, because
// either would part keys from their rows; applying twice changes nothing.
//
// Not here: what a topic must look like (topologies), records
// (processors/host, cmd/internal/door).
package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/access"
)

// Client talks to one cluster.
type Client struct {
	*kgo.Client
	admin  *kadm.Client
	access access.Config
	reach  []kgo.Opt
}

// UnreachableError says that no broker answered.
type UnreachableError struct {
	Brokers []string
	Err     error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("no Kafka broker answers at %s: %v\nStart one (`make kafka` starts one on this machine), or name yours with --brokers or KAIROS_BROKERS",
		strings.Join(e.Brokers, ", "), e.Err)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// Connect is Open for a cluster that asks nobody who they are.
func Connect(ctx context.Context, brokers []string, options ...kgo.Opt) (*Client, error) {
	return Open(ctx, access.Config{Brokers: brokers}, options...)
}

// Open makes a client and waits until a broker answers, at most five seconds.
func Open(ctx context.Context, c access.Config, options ...kgo.Opt) (*Client, error) {
	reach, err := c.Options()
	if err != nil {
		return nil, fmt.Errorf("connect to Kafka: %w", err)
	}
	options = append(options, reach...)
	options = append(options, kgo.ClientID("kairos"),
		kgo.MetadataMinAge(20*time.Millisecond), // or a topic just created stays unknown for seconds
	)
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("connect to Kafka: %w", err)
	}
	short, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := client.Ping(short); err != nil {
		client.Close()
		var refused *access.RefusedError
		if err = c.Explain(strings.Join(c.Brokers, ", "), err); errors.As(err, &refused) {
			return nil, refused
		}
		return nil, &UnreachableError{c.Brokers, err}
	}
	return &Client{client, kadm.NewClient(client), c, reach}, nil
}

// Again opens another client to the same cluster, as the same user, with options
// of its own.
func (c *Client) Again(ctx context.Context, options ...kgo.Opt) (*Client, error) {
	return Open(ctx, c.access, options...)
}

// Admin is the client for administrative requests. It lives as long as c.
func (c *Client) Admin() *kadm.Client { return c.admin }

// SeedBrokers are the brokers that c started from.
func (c *Client) SeedBrokers() []string { return c.access.Brokers }

// Reach is how to reach the same cluster with a client of other habits.
func (c *Client) Reach() []kgo.Opt { return slices.Clone(c.reach) }

// passing reports whether err is one that new topics answer with until their
// leaders are known everywhere.
func passing(err error) bool {
	var ke *kerr.Error
	return errors.As(err, &ke) && ke.Retriable || errors.Is(err, kerr.UnknownTopicOrPartition)
}

// awaitTopics returns once every partition of the topics has a leader that
// answers. Right after their creation some do not, for a moment.
func (c *Client) awaitTopics(ctx context.Context, topics []string) error {
	if len(topics) == 0 {
		return nil
	}
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		offsets, err := c.admin.ListEndOffsets(ctx, topics...)
		if err == nil {
			err = offsets.Error()
		}
		if err == nil {
			return nil
		}
		if !passing(err) {
			return fmt.Errorf("wait for the leaders of %s: %w", shorten(topics), err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("wait for the leaders of %s: %w, last answer: %v", shorten(topics), ctx.Err(), err)
		}
	}
}

func shorten(topics []string) string {
	if len(topics) > 3 {
		topics = append(slices.Clone(topics[:3]), fmt.Sprintf("%d more", len(topics)-3))
	}
	return strings.Join(topics, ", ")
}
