package topologies

import (
	"cmp"
	"slices"
	"strings"
)

// Resource is what an ACL is about, as Kafka and Strimzi call it.
type Resource string

// The resources.
const (
	OnTopic           Resource = "topic"
	OnGroup           Resource = "group"
	OnTransactionalID Resource = "transactionalId"
	OnCluster         Resource = "cluster"
)

// Operation is what an ACL allows, as Kafka calls it. Read and Write include
// Describe, AlterConfigs includes DescribeConfigs.
type Operation string

// The operations.
const (
	Read            Operation = "Read"
	Write           Operation = "Write"
	Create          Operation = "Create"
	Alter           Operation = "Alter"
	AlterConfigs    Operation = "AlterConfigs"
	Describe        Operation = "Describe"
	DescribeConfigs Operation = "DescribeConfigs"
	Delete          Operation = "Delete"
	ClusterAction   Operation = "ClusterAction"
)

// ACL is one thing that a role must be allowed to do.
type ACL struct {
	Role      string    `json:"role"`
	Resource  Resource  `json:"resource"`
	Name      string    `json:"name"`
	Prefixed  bool      `json:"prefixed"` // everything whose name begins so
	Operation Operation `json:"operation"`
	Why       string    `json:"why"`
}

// The roles besides those of groups, which are called as their group without
// its prefix: identity, person, or each stage by itself.
const (
	DoorRole     = "door"     // takes events in
	DeliveryRole = "delivery" // `kairos deliver`
	IngestRole   = "ingest"   // `kairos ingest`; the topics that it reads are others', who grant that
	ImportRole   = "import"   // `kairos import`
	ExportRole   = "export"   // `kairos export`, and the API's exports
	EraseRole    = "erase"    // `kairos erase`, and the API's erasures
	MendRole     = "mend"     // no process: a right more for groups, on clusters of one broker
	OperatorRole = "operator" // people, and `kairos` for them
)

// Everybodys is the name of an ACL that is about all resources of its kind.
const Everybodys = "*"

const prefix = "kairos."

// Role is who runs g.
func (g Group) Role() string { return strings.TrimPrefix(g.Name, prefix) }

// ACLs lists the least that each role, or each of those named, must be allowed
// to do. A process that runs several roles needs those of all.
func (t *Topology) ACLs(roles ...string) []ACL {
	var all []ACL
	add := func(role string, acls ...ACL) {
		if len(roles) > 0 && !slices.Contains(roles, role) {
			return
		}
		for _, a := range acls {
			a.Role = role
			all = append(all, a)
		}
	}
	add(DoorRole, append(everyProcess(), ACL{Resource: OnTopic, Name: Events.Name, Operation: Write, Why: "to take events in"})...)
	for _, g := range t.Groups {
		add(g.Role(), append(everyProcess(), g.acls()...)...)
	}
	add(IngestRole, ingestACLs()...)
	add(DeliveryRole, t.deliveryACLs()...)
	add(ImportRole, importACLs()...)
	add(ExportRole, exportACLs()...)
	add(EraseRole, t.eraseACLs()...)
	add(MendRole, mendACLs()...)
	add(OperatorRole, operatorACLs()...)
	return all
}

// everyProcess is what `kairos run` needs whatever it runs: to see whether the
// topics are as declared, to follow definitions, to tell transitions.
func everyProcess() []ACL {
	return []ACL{
		{Resource: OnTopic, Name: prefix, Prefixed: true, Operation: Describe, Why: "to compare topics with what is declared"},
		{Resource: OnTopic, Name: prefix, Prefixed: true, Operation: DescribeConfigs, Why: "to compare topics with what is declared"},
		{Resource: OnGroup, Name: prefix, Prefixed: true, Operation: Describe, Why: "to see that nobody has worked on its rows under another name"},
		{Resource: OnTopic, Name: Definitions.Name, Operation: Read, Why: "to follow definitions"},
		{Resource: OnTopic, Name: Keys.Name, Operation: Read, Why: "to follow the keys of who is erased"},
		{Resource: OnTopic, Name: Growths.Name, Operation: Read, Why: "to know how many partitions count"},
		{Resource: OnTopic, Name: Transitions.Name, Operation: Read, Why: "to tell transitions to who asks"},
	}
}

