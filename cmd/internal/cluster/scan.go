package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kairos/topologies"
)

// Every partition of a topic.
const EveryPartition int32 = -1

// quiet is how long a scan waits at a partition's end. A compacted log may end
// in a batch without records, which no consumer is told about. A broker that has
// not answered meanwhile is slow, and what it has may be more.
const quiet = 2 * time.Second

// answers counts what brokers have answered to fetches.
type answers struct {
	mutex sync.Mutex
	of    map[int32]int // by node
}

// OnBrokerE2E implements kgo.HookBrokerE2E.
func (a *answers) OnBrokerE2E(broker kgo.BrokerMetadata, key int16, e2e kgo.BrokerE2E) {
	if kmsg.Key(key) == kmsg.Fetch && e2e.Err() == nil {
		a.mutex.Lock()
		defer a.mutex.Unlock()
		a.of[broker.NodeID]++
	}
}

func (a *answers) forget() {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	clear(a.of)
}

// all reports whether everybody who leads a partition that remains has answered
// twice: the second time to a question that came after the last record.
func (a *answers) all(reader *kgo.Client, topic string, remaining map[int32]int64) bool {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	for p := range remaining {
		if leader, _, err := reader.PartitionLeader(topic, p); err != nil || a.of[leader] < 2 {
			return false
		}
	}
	return true
}

// Scan gives every committed record that a topic holds when Scan is called, in
// the order of each partition, to f. A topic that does not exist has none.
func (c *Client) Scan(ctx context.Context, topic string, partition int32, f func(*kgo.Record) error) error {
	remaining, starts, err := c.extent(ctx, topic, partition)
	if err != nil {
		return err
	}
	return c.read(ctx, topic, remaining, starts, f)
}

// ScanRaw is Scan of what lies there: sealed records as they are, and what was
// never committed too.
func (c *Client) ScanRaw(ctx context.Context, topic string, f func(*kgo.Record) error) error {
	ends, starts, err := c.extentTo(ctx, topic, EveryPartition, c.admin.ListEndOffsets)
	if err != nil {
		return err
	}
	return c.fetch(ctx, topic, ends, starts, kgo.ReadUncommitted(), f)
}

// read gives the committed records between starts and ends.
func (c *Client) read(ctx context.Context, topic string, remaining map[int32]int64, starts map[int32]kgo.Offset, f func(*kgo.Record) error) error {
	if topic == topologies.Events.Name {
		f = c.unsealing(ctx, f)
	}
	return c.fetch(ctx, topic, remaining, starts, kgo.ReadCommitted(), f)
}

func (c *Client) fetch(ctx context.Context, topic string, remaining map[int32]int64, starts map[int32]kgo.Offset, level kgo.IsolationLevel, f func(*kgo.Record) error) error {
	if len(remaining) == 0 {
		return nil
	}
	heard := &answers{of: map[int32]int{}}
	reader, err := kgo.NewClient(append(c.Opts(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: starts}),
		kgo.FetchIsolationLevel(level),
		kgo.KeepControlRecords(), // the end may be one
		kgo.FetchMaxWait(100*time.Millisecond),
		kgo.WithHooks(heard),
	)...)
	if err != nil {
		return fmt.Errorf("read %s: %w", topic, err)
	}
	defer reader.Close()
	for last := time.Now(); len(remaining) > 0; {
		short, cancel := context.WithTimeout(ctx, quiet)
		fetches := reader.PollFetches(short)
		cancel()
		if ctx.Err() != nil {
			return fmt.Errorf("read %s: %w", topic, ctx.Err())
		}
		if fetches.NumRecords() == 0 && time.Since(last) >= quiet && heard.all(reader, topic, remaining) {
			return nil
		}
		for _, e := range fetches.Errors() {
			// What may pass is tried again until ctx ends.
			if refused := new(kerr.Error); errors.As(e.Err, &refused) && !refused.Retriable {
				return fmt.Errorf("read %s, partition %d: %w", topic, e.Partition, e.Err)
			}
		}
		if err := take(fetches, remaining, f); err != nil {
			return err
		}
		if fetches.NumRecords() > 0 {
			last = time.Now()
			heard.forget()
		}
	}
	return nil
}

