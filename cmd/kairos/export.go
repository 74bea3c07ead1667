package main

import (
	"errors"

	"kairos/cmd/internal/catalog"
	"kairos/cmd/internal/erasure"
	"kairos/cmd/internal/lookup"
	"kairos/topologies"
)

type exportCommand struct {
	connection
	size
	Identifier string `arg:"" placeholder:"NAMESPACE=VALUE" help:"Any of the person's identifiers, such as email=sarah@example.org."`
}

func (c *exportCommand) Help() string {
	return `Prints as JSON everything that is held about a person, for themselves: identifiers and why they
are one person, attributes, features, timeline, audiences, scores, the events that the log still
holds, entries and exits, what each destination was told last, and dead letters.`
}

func (c *exportCommand) Run(p *process) error {
	id, err := identifierOf(c.Identifier)
	if err != nil {
		return err
	}
	client, err := c.connect(p)
	if err != nil {
		return err
	}
	defer client.Close()
	p.roles = []string{topologies.ExportRole}
	if err := c.mayBe(p, client, topologies.ExportRole); err != nil {
		return err
	}
	topology, err := c.on(p, client)
	if err != nil {
		return err
	}
	plan, err := catalog.ReadPlan(p, client)
	if err != nil {
		return err
	}
	held, err := erasure.Gather(p, client, topology, plan, id)
	if errors.As(err, new(*lookup.NotFoundError)) {
		return &noError{err.Error()}
	}
	if err != nil {
		return err
	}
	return printJSON(p, held)
}
