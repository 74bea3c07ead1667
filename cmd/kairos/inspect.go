package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"kairos/cmd/internal/catalog"
	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/door"
	"kairos/cmd/internal/lookup"
	"kairos/cmd/internal/portrait"
	"kairos/cmd/internal/screen"
	"kairos/processors/definition"
	"kairos/schemas"
)

type inspectCommand struct {
	Person inspectPerson `cmd:"" help:"By any identifier, email=sarah@example.org, or by id, person=6651d1a6adc3c832."`
}

// whom finds a person on a cluster.
type whom struct {
	connection
	Identifier string `arg:"" help:"Any of the person's identifiers, such as email=sarah@example.org, or person=ID."`
	JSON       bool   `name:"json" help:"For machines."`
}

func (w whom) find(p *process) (*lookup.Person, *definition.Plan, error) {
	namespace, value, pair := strings.Cut(w.Identifier, "=")
	if !pair {
		return nil, nil, askedError{fmt.Errorf("%q is no identifier: write it as email=sarah@example.org", w.Identifier)}
	}
	id, err := door.Identifier(namespace, value)
	if err != nil {
		return nil, nil, askedError{err}
	}
	client, err := w.connect(p)
	if err != nil {
		return nil, nil, err
	}
	defer client.Close()
	return find(p, client, id)
}

func find(ctx context.Context, client *cluster.Client, id schemas.Identifier) (*lookup.Person, *definition.Plan, error) {
	published, err := catalog.Read(ctx, client)
	if err != nil {
		return nil, nil, err
	}
	plan, err := published.Plan()
	if err != nil {
		return nil, nil, err
	}
	person, err := lookup.Find(ctx, lookup.FromCluster{Client: client}, id)
	var unknown *lookup.NotFoundError
	if errors.As(err, &unknown) {
		return nil, nil, &noError{err.Error()}
	}
	return person, plan, err
}

type inspectPerson struct{ whom }

func (c *inspectPerson) Run(p *process) error {
	person, plan, err := c.find(p)
	if err != nil {
		return err
	}
	painted := portrait.Of(person, plan)
	if c.JSON {
		return printJSON(p, painted)
	}
	p.printf("%s", painted.Text(screen.Paint(p.screen)))
	return nil
}

type explainCommand struct {
	whom
	Audience string `arg:"" help:"The audience's name."`
}

func (c *explainCommand) Run(p *process) error {
	person, plan, err := c.find(p)
	if err != nil {
		return err
	}
	explained, err := portrait.Explain(person, plan, c.Audience)
	var unknown *portrait.UnknownAudienceError
	var idle *portrait.IdleAudienceError
	if errors.As(err, &unknown) || errors.As(err, &idle) {
		return askedError{err}
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(p, explained)
	}
	p.printf("%s", explained.Text(screen.Paint(p.screen)))
	return nil
}
