package cluster_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kairos/cmd/internal/cluster"
	"kairos/schemas"
	"kairos/topologies"
)

// worked leaves what a group leaves that has done something: a row, offsets.
func worked(t *testing.T, client *cluster.Client, table topologies.Topic, key string) {
	t.Helper()
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: table.Name, Key: []byte(key), Value: []byte("row")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func offsets(t *testing.T, client *cluster.Client, group string, input topologies.Topic) {
	t.Helper()
	done := kadm.Offsets{}
	done.AddOffset(input.Name, 0, 7, -1)
	if err := client.Admin().CommitAllOffsets(t.Context(), group, done); err != nil {
		t.Fatal(err)
	}
}

func mustNotStart(t *testing.T, client *cluster.Client, declared *topologies.Topology, groups []topologies.Group, words string) {
	t.Helper()
	var refused *cluster.HistoryError
	if err := client.Continues(t.Context(), declared, groups); !errors.As(err, &refused) || !strings.Contains(err.Error(), words) {
		t.Errorf("want a refusal with %q, got %v", words, err)
	}
}

func TestStagesDoNotMoveIntoOtherGroupsOnceTheyHaveWorked(t *testing.T) {
	_, client := embedded(t)
	chained, separate := topology(t, nil), topology(t, func(c *topologies.Config) { c.Chained = false })
	apply(t, client, separate)
	for _, declared := range []*topologies.Topology{chained, separate} {
		if err := client.Continues(t.Context(), declared, declared.Groups); err != nil {
			t.Errorf("on a new cluster: %v", err)
		}
	}
	worked(t, client, topologies.ProfileTable.Topic, "sarah")
	offsets(t, client, "kairos.person", topologies.PersonEvents.Topic)
	if err := client.Continues(t.Context(), chained, chained.Groups); err != nil {
		t.Errorf("the chain itself: %v", err)
	}
	if err := client.Continues(t.Context(), separate, separate.Groups[:1]); err != nil {
		t.Errorf("identity, which is a group of its own either way: %v", err)
	}
	mustNotStart(t, client, separate, separate.Groups, "group kairos.person has worked on them")
}

func TestAGroupWhoseOffsetsExpiredDoesNotStartOverItsRows(t *testing.T) {
	_, client := embedded(t)
	declared := topology(t, nil)
	apply(t, client, declared)
	worked(t, client, topologies.IdentityTable.Topic, schemas.HostKey)
	if err := client.Continues(t.Context(), declared, declared.Groups); err != nil {
		t.Errorf("the host's own note is no row, but: %v", err)
	}
	worked(t, client, topologies.IdentityTable.Topic, "email:sarah@example.org")
	mustNotStart(t, client, declared, declared.Groups, "kairos.identity-table has rows")
	offsets(t, client, "kairos.identity", topologies.Events.Topic)
	if err := client.Continues(t.Context(), declared, declared.Groups); err != nil {
		t.Errorf("with offsets again: %v", err)
	}
}

func TestANewClusterWithoutACoordinatorIsWaitedFor(t *testing.T) {
	broker, client := embedded(t)
	declared := topology(t, nil)
	apply(t, client, declared)
	var asked atomic.Int32
	broker.ControlKey(int16(kmsg.OffsetFetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		if asked.Add(1) > 3 {
			return nil, nil, false
		}
		answer := request.ResponseKind().(*kmsg.OffsetFetchResponse)
		for _, g := range request.(*kmsg.OffsetFetchRequest).Groups {
			about := kmsg.NewOffsetFetchResponseGroup()
			about.Group, about.ErrorCode = g.Group, kerr.CoordinatorNotAvailable.Code
			answer.Groups = append(answer.Groups, about)
		}
		return answer, nil, true
	})
	if err := client.Continues(t.Context(), declared, declared.Groups); err != nil || asked.Load() <= 3 {
		t.Errorf("asked %d times: %v", asked.Load(), err)
	}
}
