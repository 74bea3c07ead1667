package pipeline

import (
	"slices"
	"testing"

	"kairos/cmd/internal/catalog"
	"kairos/schemas"
	"kairos/topologies"
)

func topology(t *testing.T, chained bool) *topologies.Topology {
	t.Helper()
	config := topologies.DefaultConfig()
	config.Chained = chained
	built, err := topologies.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return built
}

func TestGroupsAreChosenByAnyOfTheirNames(t *testing.T) {
	for _, c := range []struct {
		chained bool
		words   []string
		want    []string
	}{
		{true, nil, []string{"kairos.identity", "kairos.person"}},
		{true, []string{"person"}, []string{"kairos.person"}},
		{true, []string{"segment", "profile", "identity"}, []string{"kairos.person", "kairos.identity"}},
		{false, []string{"segment", "profile"}, []string{"kairos.segment", "kairos.profile"}},
	} {
		groups, err := Choose(topology(t, c.chained), c.words)
		var got []string
		for _, g := range groups {
			got = append(got, g.Name)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%v: got %v, %v", c.words, got, err)
		}
	}
	if _, err := Choose(topology(t, false), []string{"person"}); err == nil {
		t.Error("a chain was chosen from a topology without one")
	}
}

func TestOnlyStagesThatAChangeConcernsSweep(t *testing.T) {
	before := catalog.Published{{Kind: "audience", Name: "a", Version: 1, Text: "x"}, {Kind: "destination", Name: "d", Version: 1, Text: "x"}, {Kind: "identity", Name: "identity", Version: 3, Text: "x"}}
	for _, c := range []struct {
		change schemas.Definition
		want   []string
	}{
		{schemas.Definition{Kind: "audience", Name: "a", Version: 2, Text: "y"}, []string{"profile", "segment", "propensity"}},
		{schemas.Definition{Kind: "audience", Name: "a", Version: 2}, []string{"profile", "segment", "propensity"}},
		{schemas.Definition{Kind: "destination", Name: "d", Version: 2, Text: "y"}, []string{"profile", "destination"}},
		{schemas.Definition{Kind: "identity", Name: "identity", Version: 4, Text: "y"}, []string{"identity"}},
		{schemas.Definition{Kind: "event", Name: "e", Version: 1, Text: "y"}, nil},
		{before[0], nil},
	} {
		if got := sweptBy(changedKinds(before, catalog.Published{c.change})); !slices.Equal(got, c.want) {
			t.Errorf("%s %s version %d: %v sweep, want %v", c.change.Kind, c.change.Name, c.change.Version, got, c.want)
		}
	}
}
