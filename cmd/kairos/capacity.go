package main

import "kairos/cmd/internal/capacity"

type capacityCommand struct {
	Events      float64 `required:"" help:"A second."`
	People      float64 `required:"" help:"Known to the tables."`
	Audiences   float64 `default:"20" help:"Defined (${default})."`
	Touched     float64 `help:"Audiences that an event is one for; without, what was measured with so many audiences most of which are about one product."`
	Replicas    float64 `default:"3" help:"Of every topic (${default})."`
	Utilisation float64 `default:"0.6" help:"Of cores (${default}): the rest is for peaks and restarts."`
	Cores       float64 `default:"8" help:"Of one process (${default})."`
	Days        float64 `default:"400" help:"That the log of events is kept (${default})."`
	Partitions  float64 `help:"Of every keyed topic; without, as many as cores and rows take."`
	Skew        float64 `default:"0.8" help:"The k-th of the people has 1/k^SKEW of the first's events (${default}; 0: all alike)."`
	JSON        bool    `name:"json" help:"For machines."`
}

func (c *capacityCommand) Help() string {
	return `Needs no Kafka. Multiplies what was measured on one machine (loadtest/results), prints what it
assumes, and says what breaks first and what would lift that; how unequal partitions are when some
people do much more than others, and what it costs when processes come and go.

  kairos capacity --events 2000000 --people 100000000 --audiences 1000`
}

func (c *capacityCommand) Run(p *process) error {
	load := capacity.Load{
		Events: c.Events, People: c.People, Audiences: c.Audiences, Touched: c.Touched, Replicas: c.Replicas,
		Utilisation: c.Utilisation, CoresEach: c.Cores, DaysOfLog: c.Days,
		Partitions: c.Partitions, Skew: c.Skew,
	}
	if err := load.Validate(); err != nil {
		return askedError{err}
	}
	measured, err := capacity.Read()
	if err != nil {
		return err
	}
	plan, err := capacity.Compute(measured, load)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(p, plan)
	}
	p.printf("%s", plan.Text())
	return nil
}
