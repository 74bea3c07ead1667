package topologies_test

import (
	"os"
	"strings"
	"testing"

	"kairos/topologies"
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
	shown, tail, ok2 := strings.Cut(rest, after)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the diagram, between %q and %q", path, before, after)
	}
	topology, err := topologies.New(topologies.Config{Partitions: 4, Replication: 1, Chained: true, Destinations: []string{"app"}})
	if err != nil {
		t.Fatal(err)
	}
	want := topology.Diagram()
	if shown == want {
		return
	}
	if !*rewrite {
		t.Fatalf("the diagram in %s is not the topology's: run 'make generate' and review the diff", path)
	}
	if err := os.WriteFile(path, []byte(head+before+want+after+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}
