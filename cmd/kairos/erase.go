package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"kairos/cmd/internal/catalog"
	"kairos/cmd/internal/door"
	"kairos/cmd/internal/erasure"
	"kairos/cmd/internal/lookup"
	"kairos/schemas"
	"kairos/topologies"
)

type eraseCommand struct {
	Person erasePerson `cmd:"" default:"withargs" help:"Leave nothing of the person who has an identifier."`
	Renew  eraseRenew  `cmd:"" help:"Take in again what comes about an identifier that was erased: its person has consented anew."`
	Keys   eraseKeys   `cmd:"" help:"Begin to seal events, so that those of erased people can be made unreadable in the log."`
	Verify eraseVerify `cmd:"" help:"Check the signature of a receipt."`
}

type erasePerson struct {
	connection
	size
	Identifier string        `arg:"" placeholder:"NAMESPACE=VALUE" help:"Any of the person's identifiers, such as email=sarah@example.org."`
	DryRun     bool          `help:"Only say what would be erased."`
	Sign       string        `placeholder:"FILE" help:"The Ed25519 key, in PEM, that signs the receipt; it is made if it is not there."`
	Receipt    string        `placeholder:"FILE" help:"Where the receipt goes. Without: to the output."`
	Patience   time.Duration `default:"1m" help:"How long stages, and readers that are behind, are waited for (${default})."`
}

func (c *erasePerson) Help() string {
	return `All identifiers of the person lose their keys, so that nobody can read any more what the log
holds of them; then all tables, lists of destinations, dead letters and local files forget them.
What comes about them later is not taken in, until "kairos erase renew". The receipt says what
was found, what was removed, and what is left until when. Exit code 3 if anything is left.
"kairos run" must be running. An erasure that was interrupted is done again. Examples:
  kairos erase email=sarah@example.org --dry-run
  kairos erase email=sarah@example.org --sign receipts.pem --receipt sarah.json
  kairos erase verify sarah.json email=sarah@example.org`
}

func identifierOf(text string) (schemas.Identifier, error) {
	namespace, value, pair := strings.Cut(text, "=")
	if !pair {
		return schemas.Identifier{}, askedError{fmt.Errorf("%q is no identifier: write it as email=sarah@example.org", text)}
	}
	id, err := door.Identifier(namespace, value)
	if err != nil {
		return id, askedError{err}
	}
	return id, nil
}

func (c *erasePerson) Run(p *process) error {
	id, err := identifierOf(c.Identifier)
	if err != nil {
		return err
	}
	if c.Sign == "" && !c.DryRun {
		return askedError{errors.New("a receipt is signed: say with --sign which key signs it, or look first with --dry-run")}
	}
	client, err := c.connect(p, door.Options()...)
	if err != nil {
		return err
	}
	defer client.Close()
	role := topologies.EraseRole
	if c.DryRun {
		role = topologies.ExportRole
	}
	p.roles = []string{role}
	if err := c.mayBe(p, client, role); err != nil { // before anything is half done
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
	subject, err := erasure.Find(p, client, id)
	if err != nil {
		return err
	}
	if id.Namespace == lookup.ByPerson && len(subject.Identifiers) == 0 {
		return &noError{(&lookup.NotFoundError{Identifier: id}).Error()}
	}
	config := erasure.Config{
		Client: client, Topology: topology, Rules: plan.Identity, Now: time.Now, Patience: c.Patience,
		Progress: func(what string) { p.notef("%s\n", what) },
	}
	if c.DryRun {
		found, err := erasure.Look(p, config, subject)
		if err != nil {
			return err
		}
		return printJSON(p, found)
	}
	key, err := erasure.Key(c.Sign)
	if err != nil {
		return askedError{err}
	}
	receipt, err := erasure.Erase(p, config, subject)
	if err != nil {
		return err
	}
	signed, err := erasure.Sign(receipt, key)
	if err != nil {
		return err
	}
	if err := c.hand(p, signed); err != nil {
		return err
	}
	if len(receipt.Left) > 0 {
		return &noError{"erased, but some is left: " + strings.Join(receipt.Left, "; ")}
	}
	return nil
}

func (c *erasePerson) hand(p *process, signed *erasure.Signed) error {
	if c.Receipt == "" {
		return printJSON(p, signed)
	}
	file, err := os.OpenFile(c.Receipt, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	to := *p
	to.out = file
	return errors.Join(printJSON(&to, signed), file.Close())
}

type eraseRenew struct {
	connection
	Identifiers []string `arg:"" placeholder:"NAMESPACE=VALUE" help:"Identifiers, such as email=sarah@example.org."`
}

func (c *eraseRenew) Run(p *process) error {
	var ids []schemas.Identifier
	for _, text := range c.Identifiers {
		id, err := identifierOf(text)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	return c.changeKeys(p, ids...)
}

type eraseKeys struct{ connection }

func (c *eraseKeys) Run(p *process) error {
	return c.changeKeys(p)
}

// changeKeys makes the keys anew, with those of ids.
func (c connection) changeKeys(p *process, ids ...schemas.Identifier) error {
	client, err := c.connect(p)
	if err != nil {
		return err
	}
	defer client.Close()
	topology, err := size{}.topology(nil)
	if err != nil {
		return err
	}
	needed := slices.DeleteFunc(topology.ACLs(topologies.EraseRole), func(a topologies.ACL) bool { return a.Name != topologies.Keys.Name })
	if err := client.Rights(p, topology, needed); err != nil {
		return err
	}
	return erasure.Renew(p, client, ids...)
}

type eraseVerify struct {
	Receipt    string `arg:"" type:"existingfile" help:"The receipt."`
	Identifier string `arg:"" optional:"" placeholder:"NAMESPACE=VALUE" help:"Whom it should be about."`
	Public     string `placeholder:"KEY" help:"The signer's public key, as it stands in receipts: whose it is must be known from elsewhere."`
}

func (c *eraseVerify) Run(p *process) error {
	text, err := os.ReadFile(c.Receipt)
	if err != nil {
		return err
	}
	receipt, err := erasure.Verify(text, c.Public)
	if err != nil {
		return &noError{err.Error()}
	}
	if c.Identifier != "" {
		id, err := identifierOf(c.Identifier)
		if err != nil {
			return err
		}
		if !receipt.IsAbout(id) {
			return &noError{"the receipt is whole, but about somebody else, or about the same person by another identifier"}
		}
	}
	p.printf("whole: erased at %s, %d things left\n", receipt.At, len(receipt.Left))
	return nil
}
