package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/topologies"
)

// ErrOvertaken says that somebody else began to write in the same name.
var ErrOvertaken = errors.New("somebody else writes in the same name")

// Writer writes in transactions, in a name that only the newest Writer has: what
// has been read since it began is still so when it commits, as far as all who
// change it write in that name.
type Writer struct{ producer *kgo.Client }

// Writer begins to write in a name, a transactional id. Whoever began before
// cannot commit any more. Options come on top of those of c.
func (c *Client) Writer(ctx context.Context, name string, options ...kgo.Opt) (*Writer, error) {
	options = append(append(c.Opts(), kgo.TransactionalID(name), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerBatchMaxBytes(topologies.MaxBatchBytes)), options...)
	producer, err := kgo.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("begin to write as %s: %w", name, err)
	}
	if _, _, err := producer.ProducerID(ctx); err != nil {
		producer.Close()
		return nil, fmt.Errorf("begin to write as %s: %w", name, err)
	}
	return &Writer{producer}, nil
}

// Write writes all records or none. The error is ErrOvertaken if somebody else
// has begun meanwhile.
func (w *Writer) Write(ctx context.Context, records []*kgo.Record) error {
	err := w.producer.BeginTransaction()
	if err == nil {
		err = w.producer.ProduceSync(ctx, records...).FirstErr()
	}
	end := kgo.TryCommit
	if err != nil {
		end = kgo.TryAbort
	}
	if ended := w.producer.EndTransaction(context.WithoutCancel(ctx), end); err == nil {
		err = ended
	}
	if errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch) {
		return ErrOvertaken
	}
	return err
}

// Close ends the writing.
func (w *Writer) Close() { w.producer.Close() }
