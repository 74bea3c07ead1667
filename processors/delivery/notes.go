package delivery

import (
	"context"
	"errors"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// committed is an offset with what was written beside it.
type committed struct {
	at   int64 // -1: nothing is
	text string
}

// committedNotes asks what a group has committed. What it cannot learn is as if
// nothing were.
func committedNotes(ctx context.Context, client *kgo.Client, group, topic string, partitions []int32, logger *slog.Logger) map[int32]committed {
	all := map[int32]committed{}
	if len(partitions) == 0 {
		return all
	}
	found, err := kadm.NewClient(client).FetchOffsetsForTopics(ctx, group, topic)
	if err != nil {
		logger.Warn("what was told last is not known: some will be told twice", "topic", topic, "error", err)
	}
	for _, p := range partitions {
		all[p] = committed{at: -1}
		if c, there := found.Lookup(topic, p); there && c.Err == nil {
			all[p] = committed{c.At, c.Metadata}
		}
	}
	return all
}

// commitNotes commits offsets, with a text beside each.
func commitNotes(ctx context.Context, reader *kgo.Client, topic string, offsets map[int32]int64, notes map[int32]string) (err error) {
	at := map[int32]kgo.EpochOffset{}
	for number, offset := range offsets {
		at[number] = kgo.EpochOffset{Epoch: -1, Offset: offset}
	}
	ctx = kgo.PreCommitFnContext(ctx, func(request *kmsg.OffsetCommitRequest) error {
		for i := range request.Topics {
			for j := range request.Topics[i].Partitions {
				p := &request.Topics[i].Partitions[j]
				text := notes[p.Partition]
				p.Metadata = &text
			}
		}
		return nil
	})
	reader.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{topic: at}, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, response *kmsg.OffsetCommitResponse, failed error) {
		if err = failed; err != nil {
			return
		}
		for _, topic := range response.Topics {
			for _, p := range topic.Partitions {
				err = errors.Join(err, kerr.ErrorForCode(p.ErrorCode))
			}
		}
	})
	return err
}
