package main

import (
	"kairos/cmd/internal/catalog"
	"kairos/cmd/internal/screen"
	"kairos/cmd/internal/whatif"
)

type identityWhatIf struct {
	connection
	File     string `short:"f" required:"" placeholder:"FILE" help:"The definitions as you would apply them: one file, which leaves the others alone, or a folder with all."`
	Examples int    `default:"5" help:"How many merges, splits, and people for each audience to show (${default})."`
	JSON     bool   `name:"json" help:"For machines."`
}

func (c *identityWhatIf) Help() string {
	return `Reads the tables of a running cluster, lets the stages change their mind in memory, and
publishes nothing. Says who would merge and split and by which evidence, and who would enter
and leave which audience: what it says is what "kairos apply" of the same file then does.
All rows are held in memory. What earlier rules did not keep (blocked values, links of
namespaces that never link, events that no condition asked for) comes back neither here nor
when the definitions are applied. Examples:
  kairos identity what-if -f identity.yaml
  kairos identity what-if -f identity.yaml --json | jq .merges`
}

func (c *identityWhatIf) Run(p *process) error {
	apply := applyCommand{connection: c.connection, File: c.File}
	set, err := apply.load()
	if err != nil {
		return err
	}
	client, err := c.connect(p)
	if err != nil {
		return err
	}
	defer client.Close()
	q := whatif.Question{Examples: max(0, c.Examples)}
	if q.Before, err = catalog.Read(p, client); err != nil {
		return err
	}
	after, err := apply.after(set, q.Before)
	if err != nil {
		return err
	}
	q.After = catalog.Published(after)
	if q.At, err = client.LogTime(p); err != nil {
		return err
	}
	reading := p.bar("reading tables")
	q.Tables, err = whatif.Load(p, client, reading.show)
	reading.done()
	if err != nil {
		return err
	}
	asking := p.bar("deciding anew")
	report, err := whatif.Ask(p, q, asking.show)
	asking.done()
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(p, report)
	}
	p.printf("%s", report.Text(screen.Paint(p.screen)))
	return nil
}
