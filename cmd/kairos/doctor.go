package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"kairos/cmd/internal/access"
	"kairos/cmd/internal/catalog"
	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/machine"
	"kairos/cmd/internal/screen"
)

type doctorCommand struct {
	onCluster
	traces
	State   string   `placeholder:"DIR" help:"The folder for rows, as given to run: is there room?"`
	Sources string   `placeholder:"FILE" help:"The file of who may send, as given to run: is it one?"`
	Tokens  string   `placeholder:"FILE" help:"The file of who may ask the API, as given to run: is it one?"`
	Deliver string   `placeholder:"FILE" help:"The file that deliver is given: are its destinations published, its secrets there, our rights enough?"`
	Ingest  string   `placeholder:"FILE" help:"The file that ingest is given: does the registry of schemas answer, are the topics there, our rights enough?"`
	Role    []string `placeholder:"ROLE" help:"May our user do what these roles need? door, identity, person, import, erase: kairos topology acls lists all. Without: is not asked."`
}

func (c *doctorCommand) Help() string {
	return `Looks at settings, brokers, topics, rights, definitions, clock, disks, the collector of traces,
the registry of schemas and the secrets of destinations, and says the next move for whatever is
not as it should be; what is wrong comes last. Give it what you give "kairos run", "deliver" and
"ingest", or their file of settings, whose sections it reads:
  kairos doctor --config kairos.yaml --role=door,identity,person
Exit code 3 if something is wrong; 1 if Kafka cannot be asked.`
}

func (c *doctorCommand) Run(p *process) error {
	findings := slices.Concat(c.local(), c.admitting(), c.collector(p))
	client, t, err := c.onCluster.open(p)
	var refused *access.RefusedError
	var silent *cluster.UnreachableError
	switch {
	case errors.As(err, &refused), errors.As(err, &silent):
		return c.tell(p, append(findings, cluster.Finding{Level: cluster.Wrong, What: "kafka", Detail: err.Error()}))
	case err != nil:
		return err
	}
	defer client.Close()
	findings = append(findings, cluster.Finding{Level: cluster.Fine, What: "kafka", Detail: "answers"})
	for _, look := range []func() ([]cluster.Finding, error){
		func() ([]cluster.Finding, error) { return client.Check(p, t) },
		func() ([]cluster.Finding, error) { return client.Disks(p) },
		func() ([]cluster.Finding, error) {
			f, err := client.Clock(p, t, time.Now)
			return []cluster.Finding{f}, err
		},
		func() ([]cluster.Finding, error) { return c.published(p, client) },
	} {
		found, err := look()
		if err != nil {
			found = []cluster.Finding{{Level: cluster.Wrong, What: "kafka", Detail: err.Error()}}
		}
		findings = append(findings, found...)
	}
	if len(c.Role) > 0 {
		findings = append(findings, rights("rights", client.Rights(p, t, t.ACLs(c.Role...))))
	}
	return c.tell(p, findings)
}

func rights(what string, err error) cluster.Finding {
	if err != nil {
		return cluster.Finding{Level: cluster.Wrong, What: what, Detail: err.Error()}
	}
	return cluster.Finding{Level: cluster.Fine, What: what, Detail: "our user may do what it needs"}
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

// published looks whether this release understands the definitions, and whether
// what runs at the rim goes with them.
func (c *doctorCommand) published(p *process, client *cluster.Client) ([]cluster.Finding, error) {
	all, err := catalog.Read(p, client)
	if err != nil {
		return nil, err
	}
	f := cluster.Finding{Level: cluster.Fine, What: "definitions", Detail: fmt.Sprintf("%d, all understood", all.Len())}
	plan, err := all.Plan()
	if all.Len() == 0 {
		f.Level, f.Detail = cluster.Hint, "none are published yet, and nothing runs without: `kairos apply -f DIR`"
	} else if err != nil {
		f.Level, f.Detail = cluster.Wrong, fmt.Sprintf("this release does not understand them, so the last good ones stay: %v", err)
	} else if forbidden := plan.Forbidden(); len(forbidden) > 0 {
		f.Level, f.Detail = cluster.Wrong, "they did not come by `kairos apply`, which would have refused them: "+strings.Join(forbidden, "; ")
	}
	findings := []cluster.Finding{f}
	if c.Deliver != "" {
		findings = append(findings, c.delivering(p, client, all.Names("destination"))...)
	}
	if c.Ingest != "" {
		findings = append(findings, c.ingesting(p, client, plan)...)
	}
	return findings, nil
}

func (c *doctorCommand) tell(p *process, findings []cluster.Finding) error {
	slices.SortStableFunc(findings, func(a, b cluster.Finding) int { return cmp.Compare(weight(a.Level), weight(b.Level)) })
	return tellFindings(p, findings, c.JSON, "something is wrong: the right-hand side says what to do")
}

// weight orders findings so that the worst are next to the prompt.
func weight(l cluster.Level) int {
	return slices.Index([]cluster.Level{cluster.Fine, cluster.Hint, cluster.Wrong}, l)
}

// tellFindings prints findings, and is an answer of no if any is wrong.
func tellFindings(p *process, findings []cluster.Finding, asJSON bool, no string) error {
	count := map[cluster.Level]int{}
	var rows [][]string
	paint := screen.Paint(p.screen)
	style := map[cluster.Level]screen.Style{cluster.Fine: screen.Green, cluster.Hint: screen.Yellow, cluster.Wrong: screen.Red}
	for _, f := range findings {
		count[f.Level]++
		for i, line := range strings.Split(strings.TrimRight(f.Detail, "\n"), "\n") {
			if i == 0 {
				rows = append(rows, []string{paint.In(style[f.Level], string(f.Level)), f.What, line})
			} else {
				rows = append(rows, []string{"", "", line})
			}
		}
	}
	if asJSON {
		if err := printJSON(p, findings); err != nil {
			return err
		}
	} else {
		p.printf("%s\n", strings.Join(screen.Columns(rows), "\n"))
		p.printf("%d ok, %d to better, %d wrong\n", count[cluster.Fine], count[cluster.Hint], count[cluster.Wrong])
	}
	if count[cluster.Wrong] > 0 {
		return &noError{no}
	}
	return nil
}
