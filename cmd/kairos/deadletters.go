package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/catalog"
	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/deadletters"
	"kairos/cmd/internal/ingest"
	"kairos/processors/definition"
	"kairos/processors/keyring"
	"kairos/schemas"
)

type deadlettersCommand struct {
	List   deadlettersList   `cmd:"" help:"List dead letters."`
	Resend deadlettersResend `cmd:"" help:"Put their original records on their topics again."`
}

type letterChoice struct {
	connection
	Stage  string   `help:"Only those of this stage."`
	Reason string   `help:"Only those whose reason contains this."`
	Topic  string   `help:"Only those whose record came from this topic."`
	JSON   bool     `name:"json" help:"For machines, one object a line; key and value in base64."`
	Places []string `arg:"" optional:"" name:"place" help:"Only these, such as identity/3/17."`
}

func (c letterChoice) filter() (deadletters.Filter, error) {
	f := deadletters.Filter{Stage: c.Stage, Reason: c.Reason, Topic: c.Topic}
	for _, s := range c.Places {
		place, err := deadletters.PlaceOf(s)
		if err != nil {
			return f, askedError{err}
		}
		f.Places = append(f.Places, place)
	}
	if err := f.Validate(); err != nil {
		return f, askedError{err}
	}
	return f, nil
}

type deadlettersList struct{ letterChoice }

func (c *deadlettersList) Run(p *process) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}
	client, err := c.connect(p)
	if err != nil {
		return err
	}
	defer client.Close()
	letters, err := deadletters.List(p, client, filter)
	if err != nil {
		return err
	}
	return printLetters(p, letters, c.JSON)
}

func printLetters(p *process, letters []deadletters.Letter, asJSON bool) error {
	if asJSON {
		for _, l := range letters {
			if err := printLine(p, letterJSON(l)); err != nil {
				return err
			}
		}
		return nil
	}
	if len(letters) == 0 {
		p.printf("no dead letters\n")
		return nil
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PLACE\tREASON\tRECORD\tKEY\tBYTES\tDETAIL")
	for _, l := range letters {
		fmt.Fprintf(w, "%s\t%s\t%s/%d/%d\t%s\t%d\t%s\n", l.Place, l.Reason, l.Topic, l.Partition, l.Offset,
			readable(string(l.Key), 40), len(l.Value), readable(l.Detail, 100))
	}
	return w.Flush()
}

// letterLine is a dead letter for machines.
type letterLine struct {
	Place     string `json:"place"`
	Stage     string `json:"stage"`
	Reason    string `json:"reason"`
	Detail    string `json:"detail"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Time      string `json:"time"` // of the step that refused; empty if none ran
	Key       []byte `json:"key"`
	Value     []byte `json:"value"`
}

func letterJSON(l deadletters.Letter) letterLine {
	line := letterLine{l.Place.String(), l.Stage, l.Reason, l.Detail, l.Topic, l.Partition, l.Offset, "", l.Key, l.Value}
	if l.Cause != schemas.Instant(0) {
		line.Time = l.Cause.String()
	}
	return line
}

// readable makes one line of s, at most n characters.
func readable(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, s)
	if runes := []rune(s); len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return s
}

type deadlettersResend struct {
	letterChoice
	All    bool   `help:"All of them, if nothing else chooses."`
	Ingest string `type:"existingfile" placeholder:"FILE" help:"The file of kairos ingest, for its dead letters."`
}

func (c *deadlettersResend) Help() string {
	return `Records go to the topics that they came from, sealed where there are keys. Those of kairos
ingest are read again by today's schemas and mappings and become events at once, with the id of
their place or their own: sent twice they count once. If one is still refused, none is sent.`
}

func (c *deadlettersResend) Run(p *process) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}
	if filter.IsZero() && !c.All {
		return askedError{errors.New("choose letters by place, --stage, --reason or --topic, or say --all")}
	}
	client, err := c.connect(p)
	if err != nil {
		return err
	}
	defer client.Close()
	letters, err := deadletters.List(p, client, filter)
	if err != nil {
		return err
	}
	if len(letters) == 0 {
		return &noError{"no dead letter matches"}
	}
	reread, err := c.reread(p, client)
	if err != nil {
		return err
	}
	sent, err := deadletters.Resend(p, client, letters, reread)
	if errors.Is(err, deadletters.ErrNoReread) {
		return askedError{err}
	}
	if err != nil {
		return err
	}
	if err := printLetters(p, letters, c.JSON); err != nil {
		return err
	}
	p.notef("%d sent again; their dead letters stay until retention ends\n", sent)
	if left := len(letters) - sent; left > 0 {
		p.notef("%d not: they are about people who were erased since\n", left)
	}
	return nil
}

// patienceWithRegistry is how long a command waits for one schema.
const patienceWithRegistry = 30 * time.Second

// reread is nil without a file of ingest.
func (c *deadlettersResend) reread(p *process, client *cluster.Client) (deadletters.Reread, error) {
	if c.Ingest == "" {
		return nil, nil
	}
	topics, known, err := readIngest(c.Ingest, func(err error) { p.notef("the registry of schemas does not answer: %v\n", err) })
	if err != nil {
		return nil, askedError{err}
	}
	plan, err := catalog.ReadPlan(p, client)
	if err != nil {
		return nil, err
	}
	ring, err := client.Ring(p)
	if err != nil {
		return nil, err
	}
	ingester, err := ingest.New(ingest.Config{
		Topics: topics, Schemas: known, Plan: func() *definition.Plan { return plan }, Ring: func() *keyring.Ring { return ring },
		Clock: func() schemas.Instant { return schemas.InstantOf(time.Now()) },
	})
	if err != nil {
		return nil, askedError{fmt.Errorf("%s: %w", c.Ingest, err)}
	}
	return func(ctx context.Context, r *kgo.Record) (*kgo.Record, error) {
		ctx, cancel := context.WithTimeout(ctx, patienceWithRegistry)
		defer cancel()
		return ingester.Retry(ctx, r)
	}, nil
}
