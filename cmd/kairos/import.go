package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"kairos/cmd/internal/board"
	"kairos/cmd/internal/bulk"
	"kairos/cmd/internal/catalog"
	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/screen"
	"kairos/processors/definition"
	"kairos/schemas"
	"kairos/topologies"
)

type importCommand struct {
	connection
	size
	Files       []string `arg:"" type:"existingfile" name:"file" help:"Files: .csv, .tsv, .ndjson, .jsonl (also .gz), .avro, .parquet."`
	Mapping     string   `placeholder:"NAME" help:"The definition that says what the fields mean. Without: the properties of an Avro file's schema."`
	DryRun      bool     `help:"Only say what the rows are worth."`
	Definitions string   `short:"f" type:"path" placeholder:"DIR" help:"With --dry-run: take the definitions from here instead of the published ones; needs no Kafka."`
	Format      string   `enum:",csv,ndjson,avro,parquet" default:"" help:"csv, ndjson, avro or parquet, where the file's name does not say it."`
	Separator   string   `placeholder:"CHAR" help:"Between the cells of CSV. Without: what the first line holds most of, comma, semicolon, tab or |."`
	Rejects     string   `type:"path" placeholder:"FILE" help:"Write line, field and fault of each row that is no event into this file."`
	JSON        bool     `name:"json" help:"Print the reports for machines, one object a line."`
}

func (c *importCommand) Help() string {
	return `Every row becomes an event, once: how far a file has got lies on Kafka, with its events, so
that the same command goes on after a break, and does nothing for a file that has been
imported by this mapping before. A file with one byte different is another file: give the
mapping an id, and its rows count once within the duplicate window. Rows that are no events
are reported by line and reason, without their values, and change nothing else; the exit code
is then 3. Examples:
  kairos import customers.csv --mapping crm_customer --dry-run -f definitions
  kairos import customers.csv --mapping crm_customer
  kairos import orders.avro`
}

func (c *importCommand) Run(p *process) error {
	if c.Definitions != "" && !c.DryRun {
		return askedError{errors.New("-f is for --dry-run: to import, publish the mapping with `kairos apply` first")}
	}
	files, err := c.open()
	if err != nil {
		return askedError{err}
	}
	var client *cluster.Client
	if c.Definitions == "" {
		if client, err = c.connect(p); err != nil {
			return err
		}
		defer client.Close()
		p.roles = []string{topologies.ImportRole}
		if err := c.mayBe(p, client, topologies.ImportRole); err != nil {
			return err
		}
	}
	config, err := c.config(p, client)
	if err != nil {
		return err
	}
	if c.Rejects != "" {
		rejects, err := os.OpenFile(c.Rejects, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return askedError{err}
		}
		defer rejects.Close()
		config.Rejects = rejects
	}
	refused := int64(0)
	for _, file := range files {
		report, err := c.one(p, client, config, file)
		if err != nil {
			return err
		}
		refused += report.Refused
	}
	if refused > 0 {
		return &noError{screen.Number(refused) + " rows are no events"}
	}
	return nil
}

