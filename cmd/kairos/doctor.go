package main

import (
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"kairos/cmd/internal/access"
	"kairos/cmd/internal/catalog"
	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/machine"
)

type doctorCommand struct {
	onCluster
	State string   `placeholder:"DIR" help:"The folder for rows, as given to run: is there room?"`
	Role  []string `placeholder:"ROLE" help:"May our user do what these roles need? door, identity, person, ingest, import, erase: kairos topology acls lists all. Without: is not asked."`
}

func (c *doctorCommand) Help() string {
	return `Looks at settings, brokers, topics, rights, definitions, clock and disks, and says the next
move for whatever is not as it should be. Give it what you give "kairos run":
  kairos doctor --config kairos.yaml --role=door,identity,person
Exit code 3 if something is wrong; 1 if Kafka cannot be asked.`
}

func (c *doctorCommand) Run(p *process) error {
	findings := c.local()
	client, t, err := c.open(p)
	var refused *access.RefusedError
	var silent *cluster.UnreachableError
	switch {
	case errors.As(err, &refused):
		findings = append(findings, cluster.Finding{Level: cluster.Wrong, What: "kafka", Detail: refused.Error()})
		return c.tell(p, findings)
	case errors.As(err, &silent):
		findings = append(findings, cluster.Finding{Level: cluster.Wrong, What: "kafka", Detail: silent.Error()})
		return c.tell(p, findings)
	case err != nil:
		return err
	}
	defer client.Close()
	findings = append(findings, cluster.Finding{Level: cluster.Fine, What: "kafka", Detail: "answers"})
	for _, look := range []func() ([]cluster.Finding, error){
		func() ([]cluster.Finding, error) { return client.Check(p, t) },
		func() ([]cluster.Finding, error) { return client.Disks(p) },
		func() ([]cluster.Finding, error) {
			f, err := client.Clock(p, time.Now())
			return []cluster.Finding{f}, err
		},
		func() ([]cluster.Finding, error) { return published(p, client) },
	} {
		found, err := look()
		if err != nil {
			found = []cluster.Finding{{Level: cluster.Wrong, What: "kafka", Detail: err.Error()}}
		}
		findings = append(findings, found...)
	}
	if len(c.Role) > 0 {
		f := cluster.Finding{Level: cluster.Fine, What: "rights", Detail: "our user may do what it needs"}
		if err := client.Rights(p, t, t.ACLs(c.Role...)); err != nil {
			f.Level, f.Detail = cluster.Wrong, err.Error()
		}
		findings = append(findings, f)
	}
	return c.tell(p, findings)
}

// local is what can be seen without Kafka.
func (c *doctorCommand) local() []cluster.Finding {
	findings := []cluster.Finding{{Level: cluster.Fine, What: "settings", Detail: "go together"}}
	if err := c.access().Validate(); err != nil {
		findings[0].Level, findings[0].Detail = cluster.Wrong, err.Error()
	}
	switch kept, known := machine.ClockKept(); {
	case known && kept:
		findings = append(findings, cluster.Finding{Level: cluster.Fine, What: "clock", Detail: "is kept right"})
	case known:
		findings = append(findings, cluster.Finding{Level: cluster.Hint, What: "clock", Detail: "nothing keeps this machine's clock right, says the kernel: run chrony or another NTP client (on the host, for containers)"})
	}
	if c.State == "" {
		return findings
	}
	if err := writable(c.State); err != nil {
		return append(findings, cluster.Finding{Level: cluster.Wrong, What: "rows", Detail: fmt.Sprintf("%v: give with --state a folder that this user may write to", err)})
	}
	free, total, err := machine.Room(c.State)
	if err != nil {
		return append(findings, cluster.Finding{Level: cluster.Wrong, What: "rows", Detail: err.Error()})
	}
	return append(findings, cluster.DiskFinding("rows, "+c.State, free, total, "rows are kept in memory too, so nothing is lost, but the process ends; add room"))
}

func writable(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	probe, err := os.CreateTemp(folder, "doctor-")
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// published looks whether this release understands the definitions.
func published(p *process, client *cluster.Client) ([]cluster.Finding, error) {
	all, err := catalog.Read(p, client)
	if err != nil {
		return nil, err
	}
	f := cluster.Finding{Level: cluster.Fine, What: "definitions", Detail: fmt.Sprintf("%d, all understood", all.Len())}
	if all.Len() == 0 {
		f.Level, f.Detail = cluster.Hint, "none are published yet, and nothing runs without: `kairos apply -f DIR`"
	} else if _, err := all.Plan(); err != nil {
		f.Level, f.Detail = cluster.Wrong, fmt.Sprintf("this release does not understand them, so the last good ones stay: %v", err)
	}
	return []cluster.Finding{f}, nil
}

func (c *doctorCommand) tell(p *process, findings []cluster.Finding) error {
	return tellFindings(p, findings, c.JSON, "something is wrong: the right-hand side says what to do")
}

// tellFindings prints findings, and is an answer of no if any is wrong.
func tellFindings(p *process, findings []cluster.Finding, asJSON bool, no string) error {
	if asJSON {
		if err := printJSON(p, findings); err != nil {
			return err
		}
	} else {
		w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
		for _, f := range findings {
			fmt.Fprintf(w, "%s\t%s\t%s\n", f.Level, f.What, f.Detail)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	for _, f := range findings {
		if f.Level == cluster.Wrong {
			return &noError{no}
		}
	}
	return nil
}
