package topologies

import "strings"

// What commands need that touch people's data, each by itself: who imports need
// not be able to erase.

func importACLs() []ACL {
	return []ACL{
		{Resource: OnTopic, Name: prefix, Prefixed: true, Operation: Describe, Why: "to compare topics with what is declared"},
		{Resource: OnTopic, Name: prefix, Prefixed: true, Operation: DescribeConfigs, Why: "to compare topics with what is declared"},
		{Resource: OnTopic, Name: Definitions.Name, Operation: Read, Why: "to know mappings"},
		{Resource: OnTopic, Name: Keys.Name, Operation: Read, Why: "to seal events, and to know who is erased"},
		{Resource: OnTopic, Name: Growths.Name, Operation: Read, Why: "to know how many partitions count"},
		{Resource: OnTopic, Name: Imports.Name, Operation: Read, Why: "to know how far a file has got"},
		{Resource: OnTopic, Name: Imports.Name, Operation: Write, Why: "to say how far a file has got"},
		{Resource: OnTopic, Name: Events.Name, Operation: Write, Why: "to take events in"},
		{Resource: OnTransactionalID, Name: prefix + "import-", Prefixed: true, Operation: Write, Why: "to import files, each row once"},
	}
}

func exportACLs() []ACL {
	return []ACL{{Resource: OnTopic, Name: prefix, Prefixed: true, Operation: Read, Why: "to find everything that is held about a person"}}
}

// eraseACLs are those of who exports, and what removes: by keys where a topic is
// compacted, all that has been read where it is not.
func (t *Topology) eraseACLs() []ACL {
	all := append(exportACLs(),
		ACL{Resource: OnCluster, Name: "kafka-cluster", Operation: Describe, Why: "to see all groups: who has not read an exit yet is waited for"},
		ACL{Resource: OnGroup, Name: Everybodys, Operation: Describe, Why: "to see how far each group has read"},
		ACL{Resource: OnTransactionalID, Name: Keys.Name, Operation: Write, Why: "to change the keys, all or none"},
		ACL{Resource: OnTopic, Name: Keys.Name, Operation: Write, Why: "to lose the person's keys"},
		ACL{Resource: OnTopic, Name: Keys.Name, Operation: Delete, Why: "to leave no older keys"},
		ACL{Resource: OnTopic, Name: Events.Name, Operation: Write, Why: "to tell the stages to forget"},
		ACL{Resource: OnTopic, Name: destinationPrefix, Prefixed: true, Operation: Write, Why: "to remove what destinations are told"},
	)
	for _, topic := range t.Topics() {
		switch {
		case topic.Name == Events.Name, topic.Name == Keys.Name, topic.Name == Definitions.Name, topic.Name == Imports.Name, topic.Name == Growths.Name, strings.HasPrefix(topic.Name, destinationPrefix):
		case strings.HasSuffix(topic.Name, "-table"): // their stages forget
		case topic.Compacted:
			all = append(all, ACL{Resource: OnTopic, Name: topic.Name, Operation: Write, Why: "to remove what tells of a person"})
		default:
			all = append(all, ACL{Resource: OnTopic, Name: topic.Name, Operation: Delete, Why: "to delete what has been read"})
		}
	}
	return all
}

// mendACLs let a host write markers that a broker has forgotten (see the host's
// design, not obvious 19). Much more can be done with that right, so groups do
// not have it by themselves.
func mendACLs() []ACL {
	return []ACL{
		{Resource: OnCluster, Name: "kafka-cluster", Operation: ClusterAction, Why: "to write markers of transactions that a broker has forgotten"},
		{Resource: OnTopic, Name: "__consumer_offsets", Operation: Read, Why: "to see whose markers are missing among offsets"},
		{Resource: OnTopic, Name: prefix, Prefixed: true, Operation: Read, Why: "to see whose markers are missing"},
	}
}
