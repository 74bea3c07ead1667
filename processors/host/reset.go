package host

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// reset throws away what is not committed and begins again from what is, after
// it has made sure that nothing is undecided.
func (r *run) reset(failed []*pending) error {
	cause := *failed[0].failure.Load()
	if errors.Is(cause, kerr.FencedInstanceID) {
		return fmt.Errorf("%w (%w)", ErrFenced, cause)
	}
	r.config.Logger.Warn("a transaction failed; its batch is undone and done again", "error", cause, "open", len(failed))
	ended, unstable, gone := verdicts{}, 0, r.goneOf(failed)
	return retry(r.ctx, 0, func() error {
		err := ended.ask(r.ctx, r.admin, failed)
		for len(failed) > 0 && err == nil {
			if err = r.producers.replace(r.ctx, failed[0].producer); err == nil {
				failed = failed[1:]
			}
		}
		if err == nil && len(gone) > 0 {
			err = r.readOffsets(r.ctx, gone)
		}
		if err == nil {
			err = r.restart()
		}
		if errors.Is(err, kerr.UnstableOffsetCommit) {
			if unstable++; unstable >= patientTries {
				mended := r.mend(r.ctx, ended)
				if mended == nil {
					gone = nil // what is pending there now is the work of who has them
				}
				err = errors.Join(err, mended)
			}
		}
		if err != nil && r.ctx.Err() == nil {
			r.config.Logger.Warn("cannot yet tell how a transaction ended, asking again", "error", err)
		}
		return err
	})
}

// goneOf are partitions of failed batches that this host has no more: a broker
// that was away has ended its membership. Until their offsets are decided nobody
// gets them, not even this host, and nobody else can say how its transactions
// ended.
func (r *run) goneOf(failed []*pending) []*partition {
	var gone []*partition
	for _, p := range failed {
		for _, s := range p.batch.shares {
			if r.owned[s.partition.number] != s.partition && !slices.Contains(gone, s.partition) {
				gone = append(gone, s.partition)
			}
		}
	}
	return gone
}

// patientTries is how often, a second apart in the end, offsets may be pending
// before somebody must mend that: a broker that is well is faster.
const patientTries = 12

// restart brings all owned partitions to what is committed now.
func (r *run) restart() error {
	var ps []*partition
	for _, number := range r.numbers() {
		ps = append(ps, r.owned[number])
	}
	if err := r.readOffsets(r.ctx, ps); err != nil {
		return err
	}
	if err := r.resolveStarts(r.ctx, ps); err != nil {
		return err
	}
	if err := r.recover(r.ctx, ps); err != nil {
		return err
	}
	r.showRecovered(ps)
	offsets := map[string]map[int32]kgo.EpochOffset{}
	for _, p := range ps {
		for topic, next := range p.next {
			if offsets[topic] == nil {
				offsets[topic] = map[int32]kgo.EpochOffset{}
			}
			offsets[topic][p.number] = kgo.EpochOffset{Epoch: -1, Offset: next}
		}
	}
	r.client.SetOffsets(offsets)
	r.rewound = true
	return nil
}

// readOffsets asks for the committed offsets of partitions, after all pending
// ones are decided.
func (r *run) readOffsets(ctx context.Context, ps []*partition) error {
	group := kmsg.NewOffsetFetchRequestGroup()
	group.Group = r.config.Group.Name
	for _, topic := range r.inputs {
		t := kmsg.NewOffsetFetchRequestGroupTopic()
		t.Topic, t.TopicID = topic, r.topicIDs[topic]
		for _, p := range ps {
			if r.has(topic, p.number) {
				t.Partitions = append(t.Partitions, p.number)
			}
		}
		group.Topics = append(group.Topics, t)
	}
	req := kmsg.NewPtrOffsetFetchRequest()
	req.RequireStable = true
	req.Groups = append(req.Groups, group)
	resp, err := req.RequestWith(ctx, r.client)
	if err != nil {
		return err
	}
	if len(resp.Groups) != 1 {
		return fmt.Errorf("asked for the offsets of one group, got %d", len(resp.Groups))
	}
	if err := kerr.ErrorForCode(resp.Groups[0].ErrorCode); err != nil {
		return err
	}
	return r.takeOffsets(ps, resp.Groups[0].Topics)
}

func (r *run) takeOffsets(ps []*partition, topics []kmsg.OffsetFetchResponseGroupTopic) error {
	names := map[[16]byte]string{}
	for _, topic := range r.inputs {
		names[r.topicIDs[topic]] = topic
	}
	for _, t := range topics {
		name := t.Topic
		if name == "" {
			name = names[t.TopicID]
		}
		for _, got := range t.Partitions {
			if err := kerr.ErrorForCode(got.ErrorCode); err != nil {
				return fmt.Errorf("committed offset of %s/%d: %w", name, got.Partition, err)
			}
			for _, p := range ps {
				if p.number == got.Partition {
					p.next[name] = got.Offset // -1: none
				}
			}
		}
	}
	return nil
}
