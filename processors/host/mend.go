package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// A broker that dies right after it has decided a transaction can, when it is
// back, take the transaction for complete without having written its markers
// (seen with Kafka 4.4, one broker killed twice in ten seconds). What the
// transaction wrote then stays pending for ever: its offsets, its rows, and all
// that is behind them for those who read committed. Nobody but its owner knows
// how it was decided, so its owner writes the markers.

// verdicts is how the last transactions of producers ended, by transactional id:
// true if committed.
type verdicts map[string]bool

// ask adds what the coordinator says of the producers of failed batches, before
// they are replaced. All others have been told that theirs committed.
func (v verdicts) ask(ctx context.Context, admin *kadm.Client, failed []*pending) error {
	var ids []string
	for _, p := range failed {
		if _, known := v[p.producer.id]; !known {
			ids = append(ids, p.producer.id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	described, err := admin.DescribeTransactions(ctx, ids...)
	if err != nil {
		return fmt.Errorf("how transactions ended: %w", err)
	}
	for _, id := range ids {
		switch t := described[id]; {
		case errors.Is(t.Err, kerr.TransactionalIDNotFound):
			v[id] = false
		case t.Err != nil:
			return fmt.Errorf("how the transaction of %s ended: %w", id, t.Err)
		default:
			v[id] = t.State == "PrepareCommit" || t.State == "CompleteCommit"
		}
	}
	return nil
}

// mend ends what this host's transactions left pending although the coordinator
// has completed them. It must be allowed to write markers (ClusterAction).
func (r *run) mend(ctx context.Context, ended verdicts) error {
	var ids []string
	for _, p := range r.producers.all {
		ids = append(ids, p.id)
	}
	described, err := r.admin.DescribeTransactions(ctx, ids...)
	if err != nil {
		return err
	}
	owners := map[int64]string{}
	for id, t := range described {
		if t.Err != nil {
			return fmt.Errorf("transaction of %s: %w", id, t.Err)
		}
		if len(t.Topics) > 0 {
			return fmt.Errorf("the transaction of %s is %s: the broker is still at it", id, t.State)
		}
		owners[t.ProducerID] = id
	}
	topics := kadm.TopicsSet{}
	topics.Add("__consumer_offsets")
	for topic := range r.partitionsOf {
		topics.Add(topic)
	}
	active, err := r.admin.DescribeProducers(ctx, topics)
	if err != nil {
		return err
	}
	var markers []kadm.TxnMarkers
	active.EachProducer(func(p kadm.DescribedProducer) {
		id, mine := owners[p.ProducerID]
		if !mine || p.CurrentTxnStartOffset < 0 {
			return
		}
		committed, failed := ended[id]
		marker := kadm.TxnMarkers{
			ProducerID: p.ProducerID, ProducerEpoch: p.ProducerEpoch, Commit: committed || !failed,
			CoordinatorEpoch: max(p.CoordinatorEpoch, 0), Topics: kadm.TopicsSet{},
		}
		marker.Topics.Add(p.Topic, p.Partition)
		markers = append(markers, marker)
		r.config.Logger.Warn("the broker has completed a transaction without its marker; writing it", "topic", p.Topic,
			"partition", p.Partition, "transactional_id", id, "from", p.CurrentTxnStartOffset, "commit", marker.Commit)
	})
	if len(markers) == 0 {
		return nil
	}
	written, err := r.admin.WriteTxnMarkers(ctx, markers...)
	if err == nil {
		written.EachPartition(func(p kadm.TxnMarkersPartitionResponse) { err = errors.Join(err, p.Err) })
	}
	if errors.Is(err, kerr.ClusterAuthorizationFailed) {
		err = fmt.Errorf("%w: our user may not write markers; `kairos topology acls --role=mend --grant=USER` allows it", err)
	}
	return err
}
