package foreign

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"kairos/topologies"
)

// Register puts the schema of each public topic that holds one kind of record
// into a registry, under the topic's name and -value, and says how many there
// are. What is there already stays as it is.
func Register(ctx context.Context, in Registry, t *topologies.Topology) (int, error) {
	registry, err := in.client(30 * time.Second)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, topic := range t.Topics() {
		if !topic.Public || len(topic.Records) != 1 {
			continue
		}
		if _, err := registry.RegisterSchema(ctx, topic.Name+"-value", sr.Schema{Schema: topic.Records[0].Schema(), Type: sr.TypeAvro}, -1, -1); err != nil {
			return n, fmt.Errorf("register the schema of %s at %s: %w", topic.Name, in.URL, explain(err))
		}
		n++
	}
	return n, nil
}