func (g Group) acls() []ACL {
	all := []ACL{
		{Resource: OnGroup, Name: g.Name, Operation: Read, Why: "to share partitions with others of its kind"},
		{Resource: OnTransactionalID, Name: g.Name + "-", Prefixed: true, Operation: Write, Why: "to write exactly once"},
	}
	for _, topic := range g.Inputs() {
		if topic.Name != Transitions.Name {
			all = append(all, ACL{Resource: OnTopic, Name: topic.Name, Operation: Read, Why: "its input"})
		}
	}
	for _, s := range g.Stages {
		all = append(all,
			ACL{Resource: OnTopic, Name: s.Table.Name, Operation: Read, Why: "to recover its rows"},
			ACL{Resource: OnTopic, Name: s.Table.Name, Operation: Write, Why: "to keep its rows"})
	}
	for _, topic := range g.Outputs() {
		if !strings.HasPrefix(topic.Name, destinationPrefix) {
			all = append(all, ACL{Resource: OnTopic, Name: topic.Name, Operation: Write, Why: "its output"})
		}
	}
	if slices.ContainsFunc(g.Stages, func(s Stage) bool { return s.Word == Destination.Word }) {
		all = append(all, ACL{Resource: OnTopic, Name: destinationPrefix, Prefixed: true, Operation: Write, Why: "its outputs, one for each destination that is published"})
	}
	return all
}

const destinationPrefix = prefix + "destination."

func (t *Topology) deliveryACLs() []ACL {
	const group = prefix + "delivery."
	letters := DeadLetters(DeliveryRole).Name
	all := []ACL{
		{Resource: OnTopic, Name: letters, Operation: Write, Why: "what third parties refused"},
		{Resource: OnGroup, Name: group, Prefixed: true, Operation: Read, Why: "to remember what was told, for each destination"},
	}
	for _, topic := range t.Topics() {
		if strings.HasPrefix(topic.Name, destinationPrefix) && topic.Name != DeadLetters(Destination.Word).Name {
			all = append(all, ACL{Resource: OnTopic, Name: topic.Name, Operation: Read, Why: "what is to be told"})
		}
	}
	return all
}

func ingestACLs() []ACL {
	const group = prefix + IngestRole
	return []ACL{
		{Resource: OnTopic, Name: prefix, Prefixed: true, Operation: Describe, Why: "to compare topics with what is declared"},
		{Resource: OnTopic, Name: prefix, Prefixed: true, Operation: DescribeConfigs, Why: "to compare topics with what is declared"},
		{Resource: OnTopic, Name: Definitions.Name, Operation: Read, Why: "to follow mappings"},
		{Resource: OnTopic, Name: Keys.Name, Operation: Read, Why: "to follow the keys of who is erased"},
		{Resource: OnTopic, Name: Growths.Name, Operation: Read, Why: "to know how many partitions count"},
		{Resource: OnGroup, Name: group, Operation: Read, Why: "to share partitions with others of its kind"},
		{Resource: OnTransactionalID, Name: group, Prefixed: true, Operation: Write, Why: "to write exactly once"},
		{Resource: OnTopic, Name: Events.Name, Operation: Write, Why: "to take events in"},
		{Resource: OnTopic, Name: DeadLetters(IngestRole).Name, Operation: Write, Why: "what cannot be read"},
	}
}

// operatorACLs lets people look at everything, publish definitions, import, send
// dead letters again, replay, and make topics. They are not allowed to delete,
// so not to erase either.
func operatorACLs() []ACL {
	all := []ACL{
		{Resource: OnGroup, Name: prefix, Prefixed: true, Operation: Read, Why: "to see who works and how far behind; `kairos topology grow` puts members out and moves offsets"},
		{Resource: OnTransactionalID, Name: prefix + OperatorRole, Prefixed: true, Operation: Write, Why: "to publish definitions and keys, and to grow, all or none"},
		{Resource: OnTransactionalID, Name: prefix + "import-", Prefixed: true, Operation: Write, Why: "to import files, each row once"},
		{Resource: OnCluster, Name: "kafka-cluster", Operation: Describe, Why: "to look at brokers"},
		{Resource: OnCluster, Name: "kafka-cluster", Operation: DescribeConfigs, Why: "to look at brokers' settings"},
	}
	for _, o := range []Operation{Create, Alter, AlterConfigs, Read, Write} {
		all = append(all, ACL{Resource: OnTopic, Name: prefix, Prefixed: true, Operation: o, Why: operatorReasons[o]})
	}
	return all
}

var operatorReasons = map[Operation]string{
	Create:       "`kairos topology apply` makes topics",
	Alter:        "`kairos topology grow` adds partitions",
	AlterConfigs: "`kairos topology apply` sets their settings",
	Read:         "to look into topics",
	Write:        "to publish definitions, resend dead letters, replay",
}

// Together gives the ACLs that one user needs for several roles, each once.
func Together(acls []ACL) []ACL {
	type what struct {
		Resource
		name string
		bool
		Operation
	}
	seen := map[what]bool{}
	var all []ACL
	for _, a := range acls {
		if key := (what{a.Resource, a.Name, a.Prefixed, a.Operation}); !seen[key] {
			seen[key] = true
			all = append(all, a)
		}
	}
	slices.SortStableFunc(all, func(a, b ACL) int {
		return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Operation, b.Operation))
	})
	return all
}