// take hands on the records that lie before the ends and forgets partitions
// that are read.
func take(fetches kgo.Fetches, ends map[int32]int64, f func(*kgo.Record) error) error {
	var failed error
	fetches.EachRecord(func(r *kgo.Record) {
		end, open := ends[r.Partition]
		if !open || failed != nil {
			return
		}
		if r.Offset < end && !r.Attrs.IsControl() {
			failed = f(r)
		}
		if r.Offset >= end-1 {
			delete(ends, r.Partition)
		}
	})
	return failed
}

// extent returns where the partitions that hold anything start and end.
func (c *Client) extent(ctx context.Context, topic string, partition int32) (ends map[int32]int64, starts map[int32]kgo.Offset, err error) {
	return c.extentTo(ctx, topic, partition, c.admin.ListCommittedOffsets)
}

// listing asks for offsets of topics.
type listing func(ctx context.Context, topics ...string) (kadm.ListedOffsets, error)

func (c *Client) extentTo(ctx context.Context, topic string, partition int32, upTo listing) (ends map[int32]int64, starts map[int32]kgo.Offset, err error) {
	details, err := c.listTopics(ctx, topic)
	if err != nil {
		return nil, nil, err
	}
	if err := details[topic].Err; errors.Is(err, kerr.TopicAuthorizationFailed) {
		return nil, nil, fmt.Errorf("look at topic %s: %w", topic, err)
	}
	if details[topic].Err != nil || !details.Has(topic) {
		return nil, nil, nil
	}
	committed, err := upTo(ctx, topic)
	if err != nil {
		return nil, nil, fmt.Errorf("find the end of %s: %w", topic, err)
	}
	first, err := c.admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, nil, fmt.Errorf("find the start of %s: %w", topic, err)
	}
	counted, err := c.counted(ctx, topic)
	if err != nil {
		return nil, nil, err
	}
	ends, starts = map[int32]int64{}, map[int32]kgo.Offset{}
	for p, end := range committed[topic] {
		if p >= counted {
			continue
		}
		start, _ := first.Lookup(topic, p)
		if end.Err != nil || start.Err != nil {
			return nil, nil, fmt.Errorf("find the ends of %s, partition %d: %w", topic, p, firstOf(end.Err, start.Err))
		}
		if (partition == EveryPartition || partition == p) && start.Offset < end.Offset {
			ends[p], starts[p] = end.Offset, kgo.NewOffset().At(start.Offset)
		}
	}
	return ends, starts, nil
}

// Extent is about how many records a topic holds, markers of transactions
// included; 0 if it does not exist.
func (c *Client) Extent(ctx context.Context, topic string) (int64, error) {
	ends, starts, err := c.extent(ctx, topic, EveryPartition)
	n := int64(0)
	for p, end := range ends {
		n += end - starts[p].EpochOffset().Offset
	}
	return n, err
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// PartitionOf is where records of a key lie: murmur2, as the Java client and
// franz-go have it.
func (c *Client) PartitionOf(ctx context.Context, topic, key string) (int32, error) {
	n, err := c.Partitions(ctx, topic)
	if err != nil {
		return 0, err
	}
	return int32(kgo.StickyKeyPartitioner(nil).ForTopic(topic).Partition(&kgo.Record{Key: []byte(key)}, int(n))), nil
}

// Partitions is how many partitions of a topic count.
func (c *Client) Partitions(ctx context.Context, topic string) (int32, error) {
	details, err := c.listTopics(ctx, topic)
	if err != nil {
		return 0, err
	}
	n := len(details[topic].Partitions)
	if n == 0 {
		return 0, fmt.Errorf("topic %s does not exist: run `kairos topology apply`, or name another cluster with --brokers", topic)
	}
	if grown, err := c.Growth(ctx); err != nil || grown != nil && grows(topic) {
		return grown.Counted(), err
	}
	return int32(n), nil
}

// Size tells how many partitions and replicas the topology has on the cluster;
// 0 if it is not there.
func (c *Client) Size(ctx context.Context) (partitions int32, replication int16, err error) {
	details, err := c.listTopics(ctx, topologies.Events.Name)
	if err != nil {
		return 0, 0, err
	}
	found := details[topologies.Events.Name].Partitions
	for _, p := range found {
		replication = max(replication, int16(len(p.Replicas)))
	}
	grown, err := c.Growth(ctx)
	if grown != nil {
		return grown.Partitions, replication, err
	}
	return int32(len(found)), replication, err
}
