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

	"kairos/topologies"
)

// Status is how a whole installation is doing, as Kafka sees it.
type Status struct {
	Partitions  int32         `json:"partitions"`
	GrowingTo   int32         `json:"growing_to"` // 0: nowhere
	Fenced      bool          `json:"fenced"`     // while it grows: hosts wait
	Groups      []GroupStatus `json:"groups"`
	DeadLetters []Count       `json:"dead_letters"` // by stage, as many as their topics hold
	Missing     []string      `json:"missing_topics"`
}

// GroupStatus is one group of stages.
type GroupStatus struct {
	Group      string   `json:"group"`
	Stages     []string `json:"stages"`
	State      string   `json:"state"` // of the consumer group: Stable, Empty, PreparingRebalance ...
	Members    []Member `json:"members"`
	Partitions int      `json:"partitions"`
	Owned      int      `json:"owned"`
	Lag        int64    `json:"lag"`         // records that are accepted and not processed
	LagSeconds float64  `json:"lag_seconds"` // age of the oldest of them
	Rows       int64    `json:"changelog_records"`
}

// Member is one process of a group.
type Member struct {
	Client     string `json:"client"`
	Host       string `json:"host"`
	Instance   string `json:"instance,omitempty"`
	Partitions int    `json:"partitions"`
}

// Count is how many of something there are.
type Count struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
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
			wrong = append(wrong, fmt.Sprintf("%s: %d of %d partitions are with nobody: `kairos run %s` is not running, or is starting", g.Group, g.Partitions-g.Owned, g.Partitions, g.Stages[0]))
		case g.LagSeconds > mostSeconds:
			wrong = append(wrong, fmt.Sprintf("%s: what people did %.0f s ago is not yet dealt with: add processes, or look at their logs", g.Group, g.LagSeconds))
		}
	}
	return wrong
}

// Status asks Kafka how the groups of t are doing at a moment.
func (c *Client) Status(ctx context.Context, t *topologies.Topology, now time.Time) (Status, error) {
	status := Status{Partitions: t.Config.Partitions, Groups: []GroupStatus{}, DeadLetters: []Count{}, Missing: []string{}}
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
		for _, s := range g.Stages {
			n, topic := int64(0), topologies.DeadLetters(s.Word).Name
			if total(ends, topic) <= 0 {
				continue
			}
			if err := c.Scan(ctx, topic, EveryPartition, func(r *kgo.Record) error {
				if r.Value != nil {
					n++
				}
				return nil
			}); err != nil {
				return status, err
			}
			if n > 0 { // not only markers
				status.DeadLetters = append(status.DeadLetters, Count{s.Word, n})
			}
		}
	}
	return status, nil
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
	s := GroupStatus{Group: g.Name, State: "Dead", Members: []Member{}, Partitions: int(t.PartitionsOf(g.Inputs()[0]))}
	for _, stage := range g.Stages {
		s.Stages = append(s.Stages, stage.Word)
		s.Rows += max(0, total(ends, stage.Table.Name))
	}
	described, err := c.admin.DescribeGroups(ctx, g.Name)
	if err == nil {
		err = errors.Join(described.Error())
	}
	if err != nil && !passing(err) && !strings.Contains(err.Error(), "GROUP_ID_NOT_FOUND") {
		return s, fmt.Errorf("group %s: %w", g.Name, err)
	}
	if d, ok := described[g.Name]; ok {
		s.State = d.State
		for _, m := range d.Members {
			one := Member{Client: m.ClientID, Host: strings.TrimPrefix(m.ClientHost, "/")}
			if m.InstanceID != nil {
				one.Instance = *m.InstanceID
			}
			if assigned, ok := m.Assigned.AsConsumer(); ok {
				for _, topic := range assigned.Topics {
					one.Partitions = max(one.Partitions, len(topic.Partitions)) // the door's may be fewer
				}
			}
			s.Owned += one.Partitions
			s.Members = append(s.Members, one)
		}
	}
	slices.SortFunc(s.Members, func(a, b Member) int { return strings.Compare(a.Instance+a.Host, b.Instance+b.Host) })
	return s, c.lag(ctx, t, &s, g, ends, now)
}

// lag counts what is accepted and not processed, and finds how old the oldest is.
func (c *Client) lag(ctx context.Context, t *topologies.Topology, s *GroupStatus, g topologies.Group, ends kadm.ListedOffsets, now time.Time) error {
	committed, err := c.committed(ctx, g.Name)
	if err != nil {
		return err
	}
	late := map[string]map[int32]kgo.Offset{}
	for _, topic := range g.Inputs() {
		for number, end := range ends[topic.Name] {
			if number >= t.Config.Partitions {
				continue // does not count
			}
			at, known := committed.Lookup(topic.Name, number)
			if !known || at.At < 0 {
				at.At = 0
			}
			if behind := end.Offset - at.At; behind > 0 && end.Err == nil {
				s.Lag += behind
				if late[topic.Name] == nil {
					late[topic.Name] = map[int32]kgo.Offset{}
				}
				late[topic.Name][number] = kgo.NewOffset().At(at.At)
			}
		}
	}
	if len(late) == 0 {
		return nil
	}
	oldest, records, err := c.oldest(ctx, late)
	if err != nil {
		return fmt.Errorf("oldest record that %s has not processed: %w", g.Name, err)
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
