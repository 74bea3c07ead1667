package main

import (
	"fmt"
	"sync"
	"time"

	"kairos/cmd/internal/precision"
	"kairos/cmd/internal/screen"
	"kairos/loadtest/truth"
)

type identityPrecision struct {
	People int      `default:"10000" help:"How many people (${default})."`
	Events int      `default:"500000" help:"What they do in a year (${default})."`
	Seed   uint64   `default:"1" help:"Of the population (${default})."`
	Rules  []string `placeholder:"NAME" sep:"none" help:"Try only these of the table's rules. Again for more."`
	JSON   bool     `name:"json" help:"For machines."`
}

func (c *identityPrecision) Help() string {
	return `Needs no Kafka. Invents people of whom it is known who they are: families that share devices
and landlines, late logins, slips, recycled numbers, terminals that half a town uses. Lets the
identity stage decide on what they leave behind, without protections, with each, with all and with
all but each, and counts pairs of identifiers: precision is the part of the pairs found that
truly are one person's, recall the part of those that was found.`
}

func (c *identityPrecision) Run(p *process) error {
	config := truth.Config{People: c.People, Events: c.Events, Seed: c.Seed}
	if c.People < 1 || c.Events < 1 {
		return askedError{fmt.Errorf("%d people with %d events: ask for at least one of each", c.People, c.Events)}
	}
	trials, err := precision.Trials(precision.Protected()).Named(c.Rules)
	if err != nil {
		return askedError{err}
	}
	bar := p.bar("measuring")
	result, err := precision.Run(p, config, trials, bar.show)
	bar.done()
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(p, result)
	}
	p.printf("%s", result.Text())
	return nil
}

// bar shows on standard error how far something long is: in place on a
// terminal, and now and then a line elsewhere. It may be told by many
// goroutines.
type bar struct {
	process *process
	what    string
	mutex   sync.Mutex
	picture *screen.Screen
	begin   time.Time
	drawn   time.Time
}

func (p *process) bar(what string) *bar {
	return &bar{process: p, what: what, picture: screen.New(p.err, p.width), begin: time.Now(), drawn: time.Now()}
}

// show says that a part, from 0 to 1, is done.
func (b *bar) show(part float64) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	pause := 10 * time.Second
	if b.process.errScreen {
		pause = 100 * time.Millisecond
	}
	if time.Since(b.drawn) < pause {
		return
	}
	b.drawn = time.Now()
	left := ""
	if part > 0.01 {
		left = fmt.Sprintf(", %s left", time.Duration(float64(time.Since(b.begin))*(1-part)/part).Round(time.Second))
	}
	if b.process.errScreen {
		b.picture.Draw([]string{fmt.Sprintf("%s %s %3.0f %%%s", b.what, screen.Left(screen.Bar(part, 40), 40), 100*part, left)})
		return
	}
	b.process.notef("%s: %.0f %%%s\n", b.what, 100*part, left)
}

// done takes the bar away.
func (b *bar) done() {
	if b.process.errScreen {
		b.picture.Draw(nil)
		b.picture.Done()
	}
}
