package delivery

import (
	"fmt"
	"sync/atomic"
)

// Group is the consumer group that tells a destination by requests.
func Group(destination string) string { return "kairos." + Word + "." + destination }

// FilesGroup is the consumer group that writes a destination's files. No
// destination can be called so that the two kinds of groups meet.
func FilesGroup(destination string) string { return Group(destination) + "/files" }

// member is our place in a group: whether Kafka has let us in. With more
// processes than partitions, some are in and have none.
type member struct{ in atomic.Bool }

// waits says that a group has not let us in; empty once it has.
func (m *member) waits(group string) string {
	if m.in.Load() {
		return ""
	}
	return fmt.Sprintf("Kafka has not let us into the group %s yet", group)
}
