package topologies

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// TopicDescription is a topic as `kairos topology topics` lists it.
type TopicDescription struct {
	Name       string    `json:"name"`
	Writer     string    `json:"writer"`
	Readers    []string  `json:"readers"` // stage words
	Key        Key       `json:"key"`
	Partitions int32     `json:"partitions"`
	Replicas   int16     `json:"replicas"`
	Records    []string  `json:"records"` // names of Avro records; ticks aside
	Keeps      string    `json:"keeps"`   // for people: "newest per key" or a number of days
	Public     bool      `json:"public"`  // meant for readers outside
	Doc        string    `json:"doc"`
	Settings   []Setting `json:"settings"`
}

// Describe lists every topic that must exist, sorted by name.
func (t *Topology) Describe() []TopicDescription {
	var all []TopicDescription
	for _, topic := range t.Topics() {
		d := TopicDescription{
			Name: topic.Name, Writer: topic.Writer, Readers: []string{}, Key: topic.Key,
			Partitions: t.PartitionsOf(topic), Replicas: t.Config.Replication,
			Keeps: keeps(topic), Public: topic.Public, Doc: topic.Doc, Settings: t.Settings(topic),
		}
		for _, s := range t.Stages() {
			if s.reads(topic.Name) {
				d.Readers = append(d.Readers, s.Word)
			}
		}
		for _, r := range topic.Records {
			d.Records = append(d.Records, r.Name())
		}
		all = append(all, d)
	}
	return all
}

func (s Stage) reads(topic string) bool {
	for _, in := range s.Inputs {
		if in.Name == topic {
			return true
		}
	}
	return topic == Definitions.Name
}

func keeps(topic Topic) string {
	switch {
	case topic.Retention == Forever:
		return "newest"
	case topic.Retention == 0:
		return "newest per key"
	}
	return fmt.Sprintf("%d days", topic.Retention/(24*time.Hour))
}

// TopicTable renders the topics as an aligned table.
func (t *Topology) TopicTable() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TOPIC\tKEY\tPARTITIONS\tKEEPS\tRECORD\tWRITTEN BY\tREAD BY\tPUBLIC")
	for _, d := range t.Describe() {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\n", d.Name, d.Key, d.Partitions, d.Keeps,
			strings.Join(d.Records, ", "), d.Writer, readers(d.Readers), yes(d.Public))
	}
	w.Flush()
	return trimLines(b.String())
}

func readers(words []string) string {
	switch len(words) {
	case 0:
		return "-"
	case 5:
		return "every stage"
	}
	return strings.Join(words, ", ")
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

func trimLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}
