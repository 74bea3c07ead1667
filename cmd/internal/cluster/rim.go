package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/screen"
	"kairos/processors/delivery"
	"kairos/topologies"
)

// What the groups at the rim do, where groups of stages list stages.
const (
	tells  = "tells "            // a destination
	writes = "writes files for " // a destination
	takes  = "takes in others' topics"
)

// patienceOfOthers is after how many seconds somebody is woken because a third
// party hears late (the alert KairosDestinationLate).
const patienceOfOthers = 300

// unwell says what is wrong with a group at the rim, and the next move.
func (s GroupStatus) unwell(mostSeconds float64) string {
	does := strings.Join(s.Stages, " ")
	command := "kairos deliver"
	if does == takes {
		command = "kairos ingest"
	} else {
		mostSeconds = max(mostSeconds, patienceOfOthers)
	}
	switch {
	case s.Lag > 0 && len(s.Members) == 0:
		return fmt.Sprintf("%d record(s) wait and nobody %s: run `%s`, or delete the group if that is over", s.Lag, does, command)
	case strings.HasPrefix(does, writes): // a file is closed when it is full, or old
		return ""
	case s.LagSeconds > mostSeconds:
		return fmt.Sprintf("%s, %s late: the log of `%s` says what is refused, slow or held", does, screen.Age(s.LagSeconds), command)
	}
	return ""
}

// rim looks at who tells destinations and who takes in others' topics, as far as
// they have ever run.
func (c *Client) rim(ctx context.Context, t *topologies.Topology, ends kadm.ListedOffsets, now time.Time) (groups []GroupStatus, untold []string, err error) {
	groups, untold = []GroupStatus{}, []string{}
	for _, destination := range t.Config.Destinations {
		topic, told := topologies.Activations(destination).Name, false
		for group, does := range map[string]string{delivery.Group(destination): tells, delivery.FilesGroup(destination): writes} {
			one, there, err := c.reader(ctx, GroupStatus{Group: group, Stages: []string{does + destination}}, func(kadm.OffsetResponses) (kadm.ListedOffsets, error) {
				return kadm.ListedOffsets{topic: ends[topic]}, nil
			}, now)
			if err != nil {
				return groups, untold, err
			}
			if told = told || there; there {
				groups = append(groups, one)
			}
		}
		if !told {
			untold = append(untold, destination)
		}
	}
	one, there, err := c.reader(ctx, GroupStatus{Group: "kairos." + topologies.IngestRole, Stages: []string{takes}}, func(committed kadm.OffsetResponses) (kadm.ListedOffsets, error) {
		if len(committed) == 0 { // or all topics that there are would be listed
			return nil, nil
		}
		return c.admin.ListEndOffsets(ctx, committed.Partitions().Topics()...)
	}, now)
	if there {
		groups = append(groups, one)
	}
	slices.SortFunc(groups, func(a, b GroupStatus) int { return strings.Compare(a.Group, b.Group) })
	return groups, untold, err
}

// reader fills in s, if such a group has ever been. ends gives those of what it
// reads, by how far it is.
func (c *Client) reader(ctx context.Context, s GroupStatus, ends func(kadm.OffsetResponses) (kadm.ListedOffsets, error), now time.Time) (_ GroupStatus, there bool, err error) {
	sum := func(topics []int) (all int) {
		for _, n := range topics {
			all += n
		}
		return all
	}
	if err := c.members(ctx, &s, sum); err != nil {
		return s, false, err
	}
	committed, err := c.committed(ctx, s.Group)
	if err != nil || len(committed) == 0 && len(s.Members) == 0 {
		return s, false, err
	}
	to, err := ends(committed)
	if err == nil {
		var topics []string
		for topic, partitions := range to {
			topics = append(topics, topic)
			s.Partitions += len(partitions)
		}
		err = c.lag(ctx, &s, topics, math.MaxInt32, committed, to, now)
	}
	if errors.Is(err, kerr.TopicAuthorizationFailed) { // others' topics are others'
		s.LagSeconds, err = -1, nil
	}
	return s, true, err
}

// mostLetters is up to how many dead letters of a stage are counted one by one.
const mostLetters = 10_000

// allLetters counts the dead letters of each stage and of the rim.
func (c *Client) allLetters(ctx context.Context, t *topologies.Topology, ends kadm.ListedOffsets) ([]Letters, error) {
	words := []string{topologies.IngestRole, topologies.DeliveryRole}
	for _, s := range t.Stages() {
		words = append(words, s.Word)
	}
	var topics []string
	for _, word := range words {
		topics = append(topics, topologies.DeadLetters(word).Name)
	}
	starts, err := c.admin.ListStartOffsets(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("beginnings of the dead letters: %w", err)
	}
	all := []Letters{}
	for i, word := range words {
		extent := total(ends, topics[i]) - max(0, total(starts, topics[i]))
		if extent <= 0 {
			continue
		}
		one, err := c.letters(ctx, word, extent)
		if err != nil {
			return nil, err
		}
		if one.Count > 0 { // not only markers, and what was removed
			all = append(all, one)
		}
	}
	return all, nil
}

// letters counts those of a word, of which there are as many as offsets at most.
func (c *Client) letters(ctx context.Context, word string, extent int64) (Letters, error) {
	one, stream, newest := Letters{Name: word}, topologies.DeadLetters(word), []byte(nil)
	count := func(r *kgo.Record) error {
		if r.Value != nil {
			one.Count++
			if !r.Timestamp.Before(one.Newest) {
				one.Newest, newest = r.Timestamp, slices.Clone(r.Value)
			}
		}
		return nil
	}
	var err error
	if extent <= mostLetters {
		err = c.Scan(ctx, stream.Name, EveryPartition, count)
	} else if err = c.tail(ctx, stream.Name, count); one.Count > 0 {
		one.Count, one.AtMost = extent, true
	}
	if err != nil || newest == nil {
		return one, err
	}
	letter, err := stream.Codec.Decode(newest)
	if err != nil {
		return one, fmt.Errorf("the newest dead letter of %s: %w", word, err)
	}
	one.Reason = letter.Reason
	return one, nil
}
