package flow_test

import (
	"strings"
	"testing"

	"kairos/processors/definition"
	"kairos/processors/flow"
	"kairos/topologies"
)

func mailPlan() *definition.Plan {
	return &definition.Plan{Destinations: []definition.Destination{{Name: "mail"}}}
}

func TestEveryGroupOfEveryTopologyGetsItsStages(t *testing.T) {
	for _, chained := range []bool{true, false} {
		config := topologies.DefaultConfig()
		config.Chained, config.Destinations = chained, []string{"mail"}
		topology, err := topologies.New(config)
		if err != nil {
			t.Fatal(err)
		}
		for _, group := range topology.Groups {
			r, err := flow.Runner(group, mailPlan())
			if err != nil || r.Group().Name != group.Name {
				t.Fatalf("group %s: %v", group.Name, err)
			}
		}
	}
}

func TestADestinationThatTheTopologyDoesNotHaveIsRefused(t *testing.T) {
	_, err := flow.Runner(topologies.Group{Name: "kairos.destination", Stages: []topologies.Stage{topologies.Destination}}, mailPlan())
	if err == nil || !strings.Contains(err.Error(), "kairos.destination.mail") {
		t.Fatalf("got %v", err)
	}
}

func TestAStageThatDoesNotExistIsRefused(t *testing.T) {
	if _, err := flow.Runner(topologies.Group{Stages: []topologies.Stage{{Word: "magic"}}}, mailPlan()); err == nil {
		t.Fatal("accepted")
	}
}
