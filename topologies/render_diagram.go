package topologies

import (
	"fmt"
	"strings"
)

// Diagram renders the flow as a Mermaid flowchart: stages with the streams
// between them, a box around those that run as one group, and every public
// stream on the right. Tables, dead letters and what operators publish, which
// every stage has or reads, are left out.
func (t *Topology) Diagram() string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	fmt.Fprintf(&b, "  door([door]) -->|\"%s\"| identity\n", shortName(Events.Name))
	for _, g := range t.Groups {
		t.diagramGroup(&b, g)
	}
	for _, e := range t.edges() {
		fmt.Fprintf(&b, "  %s -->|\"%s\"| %s\n", e.from, shortName(e.topic), e.to)
	}
	for _, s := range t.Stages() {
		for _, topic := range s.Outputs {
			if topic.Public {
				fmt.Fprintf(&b, "  %s ==> %s[/\"%s\"/]\n", s.Word, strings.ReplaceAll(topic.Name, ".", "_"), topic.Name)
			}
		}
	}
	return b.String()
}

func (t *Topology) diagramGroup(b *strings.Builder, g Group) {
	if len(g.Stages) == 1 {
		fmt.Fprintf(b, "  %s[%s]\n", g.Stages[0].Word, label(g.Stages[0]))
		return
	}
	fmt.Fprintf(b, "  subgraph chain [\"%s: one transaction\"]\n", g.Name)
	for _, s := range g.Stages {
		fmt.Fprintf(b, "    %s[%s]\n", s.Word, label(s))
	}
	b.WriteString("  end\n")
}

// label breaks the line between the stage's word and what it answers.
func label(s Stage) string {
	return fmt.Sprintf(`"<b>%s</b><br>%s"`, s.Word, strings.TrimSuffix(s.Doc, "."))
}

type edge struct {
	from, topic, to string
}

// edges lists who hears whom, in the order of the flow. Segment's memberships
// have two readers and so two edges.
func (t *Topology) edges() []edge {
	var all []edge
	for _, from := range t.Stages() {
		for _, topic := range from.Outputs {
			for _, to := range t.Stages() {
				if to.reads(topic.Name) {
					all = append(all, edge{from.Word, topic.Name, to.Word})
				}
			}
		}
	}
	return all
}

func shortName(topic string) string { return strings.TrimPrefix(topic, "kairos.") }
