package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"kairos/cmd/internal/catalog"
	"kairos/cmd/internal/door"
	"kairos/cmd/internal/portrait"
	"kairos/cmd/internal/screen"
	"kairos/processors/definition"
	"kairos/processors/identity"
	"kairos/schemas"
)

type identityCommand struct {
	Explain identityExplain `cmd:"" help:"Show why identifiers are one person: the evidence, the order it is taken in, and each refused link with its rule."`
	Unlink  identityUnlink  `cmd:"" help:"Say that two identifiers are not one person's. Reversible by relink."`
	Relink  identityRelink  `cmd:"" help:"Take an unlink back."`

	WhatIf    identityWhatIf    `cmd:"" name:"what-if" help:"Say what changed definitions would do to people and audiences, before they are published."`
	Precision identityPrecision `cmd:"" help:"Measure how often people found are right, on invented people of whom it is known."`
}

type identityExplain struct{ whom }

func (c *identityExplain) Run(p *process) error {
	person, plan, err := c.find(p)
	if err != nil {
		return err
	}
	evidence := portrait.EvidenceOf(person, plan)
	if c.JSON {
		return printJSON(p, evidence)
	}
	p.printf("%s", evidence.Text(screen.Paint(p.screen)))
	return nil
}

// pair is an operator's word about two identifiers. It goes to Kafka, whose
// ACLs say who is an operator, and not through the HTTP door, which refuses it.
type pair struct {
	connection
	One   string `arg:"" placeholder:"NAMESPACE=VALUE" help:"An identifier, such as email=sarah@example.org."`
	Other string `arg:"" placeholder:"NAMESPACE=VALUE" help:"Another one."`
	Why   string `required:"" help:"Reason, for those who ask later."`
}

type identityUnlink struct {
	pair
	Always bool `help:"Outlast links that are still to come."`
}

func (c *identityUnlink) Run(p *process) error {
	properties := schemas.Properties{}
	if c.Always {
		properties = properties.Set(identity.Always, schemas.BooleanOf(true))
	}
	return c.say(p, identity.Unlink, properties)
}

type identityRelink struct{ pair }

func (c *identityRelink) Run(p *process) error { return c.say(p, identity.Relink, nil) }

func (c pair) say(p *process, command string, properties schemas.Properties) error {
	e := schemas.Event{
		ID: rand.Text(), Name: command, Source: "operator",
		Properties: properties.Set(identity.Why, schemas.TextOf(c.Why)),
	}
	for _, text := range []string{c.One, c.Other} {
		namespace, value, ok := strings.Cut(text, "=")
		if !ok {
			return askedError{fmt.Errorf("%q is no identifier: write it as email=sarah@example.org", text)}
		}
		id, err := door.Identifier(namespace, value)
		if err != nil {
			return askedError{err}
		}
		e.Identifiers = append(e.Identifiers, id)
	}
	client, err := c.connect(p, door.Options()...)
	if err != nil {
		return err
	}
	defer client.Close()
	plan, err := catalog.ReadPlan(p, client)
	if err != nil {
		return err
	}
	d := door.New(client.Client, door.Config{
		Clock: func() schemas.Instant { return schemas.InstantOf(time.Now()) },
		Rules: func() definition.IdentityRules { return plan.Identity },
	})
	err = d.Accept(p, e)
	var problems door.Problems
	if errors.As(err, &problems) {
		return askedError{err}
	}
	if err != nil {
		return err
	}
	p.printf("%s %s %s: accepted; `kairos identity explain %s` shows what came of it\n", strings.TrimPrefix(command, "$"), c.One, c.Other, c.One)
	return nil
}
