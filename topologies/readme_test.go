package topologies_test

import (
	"os"
	"strings"
	"testing"

	"kairos/topologies"
	"kairos/topologies/golden"
)

//go:generate go test -run ^TestTheReadmeShowsTheDiagram$ . -rewrite

func TestTheReadmeShowsTheDiagram(t *testing.T) {
	const (
		path   = "../README.md"
		before = "topologies/ -->\n```mermaid\n"
		after  = "```\n<!-- /diagram -->"
	)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), before)
	_, tail, ok2 := strings.Cut(rest, after)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the diagram, between %q and %q", path, before, after)
	}
	topology, err := topologies.New(topologies.Config{Partitions: 4, Replication: 1, Chained: true, Destinations: []string{"app"}})
	if err != nil {
		t.Fatal(err)
	}
	golden.File(t, path, head+before+topology.Diagram()+after+tail)
}
