package host

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// producers are transactional producers that take turns. A transaction that
// follows another one of the same producer waits until the markers of that one
// are written; with a few producers nobody comes back so soon.
type producers struct {
	config  Config
	limitOf func(topic string) int // of a batch
	largest int                    // of these limits
	all     []*producer
	free    []*producer // by when their last turn was over
}

// producerRest is how long the markers of a transaction take at most, as a rule.
const producerRest = 200 * time.Millisecond

// requestBytes bounds the memory in which a client makes requests: it grows to the
// largest one, for each producer, again and again where it is rarely used.
const requestBytes = 4 << 20

// producer has one transactional id.
type producer struct {
	id     string
	client *kgo.Client
	over   time.Time // its last turn
}

// instanceOf is what a run's producers are called by.
func instanceOf(c Config) (string, error) {
	if c.InstanceID != "" {
		return c.InstanceID, nil
	}
	var random [8]byte
	_, err := rand.Read(random[:])
	return hex.EncodeToString(random[:]), err
}

// newProducers connects all producers. That fences and aborts what a former
// life of the same InstanceID has left behind. Without InstanceID the ids are
// new ones, and those who take over end what was left behind (endOrphans).
func newProducers(ctx context.Context, c Config, instance string, limitOf func(string) int, largest int) (*producers, error) {
	ps := &producers{config: c, limitOf: limitOf, largest: largest}
	for n := range c.Producers {
		p := &producer{id: transactionalID(c.Group.Name, instance, n)}
		ps.all = append(ps.all, p)
	}
	ps.free = slices.Clone(ps.all)
	for _, p := range ps.all {
		if err := ps.connect(ctx, p); err != nil {
			ps.close()
			return nil, err
		}
	}
	return ps, nil
}

func transactionalID(group, instance string, n int) string {
	return fmt.Sprintf("%s-%s-%d", group, instance, n)
}

func (ps *producers) connect(ctx context.Context, p *producer) error {
	client, err := kgo.NewClient(append(slices.Clone(ps.config.Kafka),
		kgo.ClientID("kairos-host"),
		kgo.WithLogger(kafkaLogger{ps.config.Logger}),
		kgo.TransactionalID(p.id),
		kgo.TransactionTimeout(ps.config.TransactionTimeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(time.Second), // everything is there before the flush, which does not linger: one request, one batch a partition
		kgo.MaxBufferedRecords(1<<20),
		kgo.BrokerMaxWriteBytes(int32(min(max(requestBytes, ps.largest+framing), 1<<30))),
		kgo.ProducerBatchMaxBytesFn(func(topic string) int32 { return int32(ps.limitOf(topic)) }),
		kgo.UnknownTopicRetries(20),
		kgo.RetryBackoffFn(producerBackoff),
	)...)
	if err != nil {
		return err
	}
	p.client = client
	// The broker's features must be known before the first transaction, or it
	// would run under the older protocol.
	if _, _, err = client.ProducerID(ctx); err != nil {
		return fmt.Errorf("transactional id %s: %w", p.id, err)
	}
	return nil
}

// producerBackoff is how long a producer waits before it tries again. If markers took
// longer than producerRest, a broker says so to who begins anew, and everybody behind
// waits too: a client's quarter of a second would be seen in latencies.
func producerBackoff(fails int) time.Duration {
	return min(5*time.Millisecond<<min(max(fails-1, 0), 10), time.Second)
}

// next gives somebody a turn: who had the last one of those that have rested, as
// the memory of its client is still there, or else who has rested longest.
func (ps *producers) next(now time.Time) *producer {
	i := len(ps.free) - 1
	for i > 0 && now.Sub(ps.free[i].over) < producerRest {
		i--
	}
	p := ps.free[i]
	ps.free = slices.Delete(ps.free, i, i+1)
	return p
}

// done ends p's turn.
func (ps *producers) done(p *producer, now time.Time) {
	p.over = now
	ps.free = append(ps.free, p)
}

// replace makes sure that nothing of p's last transaction is undecided: a new
// client with the same id fences and aborts it, or waits until its commit is
// complete, if that is how far it came.
func (ps *producers) replace(ctx context.Context, p *producer) error {
	p.client.Close()
	if err := ps.connect(ctx, p); err != nil {
		return err
	}
	ps.done(p, time.Now())
	return nil
}

func (ps *producers) close() {
	if ps == nil {
		return
	}
	for _, p := range ps.all {
		if p.client != nil {
			p.client.Close()
		}
	}
}

// write begins a transaction and writes its records. After an error of this or
// of what follows, nobody knows how the transaction ended until p is replaced.
func (p *producer) write(ctx context.Context, outputs []output) error {
	if err := p.client.BeginTransaction(); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	var first atomic.Pointer[error]
	promise := func(record *kgo.Record, err error) {
		if err != nil {
			failed := fmt.Errorf("write to %s: %w", record.Topic, err) // of its own: err would be in memory of its own for each record
			first.CompareAndSwap(nil, &failed)
		}
	}
	for i := range outputs {
		p.client.Produce(ctx, outputs[i].record, promise)
	}
	if err := p.client.Flush(ctx); err != nil {
		return err
	}
	if err := first.Load(); err != nil {
		return *err
	}
	return nil
}

// end commits the transaction.
func (p *producer) end(ctx context.Context) error {
	if err := p.client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// commitOffsets makes offsets part of the transaction, if member and generation
// are still the group's.
func (p *producer) commitOffsets(ctx context.Context, req *kmsg.TxnOffsetCommitRequest) error {
	if err := retryLoading(ctx, func() error { return offer(ctx, p.client, p.id, req) }); err != nil {
		return fmt.Errorf("commit offsets: %w", err)
	}
	return nil
}

// offer asks once to make offsets part of the transaction that the client with
// this transactional id is in.
func offer(ctx context.Context, client *kgo.Client, transactional string, req *kmsg.TxnOffsetCommitRequest) error {
	id, epoch, err := client.ProducerID(ctx)
	if err != nil {
		return err
	}
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = transactional, id, epoch
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	for _, t := range resp.Topics {
		for _, partition := range t.Partitions {
			if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
				return err
			}
		}
	}
	return nil
}

// retryLoading repeats f while the group's coordinator moves or wakes up, or
// the former transaction's markers are still being written.
func retryLoading(ctx context.Context, f func() error) error {
	var last error
	err := retry(ctx, 0, func() error {
		last = f()
		if errors.Is(last, kerr.CoordinatorLoadInProgress) || errors.Is(last, kerr.NotCoordinator) ||
			errors.Is(last, kerr.CoordinatorNotAvailable) || errors.Is(last, kerr.ConcurrentTransactions) {
			return last
		}
		return nil
	})
	return errors.Join(last, err)
}

// requireTransactions refuses a cluster without the second version of the
// transaction protocol (KIP-890, Kafka 4.0): older ones can tear a transaction.
func requireTransactions(ctx context.Context, client *kgo.Client) error {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "kairos", "1"
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("ask for the features of the cluster: %w", err)
	}
	for _, f := range resp.FinalizedFeatures {
		if f.Name == "transaction.version" && f.MaxVersionLevel >= 2 {
			return nil
		}
	}
	return permanentError{errors.New("the cluster's transaction.version is below 2: upgrade to Kafka 4.0 or later, then kafka-features upgrade --feature transaction.version=2")}
}
