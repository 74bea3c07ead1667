package cluster_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kairos/cmd/internal/cluster"
	"kairos/topologies"
)

func embedded(t *testing.T) (*kfake.Cluster, *cluster.Client) {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	client, err := cluster.Connect(t.Context(), broker.ListenAddrs())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return broker, client
}

func topology(t *testing.T, change func(*topologies.Config)) *topologies.Topology {
	t.Helper()
	config := topologies.DefaultConfig()
	config.Destinations = []string{"app"}
	if change != nil {
		change(&config)
	}
	built, err := topologies.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return built
}

func apply(t *testing.T, client *cluster.Client, declared *topologies.Topology) cluster.Applied {
	t.Helper()
	applied, err := client.Apply(t.Context(), declared)
	if err != nil {
		t.Fatal(err)
	}
	return applied
}

func TestApplyCreatesEveryTopicAndThenNothingDiffers(t *testing.T) {
	_, client := embedded(t)
	declared := topology(t, nil)
	if applied := apply(t, client, declared); len(applied.Created) != len(declared.Topics()) {
		t.Errorf("created %d of %d topics", len(applied.Created), len(declared.Topics()))
	}
	differences, err := client.Diff(t.Context(), declared)
	if err != nil || len(differences) > 0 {
		t.Errorf("after apply: %v, %v", differences, err)
	}
	if again := apply(t, client, declared); len(again.Created)+len(again.Changed)+len(again.Refused) > 0 {
		t.Errorf("applying twice did something: %+v", again)
	}
}

func TestASettingThatSomebodyChangedIsSetBack(t *testing.T) {
	_, client := embedded(t)
	declared := topology(t, nil)
	apply(t, client, declared)
	hour := "3600000"
	if _, err := client.Admin().AlterTopicConfigs(t.Context(),
		[]kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &hour}}, topologies.Events.Name); err != nil {
		t.Fatal(err)
	}
	want := cluster.Difference{Topic: "kairos.door.events", What: "retention.ms", Want: "34560000000", Have: hour}
	differences, err := client.Diff(t.Context(), declared)
	if err != nil || !slices.Equal(differences, []cluster.Difference{want}) {
		t.Fatalf("got %v, %v; want %v", differences, err, want)
	}
	if applied := apply(t, client, declared); !slices.Equal(applied.Changed, []cluster.Difference{want}) {
		t.Errorf("changed %v", applied.Changed)
	}
	if differences, _ := client.Diff(t.Context(), declared); len(differences) > 0 {
		t.Errorf("still differs: %v", differences)
	}
}

func TestPartitionsAreNeverChanged(t *testing.T) {
	_, client := embedded(t)
	apply(t, client, topology(t, nil))
	applied := apply(t, client, topology(t, func(c *topologies.Config) { c.Partitions = 12 }))
	if len(applied.Refused) == 0 || applied.Refused[0].What != cluster.Partitions || len(applied.Changed) > 0 {
		t.Errorf("got %+v", applied)
	}
	details, err := client.Admin().ListTopics(t.Context(), topologies.Events.Name)
	if err != nil || len(details[topologies.Events.Name].Partitions) != 4 {
		t.Errorf("the topic has %d partitions now, %v", len(details[topologies.Events.Name].Partitions), err)
	}
}

func TestApplyWaitsForLeadersThatAreNotElectedYet(t *testing.T) {
	broker, client := embedded(t)
	var refused int
	broker.ControlKey(int16(kmsg.ListOffsets), func(request kmsg.Request) (kmsg.Response, error, bool) {
		if refused++; refused == 3 {
			return nil, nil, false
		}
		broker.KeepControl()
		asked := request.(*kmsg.ListOffsetsRequest)
		answer := asked.ResponseKind().(*kmsg.ListOffsetsResponse)
		for _, topic := range asked.Topics {
			about := kmsg.NewListOffsetsResponseTopic()
			about.Topic = topic.Topic
			for _, p := range topic.Partitions {
				partition := kmsg.NewListOffsetsResponseTopicPartition()
				partition.Partition, partition.ErrorCode = p.Partition, kerr.NotLeaderForPartition.Code
				about.Partitions = append(about.Partitions, partition)
			}
			answer.Topics = append(answer.Topics, about)
		}
		return answer, nil, true
	})
	apply(t, client, topology(t, nil))
	if refused < 3 {
		t.Errorf("apply asked for offsets %d times: it did not wait for leaders", refused)
	}
}

func TestCheckTellsWhatIsWrong(t *testing.T) {
	_, client := embedded(t)
	declared := topology(t, nil)
	before, err := client.Check(t.Context(), declared)
	if err != nil {
		t.Fatal(err)
	}
	if !said(before, cluster.Wrong, "23 of 23 do not exist") || !said(before, cluster.Fine, "2 (") {
		t.Errorf("before apply: %+v", before)
	}
	apply(t, client, topology(t, func(c *topologies.Config) { c.Destinations = []string{"app", "mail"} }))
	after, err := client.Check(t.Context(), declared)
	if err != nil {
		t.Fatal(err)
	}
	if !said(after, cluster.Fine, "all as declared") || !said(after, cluster.Hint, "kairos.destination.mail is not declared") {
		t.Errorf("after apply: %+v", after)
	}
}

func TestCheckRefusesTheOldTransactionProtocol(t *testing.T) {
	_, client := embedded(t)
	request := kmsg.NewPtrUpdateFeaturesRequest()
	update := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
	update.Feature, update.MaxVersionLevel, update.UpgradeType = "transaction.version", 1, 2
	request.FeatureUpdates = append(request.FeatureUpdates, update)
	if response, err := request.RequestWith(t.Context(), client.Client); err != nil || response.ErrorCode != 0 {
		t.Fatalf("lower transaction.version: %+v, %v", response, err)
	}
	findings, err := client.Check(t.Context(), topology(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	if !said(findings, cluster.Wrong, "below 2") {
		t.Errorf("got %+v", findings)
	}
}

func TestABrokerThatDoesNotAnswerIsNamedWithTheNextMove(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := cluster.Connect(ctx, []string{"127.0.0.1:1"})
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") || !strings.Contains(err.Error(), "--brokers") {
		t.Errorf("got %v", err)
	}
}

func said(findings []cluster.Finding, level cluster.Level, words string) bool {
	return slices.ContainsFunc(findings, func(f cluster.Finding) bool {
		return f.Level == level && strings.Contains(f.Detail, words)
	})
}
