package topologies

import (
	"cmp"
	"fmt"
	"slices"
)

// Group is one or several stages that run in one consumer group and one
// transaction: a chain. Streams between stages of a group need no topic.
type Group struct {
	Name   string // consumer group
	Stages []Stage
}

// Config says how large a topology is and how its stages are grouped.
type Config struct {
	Partitions   int32    // of every keyed topic
	Replication  int16    // 1 only on a laptop
	Destinations []string // names, one stream each
	Chained      bool     // profile to destination as one group; otherwise one group per stage
}

// DefaultConfig is what `kairos run` starts from.
func DefaultConfig() Config { return Config{Partitions: 4, Replication: 1, Chained: true} }

// Validate says what is wrong with c and what to do about it.
func (c Config) Validate() error {
	if c.Partitions < 1 || c.Partitions > 10_000 {
		return fmt.Errorf("partitions is %d: choose 1 to 10000", c.Partitions)
	}
	if c.Replication < 1 {
		return fmt.Errorf("replication is %d: choose 3, or 1 for a single broker", c.Replication)
	}
	for _, d := range c.Destinations {
		if !validWord(d) {
			return fmt.Errorf("destination %q cannot be part of a topic name: use a-z, 0-9 and -, at most 60", d)
		}
	}
	return nil
}

func validWord(s string) bool {
	if s == "" || len(s) > 60 {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return false
		}
	}
	return true
}

// Topology is everything that exists.
type Topology struct {
	Config Config
	Groups []Group
}

// New builds the topology. The chain of the stages keyed by person is called
// kairos.person; a stage of its own group is called kairos.<word>.
func New(c Config) (*Topology, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("topology: %w", err)
	}
	destination := Destination
	destinations := slices.Clone(c.Destinations)
	slices.Sort(destinations)
	for _, d := range slices.Compact(destinations) {
		destination.Outputs = append(destination.Outputs, Activations(d).Topic)
	}
	byPerson := []Stage{Profile, Segment, Propensity, destination}
	t := &Topology{Config: c, Groups: []Group{{"kairos.identity", []Stage{Identity}}}}
	if c.Chained {
		t.Groups = append(t.Groups, Group{"kairos.person", byPerson})
		return t, nil
	}
	for _, s := range byPerson {
		t.Groups = append(t.Groups, Group{"kairos." + s.Word, []Stage{s}})
	}
	return t, nil
}

// Stages lists all stages in the order of the flow.
func (t *Topology) Stages() []Stage {
	var all []Stage
	for _, g := range t.Groups {
		all = append(all, g.Stages...)
	}
	return all
}

// Topics lists every topic that must exist, sorted by name. A stream inside a
// group is left out unless it is public.
func (t *Topology) Topics() []Topic {
	byName := map[string]Topic{Events.Name: Events.Topic, Definitions.Name: Definitions.Topic, Imports.Name: Imports.Topic, Keys.Name: Keys.Topic, Growths.Name: Growths.Topic}
	for _, word := range []string{"delivery", "ingest"} { // which are no stages
		byName[DeadLetters(word).Name] = DeadLetters(word).Topic
	}
	for _, g := range t.Groups {
		for _, s := range g.Stages {
			byName[s.Table.Name] = s.Table
			byName[DeadLetters(s.Word).Name] = DeadLetters(s.Word).Topic
			for _, topic := range slices.Concat(s.Inputs, s.Outputs) {
				if topic.Public || !g.Internal(topic.Name) {
					byName[topic.Name] = topic
				}
			}
		}
	}
	topics := make([]Topic, 0, len(byName))
	for _, topic := range byName {
		topics = append(topics, topic)
	}
	slices.SortFunc(topics, func(a, b Topic) int { return cmp.Compare(a.Name, b.Name) })
	return topics
}

// PartitionsOf is the number of partitions of a topic.
func (t *Topology) PartitionsOf(topic Topic) int32 {
	if topic.Partition > 0 {
		return topic.Partition
	}
	return t.Config.Partitions
}

// Grows reports whether a topic has as many partitions as the topology: the
// tables, and what stages read of each other. Public topics keep the number
// that they were made with.
func (t *Topology) Grows(topic string) bool {
	return slices.ContainsFunc(t.Groups, func(g Group) bool {
		return slices.ContainsFunc(g.Stages, func(s Stage) bool { return s.Table.Name == topic }) ||
			slices.ContainsFunc(g.Inputs(), func(in Topic) bool { return in.Name == topic && in.Writer != DoorRole })
	})
}

// Internal reports whether a stream is written by one stage of g and read by
// another one, so that it needs no topic for g itself. A stage's loop is not
// internal: it leads to other keys.
func (g Group) Internal(topic string) bool {
	writer, reader := -1, -1
	for i, s := range g.Stages {
		if slices.ContainsFunc(s.Outputs, named(topic)) {
			writer = i
		}
		if slices.ContainsFunc(s.Inputs, named(topic)) {
			reader = i
		}
	}
	return writer >= 0 && reader >= 0 && writer != reader
}

func named(name string) func(Topic) bool {
	return func(t Topic) bool { return t.Name == name }
}

// Inputs lists the topics that g consumes, sorted by name.
func (g Group) Inputs() []Topic {
	var inputs []Topic
	for _, s := range g.Stages {
		for _, topic := range s.Inputs {
			if !g.Internal(topic.Name) && !slices.ContainsFunc(inputs, named(topic.Name)) {
				inputs = append(inputs, topic)
			}
		}
	}
	slices.SortFunc(inputs, func(a, b Topic) int { return cmp.Compare(a.Name, b.Name) })
	return inputs
}

// Outputs lists the topics that g produces, tables aside, sorted by name.
func (g Group) Outputs() []Topic {
	var outputs []Topic
	for _, s := range g.Stages {
		for _, topic := range append(slices.Clone(s.Outputs), DeadLetters(s.Word).Topic) {
			if topic.Public || !g.Internal(topic.Name) {
				outputs = append(outputs, topic)
			}
		}
	}
	slices.SortFunc(outputs, func(a, b Topic) int { return cmp.Compare(a.Name, b.Name) })
	return outputs
}
