package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/screen"
	"kairos/topologies"
)

// Status is how a whole installation is doing, as Kafka sees it.
type Status struct {
	Brokers     []string      `json:"brokers"` // that were asked
	At          time.Time     `json:"at"`
	Partitions  int32         `json:"partitions"`
	GrowingTo   int32         `json:"growing_to"` // 0: nowhere
	Fenced      bool          `json:"fenced"`     // while it grows: hosts wait
	Groups      []GroupStatus `json:"groups"`
	Rim         []GroupStatus `json:"rim"`    // who tells destinations, and takes in others' topics
	Untold      []string      `json:"untold"` // destinations that nobody of ours tells: others read their topics
	DeadLetters []Letters     `json:"dead_letters"`
	Missing     []string      `json:"missing_topics"`
}

// GroupStatus is one consumer group.
type GroupStatus struct {
	Group      string   `json:"group"`
	Stages     []string `json:"stages"` // or what it does instead, at the rim
	State      string   `json:"state"`  // of the consumer group: Stable, Empty, PreparingRebalance ...
	Members    []Member `json:"members"`
	Partitions int      `json:"partitions"`
	Owned      int      `json:"owned"`
	Lag        int64    `json:"lag"`         // records that are accepted and not processed
	LagSeconds float64  `json:"lag_seconds"` // age of the oldest of them; -1: we may not look
	Rows       int64    `json:"changelog_records"`
}

// Member is one process of a group.
type Member struct {
	Client     string `json:"client"`
	Host       string `json:"host"`
	Instance   string `json:"instance,omitempty"`
	Partitions int    `json:"partitions"`
}

// Letters are the dead letters of a stage, or of the rim.
type Letters struct {
	Name   string    `json:"name"`
	Count  int64     `json:"count"`
	AtMost bool      `json:"at_most"` // too many to count: no more than that
	Newest time.Time `json:"newest"`
	Reason string    `json:"reason"` // of the newest
}

// Healthy says what is wrong; empty if nothing is.
func (s Status) Healthy(mostSeconds float64) []string {
	var wrong []string
	if s.Fenced {
		wrong = append(wrong, fmt.Sprintf("the topology grows from %d to %d partitions and hosts wait: if nobody is at it, run `kairos topology grow --partitions %d` again, or with --abort", s.Partitions, s.GrowingTo, s.GrowingTo))
	}
	if len(s.Missing) > 0 {
		wrong = append(wrong, fmt.Sprintf("%d topics are missing: `kairos topology apply` creates them", len(s.Missing)))
	}
	for _, g := range s.Groups {
		switch {
		case g.Owned < g.Partitions:
			wrong = append(wrong, fmt.Sprintf("%s: %d of %d partitions are with nobody: `kairos run %s` is not running, or is starting", g.Group, g.Partitions-g.Owned, g.Partitions, strings.TrimPrefix(g.Group, "kairos.")))
		case g.LagSeconds > mostSeconds:
			wrong = append(wrong, fmt.Sprintf("%s: what people did %s ago is not yet dealt with: add processes (up to %d), or look at their logs", g.Group, screen.Age(g.LagSeconds), g.Partitions))
		}
	}
	for _, g := range s.Rim {
		if why := g.unwell(mostSeconds); why != "" {
			wrong = append(wrong, g.Group+": "+why)
		}
	}
	return wrong
}

// Status asks Kafka how the groups of t are doing at a moment.
func (c *Client) Status(ctx context.Context, t *topologies.Topology, now time.Time) (Status, error) {
	status := Status{
		Brokers: c.SeedBrokers(), At: now, Partitions: t.Config.Partitions,
		Groups: []GroupStatus{}, Rim: []GroupStatus{}, Untold: []string{}, DeadLetters: []Letters{}, Missing: []string{},
	}
	grown, err := c.Growth(ctx)
	if err != nil {
		return status, err
	}
	if grown != nil {
		status.GrowingTo, status.Fenced = grown.Next, grown.Fenced
	}
	var names []string
	for _, topic := range t.Topics() {
		names = append(names, topic.Name)
	}
	ends, err := c.admin.ListEndOffsets(ctx, names...)
	if err != nil {
		return status, fmt.Errorf("ends of the topics: %w", err)
	}
	for _, name := range names {
		if total(ends, name) < 0 {
			status.Missing = append(status.Missing, name)
		}
	}
	for _, g := range t.Groups {
		one, err := c.groupStatus(ctx, t, g, ends, now)
		if err != nil {
			return status, err
		}
		status.Groups = append(status.Groups, one)
	}
	if status.Rim, status.Untold, err = c.rim(ctx, t, ends, now); err != nil {
		return status, err
	}
	status.DeadLetters, err = c.allLetters(ctx, t, ends)
	return status, err
}