func (c *importCommand) open() (files []*bulk.File, err error) {
	separator, n := utf8.DecodeRuneInString(strings.ReplaceAll(c.Separator, `\t`, "\t"))
	if c.Separator == "" {
		separator = 0
	} else if n != len(strings.ReplaceAll(c.Separator, `\t`, "\t")) {
		return nil, fmt.Errorf("--separator is one character, not %q", c.Separator)
	}
	for _, path := range c.Files {
		file, err := bulk.Open(path, c.Format, separator)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

func (c *importCommand) config(p *process, client *cluster.Client) (config bulk.Config, err error) {
	config.Clock = func() schemas.Instant { return schemas.InstantOf(time.Now()) }
	if config.Plan, err = c.plan(p, client); err != nil {
		return config, err
	}
	if c.Mapping != "" {
		if config.Mapping = config.Plan.Mapping(c.Mapping); config.Mapping == nil {
			return config, &noError{fmt.Sprintf("there is no mapping %s among the definitions: `kairos apply -f DIR` publishes one", c.Mapping)}
		}
	}
	return config, nil
}

func (c *importCommand) plan(ctx context.Context, client *cluster.Client) (*definition.Plan, error) {
	if client != nil {
		return catalog.ReadPlan(ctx, client)
	}
	apply := applyCommand{File: c.Definitions}
	set, err := apply.load()
	if err != nil {
		return nil, err
	}
	plan, err := set.Compile()
	if err != nil {
		return nil, apply.refused(err)
	}
	return plan, nil
}

// one imports or checks a file and says what came of it.
func (c *importCommand) one(p *process, client *cluster.Client, config bulk.Config, file *bulk.File) (report bulk.Report, err error) {
	config.File = file
	bar := &progress{process: p, title: file.Path, begin: time.Now(), live: p.errScreen && !c.JSON}
	bar.screen = screen.New(p.err, p.width)
	config.Progress = bar.show
	if c.DryRun {
		report, err = bulk.Check(p, config)
	} else {
		if err = c.createTopics(p, client); err == nil {
			report, err = bulk.Run(p, client, config)
		}
	}
	bar.done()
	switch {
	case err != nil && report.Before+report.Rows > 0 && !c.DryRun:
		printReport(p, report, c.DryRun)
		return report, fmt.Errorf("%w\nbroken off: the same command goes on", err)
	case err != nil:
		return report, err
	case c.JSON:
		return report, printLine(p, report)
	}
	printReport(p, report, c.DryRun)
	return report, nil
}

func (c *importCommand) createTopics(ctx context.Context, client *cluster.Client) error {
	t, err := c.on(ctx, client)
	if err != nil {
		return err
	}
	_, err = client.Apply(ctx, t)
	return err
}

// progress is a bar on a terminal.
type progress struct {
	process *process
	screen  *screen.Screen
	title   string
	begin   time.Time
	drawn   time.Time
	live    bool
}

func (b *progress) show(s bulk.State) {
	if !b.live || time.Since(b.drawn) < board.Every(true) && s.Part < 1 {
		return
	}
	b.drawn = time.Now()
	seconds := time.Since(b.begin).Seconds()
	left := ""
	if s.Part > 0.01 && s.Part < 1 {
		left = fmt.Sprintf("  %v left", time.Duration(seconds/s.Part*(1-s.Part)*float64(time.Second)).Round(time.Second))
	}
	b.screen.Draw([]string{fmt.Sprintf("  %s  %s %3.0f %%  %s rows  %s a second%s", b.title, screen.Left(screen.Bar(s.Part, 24), 24), 100*s.Part,
		screen.Number(s.Rows), screen.Number(int64(float64(s.Rows)/max(seconds, 0.001))), left)})
}

func (b *progress) done() {
	if b.live {
		b.screen.Done()
	}
}

func printReport(p *process, r bulk.Report, dry bool) {
	switch {
	case r.Known:
		p.printf("%s has been imported by mapping %s before: nothing was to do\n", r.File, r.Mapping)
		return
	case r.Before > 0:
		p.printf("%s: went on after row %s\n", r.File, screen.Number(r.Before))
	}
	verb := "imported"
	if dry {
		verb = "good"
	}
	p.printf("%s by mapping %s: %s rows, %s %s, %s refused\n", r.File, r.Mapping, screen.Number(r.Rows), screen.Number(r.Events), verb, screen.Number(r.Refused))
	if len(r.Problems) == 0 {
		return
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ROWS\tFIELD\tFAULT\tLINES")
	for _, f := range r.Problems {
		lines := strings.Trim(fmt.Sprint(f.Lines), "[]")
		if int64(len(f.Lines)) < f.Rows {
			lines += " ..."
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", screen.Number(f.Rows), f.Field, f.What, lines)
	}
	_ = w.Flush()
}
