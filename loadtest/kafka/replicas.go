package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// WithoutReplicas is what an embedded broker is to answer to be one whose
// replicas are away: nothing of the request is written.
func WithoutReplicas(asked *kmsg.ProduceRequest) *kmsg.ProduceResponse {
	answer := asked.ResponseKind().(*kmsg.ProduceResponse)
	for _, topic := range asked.Topics {
		about := kmsg.NewProduceResponseTopic()
		about.Topic, about.TopicID = topic.Topic, topic.TopicID
		for _, p := range topic.Partitions {
			partition := kmsg.NewProduceResponseTopicPartition()
			partition.Partition, partition.ErrorCode = p.Partition, kerr.NotEnoughReplicas.Code
			about.Partitions = append(about.Partitions, partition)
		}
		answer.Topics = append(answer.Topics, about)
	}
	return answer
}
