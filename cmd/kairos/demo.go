package main

import (
	"encoding/json"
	"log/slog"
	"os"
	"runtime/debug"
	"runtime/pprof"
	"strings"

	"kairos/cmd/kairos/demo"
)

type demoCommand struct {
	Exit       bool   `help:"End after the replay and print the summary as JSON; progress goes to standard error."`
	Data       string `placeholder:"DIR" help:"Keep broker and rows in this folder. A second demo goes on from there."`
	Keep       bool   `help:"Short for --data .kairos/demo."`
	Door       string `default:"127.0.0.1:8080" help:"Where the door listens after the replay (${default})."`
	Partitions int32  `default:"4" help:"Partitions of every keyed topic (${default})."`
	Unchained  bool   `help:"One consumer group for each stage."`
	Days       int    `placeholder:"N" help:"Only the first N days of the history."`
	Verbose    bool   `short:"v" help:"Log what the hosts do."`
	CPUProfile string `name:"cpu-profile" hidden:"" help:"Write a CPU profile to this file."`
}

func (c *demoCommand) Help() string {
	return `Replays the CDNOW purchase log (69,659 purchases of 23,570 people, January 1997 to
June 1998) in virtual time through an embedded broker and all five stages, then tells the
story of Sarah, who is invented, and keeps the door open for your own events.`
}

func (c *demoCommand) Run(p *process) error {
	config := demo.Config{
		Out: p.out, Live: p.screen, Width: p.width, Log: c.logger(p),
		DataDir: c.Data, Door: c.Door, Partitions: c.Partitions, Unchained: c.Unchained, Days: c.Days, Stay: !c.Exit, Command: commandName(),
	}
	if c.Keep && c.Data == "" {
		config.DataDir = ".kairos/demo"
	}
	if c.Exit {
		config.Out, config.Live = p.err, p.errScreen
	}
	boundMemory()
	stop, err := c.profile()
	if err != nil {
		return err
	}
	defer stop()
	summary, err := demo.Run(p, config)
	if err != nil || !c.Exit {
		return err
	}
	return json.NewEncoder(p.out).Encode(summary)
}

// boundMemory keeps the demo within a gigabyte or so, with the broker and all
// that it holds, by collecting more often from there on.
func boundMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(1 << 30)
	}
}

// commandName is how this program was called, for examples that can be copied.
func commandName() string {
	if strings.Contains(os.Args[0], "go-build") {
		return "go run ./cmd/kairos"
	}
	return os.Args[0]
}

func (c *demoCommand) profile() (stop func(), err error) {
	if c.CPUProfile == "" {
		return func() {}, nil
	}
	file, err := os.Create(c.CPUProfile)
	if err == nil {
		err = pprof.StartCPUProfile(file)
	}
	if err != nil {
		return nil, askedError{err}
	}
	return func() {
		pprof.StopCPUProfile()
		file.Close()
	}, nil
}

func (c *demoCommand) logger(p *process) *slog.Logger {
	if !c.Verbose {
		return slog.New(slog.DiscardHandler)
	}
	return logging{}.logger(p)
}