// total is how many records a topic has ever had, markers included; -1 if it is
// not there.
func total(ends kadm.ListedOffsets, topic string) int64 {
	sum, there := int64(0), false
	for _, o := range ends[topic] {
		if o.Err == nil {
			sum, there = sum+o.Offset, true
		}
	}
	if !there {
		return -1
	}
	return sum
}

func (c *Client) groupStatus(ctx context.Context, t *topologies.Topology, g topologies.Group, ends kadm.ListedOffsets, now time.Time) (GroupStatus, error) {
	s := GroupStatus{Group: g.Name, Partitions: int(t.PartitionsOf(g.Inputs()[0]))}
	for _, stage := range g.Stages {
		s.Stages = append(s.Stages, stage.Word)
		s.Rows += max(0, total(ends, stage.Table.Name))
	}
	if err := c.members(ctx, &s, func(topics []int) int { return slices.Max(topics) }); err != nil { // they go together; the door's may be fewer
		return s, err
	}
	var inputs []string
	for _, topic := range g.Inputs() {
		inputs = append(inputs, topic.Name)
	}
	committed, err := c.committed(ctx, g.Name)
	if err != nil {
		return s, err
	}
	return s, c.lag(ctx, &s, inputs, t.Config.Partitions, committed, ends, now)
}

// members says who is in a group. count adds up how many partitions of each
// topic somebody has.
func (c *Client) members(ctx context.Context, s *GroupStatus, count func(topics []int) int) error {
	s.State, s.Members = "Dead", []Member{}
	described, err := c.admin.DescribeGroups(ctx, s.Group)
	if err == nil {
		err = errors.Join(described.Error())
	}
	if err != nil && !passing(err) && !strings.Contains(err.Error(), "GROUP_ID_NOT_FOUND") {
		return fmt.Errorf("group %s: %w", s.Group, err)
	}
	d, ok := described[s.Group]
	if !ok {
		return nil
	}
	s.State = d.State
	for _, m := range d.Members {
		one := Member{Client: m.ClientID, Host: strings.TrimPrefix(m.ClientHost, "/")}
		if m.InstanceID != nil {
			one.Instance = *m.InstanceID
		}
		if assigned, ok := m.Assigned.AsConsumer(); ok && len(assigned.Topics) > 0 {
			var topics []int
			for _, topic := range assigned.Topics {
				topics = append(topics, len(topic.Partitions))
			}
			one.Partitions = count(topics)
		}
		s.Owned += one.Partitions
		s.Members = append(s.Members, one)
	}
	slices.SortFunc(s.Members, func(a, b Member) int { return strings.Compare(a.Instance+a.Host, b.Instance+b.Host) })
	return nil
}

// lag counts what is accepted and not processed in the partitions that count,
// and finds how old the oldest is.
func (c *Client) lag(ctx context.Context, s *GroupStatus, topics []string, partitions int32, committed kadm.OffsetResponses, ends kadm.ListedOffsets, now time.Time) error {
	late := map[string]map[int32]kgo.Offset{}
	for _, topic := range topics {
		for number, end := range ends[topic] {
			if number >= partitions {
				continue // does not count
			}
			at, known := committed.Lookup(topic, number)
			if !known || at.At < 0 {
				at.At = 0
			}
			if behind := end.Offset - at.At; behind > 0 && end.Err == nil {
				s.Lag += behind
				if late[topic] == nil {
					late[topic] = map[int32]kgo.Offset{}
				}
				late[topic][number] = kgo.NewOffset().At(at.At)
			}
		}
	}
	if len(late) == 0 {
		return nil
	}
	oldest, records, err := c.oldest(ctx, late)
	if err != nil {
		return fmt.Errorf("oldest record that %s has not processed: %w", s.Group, err)
	}
	if records == 0 { // nothing but the markers of transactions
		s.Lag = 0
		return nil
	}
	s.LagSeconds = max(0, now.Sub(oldest).Seconds())
	return nil
}

// oldest looks at the first committed record from each offset on.
func (c *Client) oldest(ctx context.Context, from map[string]map[int32]kgo.Offset) (oldest time.Time, records int, err error) {
	reader, err := kgo.NewClient(append(c.Reach(), kgo.ConsumePartitions(from),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(50*time.Millisecond), kgo.FetchMaxPartitionBytes(64<<10))...)
	if err != nil {
		return oldest, 0, err
	}
	defer reader.Close()
	left := 0
	for _, partitions := range from {
		left += len(partitions)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second) // who has only markers never answers
	defer cancel()
	seen := map[string]map[int32]bool{}
	for left > 0 {
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			return oldest, records, nil
		}
		if err := fetches.Err(); err != nil {
			return oldest, records, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if seen[r.Topic] == nil {
				seen[r.Topic] = map[int32]bool{}
			}
			if seen[r.Topic][r.Partition] {
				return
			}
			seen[r.Topic][r.Partition] = true
			left--
			records++
			if oldest.IsZero() || r.Timestamp.Before(oldest) {
				oldest = r.Timestamp
			}
		})
	}
	return oldest, records, nil
}
