package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kairos/cmd/internal/catalog"
	"kairos/cmd/internal/cluster"
	"kairos/processors/definition"
	"kairos/schemas"
)

type applyCommand struct {
	connection
	size
	File  string `short:"f" required:"" placeholder:"DIR" help:"Folder with definitions (*.yaml): all that there shall be. Or one file, which leaves the others alone."`
	Check bool   `help:"Only check them. Needs no Kafka."`
	Diff  bool   `help:"Only show what would change and what depends on it; exit code 3 if anything would."`
	JSON  bool   `name:"json" help:"For machines."`
}

func (c *applyCommand) Run(p *process) error {
	set, err := c.load()
	if err != nil {
		return err
	}
	if c.Check {
		if _, err := set.Compile(); err != nil {
			return c.refused(err)
		}
		if err := mustPass(set); err != nil {
			return c.refused(err)
		}
		p.notef("all definitions are good\n")
		return nil
	}
	client, err := c.connect(p)
	if err != nil {
		return err
	}
	defer client.Close()
	if c.Diff {
		return c.diff(p, client, set)
	}
	if err := c.ensure(p, client); err != nil {
		return err
	}
	changed, err := catalog.Publish(p, client, schemas.InstantOf(time.Now()), func(before catalog.Published) ([]schemas.Definition, error) {
		after, err := c.after(set, before)
		if err != nil {
			return nil, err
		}
		// Before they are published: hosts want the streams of new destinations at once.
		return after, c.ensure(p, client, destinationsOf(after)...)
	})
	if err != nil {
		return err
	}
	return c.print(p, changed)
}

func destinationsOf(all []schemas.Definition) (names []string) {
	for _, d := range all {
		if d.Kind == "destination" && d.Text != "" {
			names = append(names, d.Name)
		}
	}
	return names
}

// ensure creates what is missing of the topology.
func (c *applyCommand) ensure(p *process, client *cluster.Client, destinations ...string) error {
	t, err := c.on(p, client, destinations...)
	if err != nil {
		return err
	}
	_, err = client.Apply(p, t)
	return err
}

func (c *applyCommand) load() (*definition.Set, error) {
	info, err := os.Stat(c.File)
	if err != nil {
		return nil, askedError{fmt.Errorf("no definitions there: %w", err)}
	}
	var set *definition.Set
	if info.IsDir() {
		set, err = definition.Load(os.DirFS(c.File))
	} else {
		var text []byte
		if text, err = os.ReadFile(c.File); err == nil {
			set, err = definition.Parse(filepath.Base(c.File), text)
		}
	}
	if err != nil {
		return nil, c.refused(err)
	}
	if len(set.Records(nil)) == 0 { // more likely a wrong folder than the wish to withdraw everything
		return nil, askedError{fmt.Errorf("nothing was published, there is no definition in %s: name a folder with *.yaml files", c.File)}
	}
	return set, nil
}

// refused gives problems the path that the user gave, so that an editor or a
// terminal can jump there.
func (c *applyCommand) refused(err error) error {
	problems, ok := definition.AsProblems(err)
	if !ok {
		var path *fs.PathError
		if errors.As(err, &path) {
			return askedError{err}
		}
		return err
	}
	lines := make([]string, len(problems))
	for i, problem := range problems {
		problem.File = c.path(problem.File)
		lines[i] = problem.String()
	}
	return askedError{fmt.Errorf("nothing was published, %d problem(s):\n%s", len(lines), strings.Join(lines, "\n"))}
}

func (c *applyCommand) folder() string {
	if info, err := os.Stat(c.File); err == nil && !info.IsDir() {
		return filepath.Dir(c.File)
	}
	return c.File
}

// whole completes one file by what is published already.
func (c *applyCommand) whole(set *definition.Set, before catalog.Published) (*definition.Set, error) {
	info, err := os.Stat(c.File)
	if err != nil || info.IsDir() {
		return set, nil
	}
	published, err := definition.FromRecords(before)
	if err != nil {
		return nil, err
	}
	return published.With(set), nil
}

// after computes what shall be published.
func (c *applyCommand) after(set *definition.Set, before catalog.Published) ([]schemas.Definition, error) {
	set, err := c.whole(set, before)
	if err != nil {
		return nil, err
	}
	plan, err := set.Compile()
	if err == nil {
		err = mustPass(set)
	}
	if err != nil {
		return nil, c.refused(err)
	}
	var destinations []string
	for _, d := range plan.Destinations {
		destinations = append(destinations, d.Name)
	}
	if _, err := c.topology(destinations); err != nil {
		return nil, err
	}
	return set.Records(before), nil
}

// changeLine is one changed definition for machines.
type changeLine struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Version int64  `json:"version"`
	Change  string `json:"change"` // new, changed or withdrawn
}

func (c *applyCommand) print(p *process, changed []schemas.Definition) error {
	lines := make([]changeLine, len(changed))
	for i, d := range changed {
		lines[i] = changeLine{d.Kind, d.Name, d.Version, "changed"}
		if d.Version == 1 {
			lines[i].Change = "new"
		}
		if d.Text == "" {
			lines[i].Change = "withdrawn"
		}
	}
	if c.JSON {
		return printJSON(p, lines)
	}
	for _, l := range lines {
		p.printf("%-9s  %s %s, version %d\n", l.Change, l.Kind, l.Name, l.Version)
	}
	if len(lines) == 0 {
		p.printf("nothing changed\n")
	}
	return nil
}
