package main

import (
	"errors"
	"fmt"
	"slices"

	"kairos/cmd/internal/catalog"
	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/crowd"
	"kairos/cmd/internal/portrait"
	"kairos/cmd/internal/screen"
	"kairos/processors/definition"
)

type audienceCommand struct {
	List        audienceList        `cmd:"" help:"All audiences with state, size and schedule."`
	Size        audienceSize        `cmd:"" help:"How many people are in audiences, counted in the tables."`
	Members     audienceMembers     `cmd:"" help:"Who is in an audience, page by page."`
	Preview     audiencePreview     `cmd:"" help:"Who would be in a draft, or after an edit, if it were published now."`
	Test        audienceTest        `cmd:"" help:"Play the tests that audiences carry."`
	Progress    audienceProgress    `cmd:"" help:"How far people are looked at again after a change of definitions."`
	Hold        audienceHold        `cmd:"" help:"Make that wait."`
	Resume      audienceResume      `cmd:"" help:"Go on with it."`
	Overlap     audienceOverlap     `cmd:"" help:"How many people audiences share."`
	Explain     explainCommand      `cmd:"" help:"Say why a person is in an audience, or not."`
	Churn       audienceChurn       `cmd:"" help:"Entries and exits, hour by hour."`
	Distinguish audienceDistinguish `cmd:"" help:"What members have more often than people in general."`
}

// question is one about audiences of a cluster.
type question struct {
	connection
	JSON bool `name:"json" help:"For machines."`
}

// ask connects and reads what is published.
func (q question) ask(p *process, f func(*cluster.Client, *definition.Set, *definition.Plan) error) error {
	client, err := q.connect(p)
	if err != nil {
		return err
	}
	defer client.Close()
	published, err := catalog.Read(p, client)
	if err != nil {
		return err
	}
	plan, err := published.Plan()
	if err != nil {
		return err
	}
	set, err := definition.FromRecords(published)
	if err != nil {
		return err
	}
	return f(client, set, plan)
}

// answer prints an answer.
func answer[T any](p *process, q question, value T, text func(screen.Paint) string) error {
	if q.JSON {
		return printJSON(p, value)
	}
	p.printf("%s", text(screen.Paint(p.screen)))
	return nil
}

// mustExist refuses names that no audience has.
func mustExist(plan *definition.Plan, names ...string) error {
	for _, name := range names {
		if plan.Audience(name) == nil {
			var known []string
			for _, all := range [][]definition.Audience{plan.Audiences, plan.Drafts, plan.Retired} {
				for i := range all {
					known = append(known, all[i].Name)
				}
			}
			slices.Sort(known)
			return askedError{&portrait.UnknownAudienceError{Name: name, Known: known}}
		}
	}
	return nil
}

type audienceList struct{ question }

func (c *audienceList) Run(p *process) error {
	return c.ask(p, func(client *cluster.Client, _ *definition.Set, plan *definition.Plan) error {
		all, err := crowd.List(p, crowd.FromCluster{Client: client}, plan)
		if err != nil {
			return err
		}
		return answer(p, c.question, all, func(paint screen.Paint) string { return crowd.ListText(all, paint) })
	})
}

type audienceSize struct {
	question
	Audiences []string `arg:"" optional:"" help:"Names. Without: all."`
}

func (c *audienceSize) Run(p *process) error {
	return c.ask(p, func(client *cluster.Client, _ *definition.Set, plan *definition.Plan) error {
		if err := mustExist(plan, c.Audiences...); err != nil {
			return err
		}
		all, err := crowd.List(p, crowd.FromCluster{Client: client}, plan)
		if err != nil {
			return err
		}
		if len(c.Audiences) > 0 {
			all = slices.DeleteFunc(all, func(a crowd.Audience) bool { return !slices.Contains(c.Audiences, a.Name) })
		}
		return answer(p, c.question, all, func(paint screen.Paint) string { return crowd.SizesText(all, paint) })
	})
}

type audienceMembers struct {
	question
	Audience string `arg:"" help:"The audience's name."`
	Limit    int    `default:"50" help:"How many at once (${default}); 0: all."`
	After    string `placeholder:"PERSON" help:"Only those after this person, as the last page says."`
}

func (c *audienceMembers) Run(p *process) error {
	return c.ask(p, func(client *cluster.Client, _ *definition.Set, plan *definition.Plan) error {
		if err := mustExist(plan, c.Audience); err != nil {
			return err
		}
		page, err := crowd.Members(p, crowd.FromCluster{Client: client}, c.Audience, c.After, c.Limit)
		if err != nil {
			return err
		}
		return answer(p, c.question, page, page.Text)
	})
}

