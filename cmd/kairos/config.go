package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

type configCommand struct {
	Show      configShow      `cmd:"" default:"1" help:"Print the settings that count, and where each comes from."`
	Reference configReference `cmd:"" help:"Print all settings with their defaults, in Markdown."`
}

func (c *configCommand) Help() string {
	return `Settings come from the command line, the environment, the file that --config or KAIROS_CONFIG
names, or are defaults; the first that says something counts. The file has a section for what
commands share, and one for each command:
  kafka:    {brokers: ["kafka-1:9093"], tls: true, sasl: scram-sha-512, sasl-user: kairos, sasl-password: "file:/run/secrets/kafka"}
  topology: {replication: 3}
  run:      {state: /var/lib/kairos, instance: kairos-0}
Secrets are never in it, only where they are kept. What kairos does not know is refused.`
}

type configShow struct{}

func (c *configShow) Run(p *process, all *commands, app *kong.Application) error {
	var read settings
	if all.Config != "" {
		var err error
		if read, err = readSettings(all.Config, app); err != nil {
			return askedError{err}
		}
	}
	for _, s := range sections(app) {
		p.printf("%s:\n", s.name)
		for _, flag := range s.flags {
			value, from, err := effective(flag, s, read)
			if err != nil {
				return askedError{err}
			}
			if from == "" {
				p.printf("  # %s:\n", flag.Name)
				continue
			}
			p.printf("  %-40s # %s\n", flag.Name+": "+value, from)
		}
	}
	return nil
}

// effective is what a setting is, as YAML, and where that comes from: nowhere
// if nothing says it.
func effective(flag *kong.Flag, s section, read settings) (value, from string, err error) {
	for _, name := range flag.Envs {
		if text, there := os.LookupEnv(name); there {
			return inYAML(hidden(flag, text)), name, nil
		}
	}
	if node, said := read[s.name][flag.Name]; said {
		plain, err := plainly(node)
		if err != nil {
			return "", "", err
		}
		if list, ok := plain.([]any); ok {
			var all []string
			for _, item := range list {
				all = append(all, inYAML(hidden(flag, fmt.Sprint(item))))
			}
			return "[" + strings.Join(all, ", ") + "]", "file", nil
		}
		return inYAML(hidden(flag, fmt.Sprint(plain))), "file", nil
	}
	if flag.HasDefault {
		return inYAML(flag.Default), "default", nil
	}
	return "", "", nil
}

// inYAML writes text as YAML on one line.
func inYAML(text string) string {
	encoded, err := yaml.Marshal(text)
	if err != nil || strings.Count(string(encoded), "\n") > 1 {
		return fmt.Sprintf("%q", text)
	}
	return strings.TrimSuffix(string(encoded), "\n")
}

type configReference struct{}

func (c *configReference) Run(p *process, app *kong.Application) error {
	p.printf("%s", reference(app))
	return nil
}

// reference documents all settings; deploy/SETTINGS.md is this.
func reference(app *kong.Application) string {
	var b strings.Builder
	b.WriteString("# Settings\n\nWritten by `make generate` from the flags of the commands. A setting is a flag, a variable of the environment, or a line of the file that `--config` names, in its section; the first that says something counts. `kairos config` prints what counts.\n")
	for _, s := range sections(app) {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| Setting | Environment | Default | |\n|---|---|---|---|\n", s.name, s.doc)
		for _, flag := range s.flags {
			standard := ""
			if flag.HasDefault {
				standard = "`" + flag.Default + "`"
			}
			env := ""
			if len(flag.Envs) > 0 {
				env = "`" + flag.Envs[0] + "`"
			}
			help := strings.NewReplacer("|", `\|`, " ("+flag.Default+")", "").Replace(flag.Help)
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", flag.Name, env, standard, help)
		}
	}
	return b.String()
}
