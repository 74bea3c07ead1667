package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/foreign"
	"kairos/topologies"
)

type topologyCommand struct {
	Diagram topologyDiagram `cmd:"" help:"Print the flow as a Mermaid diagram."`
	Topics  topologyTopics  `cmd:"" help:"List the topics that must exist."`
	Grow    topologyGrow    `cmd:"" help:"Give a live topology more partitions. Hosts stand still meanwhile, doors do not."`
	Apply   topologyApply   `cmd:"" help:"Create missing topics and set settings back. Deletes nothing, changes no partitions."`
	Diff    topologyDiff    `cmd:"" help:"Say what the cluster has otherwise. Exit code 3 if anything."`
	ACLs    topologyACLs    `cmd:"" name:"acls" help:"List the least that each role must be allowed to do; with --grant, allow it."`
	Check   topologyCheck   `cmd:"" help:"Say whether the cluster is fit for kairos: brokers, transaction protocol, topics. Exit code 3 if not."`
}

// declared is a topology that needs no cluster.
type declared struct {
	size
	Destinations []string `default:"app" help:"Destinations, each with a stream of its own (${default})."`
}

type topologyDiagram struct{ declared }

func (c *topologyDiagram) Run(p *process) error {
	t, err := c.topology(c.Destinations)
	if err != nil {
		return err
	}
	p.printf("%s", t.Diagram())
	return nil
}

type topologyTopics struct {
	declared
	JSON bool `name:"json" help:"For machines; with all settings."`
}

func (c *topologyTopics) Run(p *process) error {
	t, err := c.topology(c.Destinations)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(p, t.Describe())
	}
	p.printf("%s", t.TopicTable())
	return nil
}

type topologyACLs struct {
	declared
	connection
	Role  []string `placeholder:"ROLE" help:"Of these roles only: the groups (identity, person), door, ingest, delivery, import, export, erase, mend, operator."`
	Grant string   `placeholder:"USER" help:"Allow it to this user, as Kafka knows it: User:kairos, or User:CN=kairos for a certificate."`
	JSON  bool     `name:"json" help:"For machines."`
}

func (c *topologyACLs) Help() string {
	return `A process that runs several roles needs what all of them need:
  kairos topology acls --role=door,identity,person --grant=User:kairos
Granting takes nothing away.`
}

func (c *topologyACLs) Run(p *process) error {
	t, err := c.topology(c.Destinations)
	if err != nil {
		return err
	}
	acls := t.ACLs(c.Role...)
	for _, role := range c.Role {
		if len(t.ACLs(role)) == 0 {
			return askedError{fmt.Errorf("there is no role %s: `kairos topology acls` lists them", role)}
		}
	}
	if c.Grant != "" {
		if !strings.HasPrefix(c.Grant, "User:") {
			return askedError{fmt.Errorf("--grant=%s is no user as Kafka names them: User:kairos, or User:CN=kairos for a certificate", c.Grant)}
		}
		client, err := c.connect(p)
		if err != nil {
			return err
		}
		defer client.Close()
		acls = topologies.Together(acls)
		if err := client.Grant(p, c.Grant, acls); forbidden(err) {
			return fmt.Errorf("%v: none of kairos' roles may grant, ask who administers Kafka (it takes Alter on the cluster)", err)
		} else if err != nil {
			return err
		}
		p.notef("granted to %s:\n", c.Grant)
	}
	if c.JSON {
		return printJSON(p, acls)
	}
	p.printf("%s", topologies.ACLTable(acls))
	return nil
}

// onCluster is a command about a topology on a cluster, whose destinations are
// those of the published definitions.
type onCluster struct {
	connection
	size
	Destinations []string `help:"Destinations, besides those that published definitions name."`
	JSON         bool     `name:"json" help:"For machines."`
}

func (c onCluster) open(p *process) (*cluster.Client, *topologies.Topology, error) {
	client, err := c.connect(p)
	if err != nil {
		return nil, nil, err
	}
	t, err := c.on(p, client, c.Destinations...)
	if err != nil {
		client.Close()
		return nil, nil, err
	}
	return client, t, nil
}

type topologyApply struct {
	onCluster
	Registry string           `placeholder:"URL" help:"Register the schemas of public topics there too, each as TOPIC-value. Records keep Avro's single-object framing."`
	Access   foreign.Registry `embed:"" prefix:"registry-"`
}

func (c *topologyApply) Run(p *process) error {
	c.Access.URL = c.Registry
	if err := c.Access.Check(); err != nil {
		return askedError{err}
	}
	client, t, err := c.open(p)
	if err != nil {
		return err
	}
	defer client.Close()
	applied, err := client.Apply(p, t)
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(p, applied)
	} else {
		printApplied(p, applied)
	}
	if err == nil && c.Registry != "" {
		var n int
		if n, err = foreign.Register(p, c.Access, t); err == nil && !c.JSON {
			p.printf("%d schemas registered\n", n)
		}
	}
	if err == nil && len(applied.Refused) > 0 {
		return &noError{"some differences remain: `kairos topology check` says what to do"}
	}
	return err
}

func printApplied(p *process, a cluster.Applied) {
	for _, name := range a.Created {
		p.printf("created  %s\n", name)
	}
	for _, d := range a.Changed {
		p.printf("set      %s: %s = %s (was %s)\n", d.Topic, d.What, d.Want, d.Have)
	}
	for _, d := range a.Refused {
		p.printf("left     %s\n", d)
	}
	p.printf("%d topics: %d created, %d settings changed, %d differences left\n", a.Declared, len(a.Created), len(a.Changed), len(a.Refused))
}

type topologyDiff struct{ onCluster }

func (c *topologyDiff) Run(p *process) error {
	client, t, err := c.open(p)
	if err != nil {
		return err
	}
	defer client.Close()
	differences, err := client.Diff(p, t)
	if err != nil {
		return err
	}
	if c.JSON {
		if err := printJSON(p, append([]cluster.Difference{}, differences...)); err != nil {
			return err
		}
	} else {
		for _, d := range differences {
			p.printf("%s\n", d)
		}
	}
	if len(differences) > 0 {
		return &noError{fmt.Sprintf("%d differences; `kairos topology apply` mends what can be mended, `kairos topology grow` adds partitions", len(differences))}
	}
	return nil
}

type topologyCheck struct{ onCluster }

func (c *topologyCheck) Run(p *process) error {
	client, t, err := c.open(p)
	if err != nil {
		return err
	}
	defer client.Close()
	findings, err := client.Check(p, t)
	if err != nil {
		return err
	}
	return tellFindings(p, findings, c.JSON, "the cluster is not fit for kairos yet")
}

func printJSON[T any](p *process, value T) error {
	encoder := json.NewEncoder(p.out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
