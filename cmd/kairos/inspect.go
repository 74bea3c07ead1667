package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

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
	Identifier string    `arg:"" help:"Any of the person's identifiers, such as email=sarah@example.org, or person=ID."`
	At         time.Time `placeholder:"TIME" help:"For a device that is bound to sessions: when it was used, such as 2026-03-01T09:10:00Z."`
	JSON       bool      `name:"json" help:"For machines."`
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
	return find(p, client, id, w.At)
}

func find(ctx context.Context, client *cluster.Client, id schemas.Identifier, at time.Time) (*lookup.Person, *definition.Plan, error) {
	plan, err := catalog.ReadPlan(ctx, client)
	if err != nil {
		return nil, nil, err
	}
	if id, err = session(plan.Identity, id, at); err != nil {
		return nil, nil, err
	}
	person, err := lookup.Find(ctx, lookup.FromCluster{Client: client}, id)
	var unknown *lookup.NotFoundError
	if errors.As(err, &unknown) {
		return nil, nil, &noError{err.Error()}
	}
	return person, plan, err
}

// session is what a device is known by at a time, if it is bound to sessions.
func session(rules definition.IdentityRules, id schemas.Identifier, at time.Time) (schemas.Identifier, error) {
	i := slices.IndexFunc(rules.Namespaces, func(n definition.Namespace) bool { return n.Name == id.Namespace && n.Session > 0 })
	if i < 0 {
		return id, nil
	}
	if at.IsZero() {
		return id, askedError{fmt.Errorf("%s is bound to sessions, so whose it is depends on when: add --at and a time, such as 2026-03-01T09:10:00Z", id.Namespace)}
	}
	t := schemas.InstantOf(at)
	key := schemas.SessionKey(id, t-t%schemas.Instant(rules.Namespaces[i].Session.Milliseconds()))
	namespace, value, _ := strings.Cut(key, ":")
	return schemas.Identifier{Namespace: namespace, Value: value}, nil
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
