package main

import (
	"embed"
	"fmt"
	"strings"
)

// Each ready-made destination is a definition and a file for `kairos deliver`.
//
//go:embed templates/*.yaml
var readyMade embed.FS

const (
	definitionFile = ".definition.yaml"
	deliveryFile   = ".delivery.yaml"
)

type destinationCommand struct {
	Templates templatesCommand `cmd:"" help:"List ready-made destinations, or print one."`
}

type templatesCommand struct {
	Name     string `arg:"" optional:"" help:"Which to print. Without: all are listed."`
	Delivery bool   `help:"Print its file for kairos deliver, instead of its definition."`
}

func (c *templatesCommand) Help() string {
	return `A ready-made destination is copied, not configured: change audiences, identifiers and addresses,
and put its secrets where the second file says. Examples:
  kairos destination templates
  kairos destination templates slack > definitions/slack.yaml
  kairos destination templates slack --delivery > webhooks.yaml
  kairos apply -f definitions
  SLACK_URL=... kairos deliver -f webhooks.yaml`
}

func (c *templatesCommand) Run(p *process) error {
	names, err := templateNames()
	if err != nil {
		return err
	}
	if c.Name == "" {
		for _, name := range names {
			text, err := readyMade.ReadFile("templates/" + name + definitionFile)
			if err != nil {
				return err
			}
			about, _, _ := strings.Cut(strings.TrimPrefix(string(text), "# "), "\n")
			p.printf("%-24s %s\n", name, about)
		}
		return nil
	}
	part := definitionFile
	if c.Delivery {
		part = deliveryFile
	}
	text, err := readyMade.ReadFile("templates/" + c.Name + part)
	if err != nil {
		return askedError{fmt.Errorf("there is no template %q: choose one of %s", c.Name, strings.Join(names, ", "))}
	}
	p.printf("%s", text)
	return nil
}

func templateNames() (names []string, err error) {
	files, err := readyMade.ReadDir("templates")
	for _, f := range files {
		if name, is := strings.CutSuffix(f.Name(), definitionFile); is {
			names = append(names, name)
		}
	}
	return names, err
}
