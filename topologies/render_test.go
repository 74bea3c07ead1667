package topologies_test

import (
	"encoding/json"
	"strings"
	"testing"

	"kairos/topologies"
	"kairos/topologies/golden"
)

func sample(t *testing.T, chained bool) *topologies.Topology {
	t.Helper()
	config := topologies.Config{Partitions: 12, Replication: 3, Chained: chained, Destinations: []string{"app", "mail"}}
	topology, err := topologies.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return topology
}

func TestTheChainedTopologyIsRenderedAsReviewed(t *testing.T) {
	topology := sample(t, true)
	golden.File(t, "testdata/chained.mermaid", topology.Diagram())
	golden.File(t, "testdata/chained.topics.txt", topology.TopicTable())
}

func TestTheUnchainedTopologyIsRenderedAsReviewed(t *testing.T) {
	topology := sample(t, false)
	golden.File(t, "testdata/unchained.mermaid", topology.Diagram())
	golden.File(t, "testdata/unchained.topics.txt", topology.TopicTable())
}

func TestTopicsAreDescribedForMachinesAsReviewed(t *testing.T) {
	encoded, err := json.MarshalIndent(sample(t, true).Describe(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.File(t, "testdata/chained.topics.json", string(encoded)+"\n")
}

func TestADeadLetterTopicTakesWhatAnyOtherTopicTakes(t *testing.T) {
	topology := sample(t, true)
	sizes := map[string]string{}
	for _, topic := range topology.Topics() {
		for _, s := range topology.Settings(topic) {
			if s.Name == "max.message.bytes" {
				sizes[topic.Name] = s.Value
			}
		}
	}
	if door, dead := sizes["kairos.door.events"], sizes["kairos.identity.deadletters"]; door != "4194304" || dead != "8388608" {
		t.Errorf("door takes %s bytes, dead letters %s: a dead letter holds a record of the door and its own fields", door, dead)
	}
}

func TestTheACLsOfEachRoleAreRenderedAsReviewed(t *testing.T) {
	golden.File(t, "testdata/chained.acls.txt", topologies.ACLTable(sample(t, true).ACLs()))
	golden.File(t, "testdata/unchained.acls.txt", topologies.ACLTable(sample(t, false).ACLs()))
}

func TestARoleMayWriteNothingButWhatItsStagesDeclare(t *testing.T) {
	for _, chained := range []bool{true, false} {
		topology := sample(t, chained)
		for _, g := range topology.Groups {
			declared := map[string]bool{}
			for _, topic := range g.Outputs() {
				declared[topic.Name] = true
			}
			for _, s := range g.Stages {
				declared[s.Table.Name] = true
			}
			for _, topic := range topology.Topics() {
				may := false
				for _, a := range topology.ACLs(g.Role()) {
					matches := a.Name == topic.Name || a.Prefixed && strings.HasPrefix(topic.Name, a.Name)
					may = may || a.Resource == topologies.OnTopic && a.Operation == topologies.Write && matches
				}
				if may != declared[topic.Name] {
					t.Errorf("%s may write %s: %v; it declares it: %v", g.Role(), topic.Name, may, declared[topic.Name])
				}
			}
		}
	}
}
