// Package rig sets kairos up for a measurement, on a real Kafka, and looks at it
// from outside: it feeds events as the door would, reads transitions as anybody
// would, and counts what the processes use.
//
// In: a configuration. Out: figures. State: a broker, a kairos and a population
// in a folder of their own, deleted at the end. Law: everything measured runs in
// other processes.
//
// Not here: what is measured; see loadtest/load, loadtest/scale, loadtest/bench. Who does
// what: loadtest/population.
package rig

import (
	"flag"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"kairos/loadtest/binary"
	"kairos/schemas"
)

// Config is what is set up.
type Config struct {
	Name        string
	Separate    bool // one process per stage, not one for all
	Static      bool // processes have names, under which they keep their partitions over a restart
	Partitions  int
	People      int
	History     int // events per person before anything is measured
	Backlog     int // events
	Seed        uint64
	Definitions string   // a folder
	Results     string   // another
	Settings    []string // of the broker
	Profile     time.Duration
	Patience    time.Duration  // with any one part of a run; 0: ten minutes
	Binary      *binary.Binary // kairos; nil: built anew
	Bar         *Bar           // nil: one of its own

	Furnish func(*schemas.Event)                 // adds to what people do; nil: nothing
	Observe func(*schemas.Transition, time.Time) // is told of every transition that is seen, in the reader's goroutine; nil: nobody
}

// Flags defines the flags that measurements have in common. The defaults are
// what c has.
func (c *Config) Flags(flags *flag.FlagSet) {
	flags.BoolVar(&c.Separate, "separate", c.Separate, "run one process per stage")
	flags.IntVar(&c.Partitions, "partitions", c.Partitions, "of every keyed topic")
	flags.IntVar(&c.People, "people", c.People, "in the population")
	flags.IntVar(&c.History, "history", c.History, "events per person before anything is measured")
	flags.Uint64Var(&c.Seed, "seed", c.Seed, "of the population")
	flags.StringVar(&c.Results, "results", c.Results, "folder of the results")
	flags.Func("broker", "settings of the broker, KEY=VALUE, comma-separated", func(text string) error {
		c.Settings = strings.FieldsFunc(text, func(r rune) bool { return r == ',' })
		return nil
	})
	flags.DurationVar(&c.Patience, "patience", c.Patience, "with any one part of the run")
	flags.DurationVar(&c.Profile, "profile", c.Profile, "length of CPU profiles, taken while the backlog is worked off and kept beside the results")
}

// Machine is where it was measured. Broker, kairos and feeder share it.
type Machine struct {
	CPUs int    `json:"cpus"`
	OS   string `json:"os"`
	Go   string `json:"go"`
}

// ThisMachine describes this one.
func ThisMachine() Machine {
	return Machine{runtime.NumCPU(), runtime.GOOS + "/" + runtime.GOARCH, runtime.Version()}
}

// Commit is the project's state, empty outside a repository.
func Commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
