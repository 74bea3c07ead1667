package host

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/IBM/sarama"
)

// session is one generation as Goka sees it: a fixed set of partitions, each
// with one claim through which the records of all its inputs come, in the
// host's order. It commits nothing: marks only tell when a batch is through.
type session struct {
	ctx        context.Context // ends when the generation does, not when the host is asked to stop
	cancel     context.CancelFunc
	member     string
	generation int32
	topics     []string
	claims     map[int32]*claim
	partitions map[int32]*partition

	unmarked atomic.Int64
	through  chan struct{} // one token per batch that is through
	broken   chan struct{} // closed when a claim ends before its time
	breaking sync.Once
	ending   atomic.Bool
	running  sync.WaitGroup
	errs     []error
	errsLock sync.Mutex
}

func newSession(member string, generation int32, topics []string, partitions map[int32]*partition, depth int) *session {
	ctx, cancel := context.WithCancel(context.Background())
	s := &session{
		ctx: ctx, cancel: cancel, member: member, generation: generation, topics: topics,
		claims: map[int32]*claim{}, partitions: partitions,
		through: make(chan struct{}, 1), broken: make(chan struct{}),
	}
	for number := range partitions {
		s.claims[number] = &claim{topics[0], number, make(chan *sarama.ConsumerMessage, depth)}
	}
	return s
}

// run lets the handler set up and consume all claims.
func (s *session) run(handler sarama.ConsumerGroupHandler) error {
	if err := handler.Setup(s); err != nil {
		return fmt.Errorf("set up generation %d: %w", s.generation, err)
	}
	for _, c := range s.claims {
		s.running.Go(func() {
			err := handler.ConsumeClaim(s, c)
			if err != nil {
				s.errsLock.Lock()
				s.errs = append(s.errs, fmt.Errorf("consume partition %d: %w", c.partition, err))
				s.errsLock.Unlock()
			}
			if !s.ending.Load() {
				s.breaking.Do(func() { close(s.broken) })
			}
		})
	}
	return nil
}

// end lets the handler finish. What it says is why the session broke, if it did.
func (s *session) end(handler sarama.ConsumerGroupHandler) error {
	s.ending.Store(true)
	for _, c := range s.claims {
		close(c.messages)
	}
	s.running.Wait()
	err := handler.Cleanup(s)
	s.cancel()
	if err == nil && len(s.errs) > 0 {
		err = s.errs[0]
	}
	return err
}

// expect says that n messages come, and hands out the token when all are marked.
func (s *session) expect(n int64) { s.unmarked.Store(n) }

func (s *session) mark() {
	if s.unmarked.Add(-1) == 0 {
		s.through <- struct{}{}
	}
}

// Claims implements sarama.ConsumerGroupSession.
func (s *session) Claims() map[string][]int32 {
	claims := map[string][]int32{}
	for _, topic := range s.topics {
		for number := range s.partitions {
			claims[topic] = append(claims[topic], number)
		}
	}
	return claims
}

// MemberID implements sarama.ConsumerGroupSession.
func (s *session) MemberID() string { return s.member }

// GenerationID implements sarama.ConsumerGroupSession.
func (s *session) GenerationID() int32 { return s.generation }

// MarkOffset implements sarama.ConsumerGroupSession. The offset does not
// matter: the transaction commits a batch as a whole.
func (s *session) MarkOffset(string, int32, int64, string) { s.mark() }

// Commit implements sarama.ConsumerGroupSession.
func (s *session) Commit() {}

// ResetOffset implements sarama.ConsumerGroupSession.
func (s *session) ResetOffset(string, int32, int64, string) {}

// MarkMessage implements sarama.ConsumerGroupSession.
func (s *session) MarkMessage(*sarama.ConsumerMessage, string) { s.mark() }

// Context implements sarama.ConsumerGroupSession.
func (s *session) Context() context.Context { return s.ctx }

// claim is the one channel of one partition.
type claim struct {
	topic     string
	partition int32
	messages  chan *sarama.ConsumerMessage
}

// Topic implements sarama.ConsumerGroupClaim.
func (c *claim) Topic() string { return c.topic }

// Partition implements sarama.ConsumerGroupClaim.
func (c *claim) Partition() int32 { return c.partition }

// InitialOffset implements sarama.ConsumerGroupClaim.
func (c *claim) InitialOffset() int64 { return 0 }

// HighWaterMarkOffset implements sarama.ConsumerGroupClaim.
func (c *claim) HighWaterMarkOffset() int64 { return 0 }

// Messages implements sarama.ConsumerGroupClaim.
func (c *claim) Messages() <-chan *sarama.ConsumerMessage { return c.messages }
