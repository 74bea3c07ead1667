package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// Settings are flags that stay the same from day to day. They are written in
// one file, whose sections are those of Kafka and of the topology, which all
// commands share, and one for each command that runs on its own. The command
// line wins over the environment, that over the file, that over defaults.

// settled lists the commands that have a section.
var settled = []string{"run", "deliver", "ingest", "probe", "status", "top", "doctor"}

// secretly are the settings that say where a secret is kept.
var secretly = []string{"sasl-password", "sasl-token", "token", "key"}

// lent are the settings of other commands that doctor looks at, by what it calls
// them.
var lent = map[string]struct{ section, key string }{
	"state": {"run", "state"}, "traces": {"run", "traces"}, "sources": {"run", "sources"}, "tokens": {"run", "tokens"}, "deliver": {"deliver", "file"}, "ingest": {"ingest", "file"},
}

// section is a part of the file of settings.
type section struct {
	name  string
	doc   string
	flags []*kong.Flag
}

func (s section) flag(name string) *kong.Flag {
	i := slices.IndexFunc(s.flags, func(f *kong.Flag) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return s.flags[i]
}

// sections are derived from the commands.
func sections(app *kong.Application) []section {
	kafka, size := section{name: "kafka", doc: "Where Kafka is, and who we are there."}, section{name: "topology", doc: "How large the topology is."}
	var all []section
	for _, word := range settled {
		i := slices.IndexFunc(app.Children, func(n *kong.Node) bool { return n.Name == word })
		s := section{name: word, doc: app.Children[i].Help}
		for _, flag := range app.Children[i].Flags {
			of := &s
			if flag.Group != nil && flag.Group.Key == "Kafka" {
				of = &kafka
			} else if flag.Group != nil && flag.Group.Key == "Topology" {
				of = &size
			} else if flag.Name == "help" || flag.Name == "json" {
				continue
			}
			if of.flag(flag.Name) == nil {
				of.flags = append(of.flags, flag)
			}
		}
		all = append(all, s)
	}
	return append([]section{kafka, size}, all...)
}

// settings is a file of settings: section, then flag, then what it says.
type settings map[string]map[string]yaml.Node

// readSettings reads and checks a file. What it does not know is refused.
func readSettings(path string, app *kong.Application) (settings, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the file of settings: %w", err)
	}
	var read settings
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&read); err != nil && len(bytes.TrimSpace(text)) > 0 {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	known := sections(app)
	var wrong []error
	for name, given := range read {
		i := slices.IndexFunc(known, func(s section) bool { return s.name == name })
		if i < 0 {
			wrong = append(wrong, fmt.Errorf("%s: there is no section %q: use %s", path, name, strings.Join(names(known), ", ")))
			continue
		}
		for key, node := range given {
			if err := known[i].check(key, node); err != nil {
				wrong = append(wrong, fmt.Errorf("%s:%d: %s: %w", path, node.Line, name, err))
			}
		}
	}
	slices.SortFunc(wrong, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return read, errors.Join(wrong...)
}

func names(known []section) []string {
	var all []string
	for _, s := range known {
		all = append(all, s.name)
	}
	return all
}

func (s section) check(key string, node yaml.Node) error {
	flag := s.flag(key)
	if flag == nil {
		return fmt.Errorf("there is no setting %q: `kairos config reference` lists them", key)
	}
	if _, err := parseSetting(flag, node); err != nil {
		if slices.Contains(secretly, key) {
			return fmt.Errorf("%s is not one text", key)
		}
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

// parseSetting reads a setting as the command line would.
func parseSetting(flag *kong.Flag, node yaml.Node) (reflect.Value, error) {
	value, err := plainly(node)
	if err != nil {
		return reflect.Value{}, err
	}
	into := reflect.New(flag.Target.Type()).Elem()
	if err := flag.Value.Mapper.Decode(&kong.DecodeContext{Value: flag.Value, Scan: kong.Scan().PushTyped(value, kong.FlagValueToken)}, into); err != nil {
		return into, err
	}
	if text := fmt.Sprint(into.Interface()); flag.Enum != "" && !flag.EnumMap()[text] {
		return into, fmt.Errorf("%q is none of %s", text, flag.Enum)
	}
	return into, nil
}

// plainly turns YAML into what flags are made of: a truth, a list of texts, a text.
func plainly(node yaml.Node) (any, error) {
	switch {
	case node.Kind == yaml.SequenceNode:
		all := []any{}
		for _, item := range node.Content {
			if item.Kind != yaml.ScalarNode {
				return nil, errors.New("a list holds plain values")
			}
			all = append(all, item.Value)
		}
		return all, nil
	case node.Kind != yaml.ScalarNode:
		return nil, errors.New("want a plain value or a list")
	case node.Tag == "!!bool":
		return node.Value == "true", nil
	}
	return node.Value, nil
}

// BeforeResolve lets the file speak for what neither the command line nor the
// environment says.
func (c *commands) BeforeResolve(ctx *kong.Context) error {
	flag := rootFlag(ctx.Model, "config")
	path, _ := ctx.FlagValue(flag).(string)
	if path == "" {
		return nil
	}
	read, err := readSettings(path, ctx.Model)
	if err != nil {
		return err
	}
	known := sections(ctx.Model)
	ctx.AddResolver(kong.ResolverFunc(func(ctx *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
		if inEnvironment(flag) {
			return nil, nil
		}
		command := ""
		if len(ctx.Path) > 1 && ctx.Path[1].Command != nil {
			command = ctx.Path[1].Command.Name
		}
		for _, s := range known {
			if command != s.name && !shared(s.name, flag) {
				continue
			}
			if node, said := read[s.name][flag.Name]; said {
				return plainly(node)
			}
		}
		if node, said := read[lent[flag.Name].section][lent[flag.Name].key]; said && command == "doctor" {
			return plainly(node)
		}
		return nil, nil
	}))
	return nil
}

func shared(section string, flag *kong.Flag) bool {
	return flag.Group != nil && strings.EqualFold(flag.Group.Key, section)
}

func rootFlag(app *kong.Application, name string) *kong.Flag {
	return section{flags: app.Flags}.flag(name)
}

func inEnvironment(flag *kong.Flag) bool {
	return slices.ContainsFunc(flag.Envs, func(name string) bool { _, there := os.LookupEnv(name); return there })
}

// hidden is text that may be shown: of a secret only where it is kept.
func hidden(flag *kong.Flag, text string) string {
	if slices.Contains(secretly, flag.Name) && text != "" && !strings.HasPrefix(text, "file:") && !strings.HasPrefix(text, "env:") {
		return "***"
	}
	if u, err := url.Parse(text); err == nil && u.User != nil {
		u.User = url.User("***")
		return u.String()
	}
	return text
}