type audiencePreview struct {
	question
	Audience string `arg:"" help:"The audience's name."`
	File     string `short:"f" placeholder:"DIR" help:"Folder or file with definitions that are not published. Without: a published draft."`
	Log      bool   `help:"Play the door's whole log through the stages instead of asking the tables. In memory: some kilobytes for each event."`
	Most     int64  `default:"1000000" help:"With --log: refuse a log of more records (${default})."`
	Limit    int    `default:"10" help:"How many people to name (${default})."`
}

func (c *audiencePreview) Help() string {
	return `Evaluates the condition over the tables, as the stages would, and changes nothing. What
the tables cannot tell is said: they keep only events that something published asks for.
With --log the door's events are played instead, as far back as Kafka keeps them.`
}

func (c *audiencePreview) Run(p *process) error {
	return c.ask(p, func(client *cluster.Client, set *definition.Set, running *definition.Plan) error {
		if c.File != "" {
			apply := applyCommand{File: c.File}
			own, err := apply.load()
			if err != nil {
				return err
			}
			set = set.With(own)
		}
		plan, err := set.Preview(c.Audience)
		if err != nil {
			return askedError{fmt.Errorf("nothing can be previewed:\n%w", err)}
		}
		if err := mustExist(plan, c.Audience); err != nil {
			return err
		}
		if plan.Audience(c.Audience).Expression == nil {
			return askedError{fmt.Errorf("audience %q is retired: nobody would be in it", c.Audience)}
		}
		var view crowd.Preview
		if c.Log {
			bar := p.bar("playing the log")
			view, err = crowd.PreviewFromLog(p, client, plan, c.Audience, c.Limit, crowd.Reading{Most: c.Most, Progress: bar.show})
			bar.done()
			if tooLong := (*crowd.LongLogError)(nil); errors.As(err, &tooLong) {
				return &noError{tooLong.Error() + ": ask the tables, without --log, or raise --most if there is memory"}
			}
		} else {
			view, err = crowd.PreviewOf(p, crowd.FromCluster{Client: client}, plan, running, c.Audience, c.Limit)
		}
		if err != nil {
			return err
		}
		return answer(p, c.question, view, view.Text)
	})
}

type audienceOverlap struct {
	question
	Audiences []string `arg:"" optional:"" help:"Names. Without: the ten largest."`
}

func (c *audienceOverlap) Run(p *process) error {
	return c.ask(p, func(client *cluster.Client, _ *definition.Set, plan *definition.Plan) error {
		if err := mustExist(plan, c.Audiences...); err != nil {
			return err
		}
		overlap, err := crowd.Overlaps(p, crowd.FromCluster{Client: client}, c.Audiences...)
		if err != nil {
			return err
		}
		return answer(p, c.question, overlap, overlap.Text)
	})
}

type audienceChurn struct {
	question
	Audiences []string `arg:"" optional:"" help:"Names. Without: all."`
	Hours     int      `default:"24" help:"How many hours back from the newest entry or exit (${default})."`
}

func (c *audienceChurn) Run(p *process) error {
	if c.Hours <= 0 {
		return askedError{fmt.Errorf("--hours=%d: give a number above zero", c.Hours)}
	}
	return c.ask(p, func(client *cluster.Client, _ *definition.Set, _ *definition.Plan) error {
		hours, err := crowd.Churn(p, client, c.Hours, c.Audiences...)
		if err != nil {
			return err
		}
		return answer(p, c.question, hours, func(paint screen.Paint) string { return crowd.ChurnText(hours, paint) })
	})
}

type audienceDistinguish struct {
	question
	Audience string `arg:"" help:"The audience's name."`
	Least    int    `default:"10" help:"Leave out what fewer members have (${default})."`
	Limit    int    `default:"20" help:"How many traits (${default})."`
}

func (c *audienceDistinguish) Run(p *process) error {
	return c.ask(p, func(client *cluster.Client, _ *definition.Set, plan *definition.Plan) error {
		if err := mustExist(plan, c.Audience); err != nil {
			return err
		}
		d, err := crowd.Distinguish(p, crowd.FromCluster{Client: client}, plan, c.Audience, c.Least, c.Limit)
		if err != nil {
			return err
		}
		return answer(p, c.question, d, d.Text)
	})
}
