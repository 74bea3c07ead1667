// Command kairos is the whole of kairos in one binary: the pipeline, the tools
// of its operators, and a demonstration that needs nothing else.
//
// Exit codes: 0 done; 1 failed (a broker that does not answer, a bug); 2 asked
// wrongly, or definitions refused; 3 asked rightly, and the answer is no
// (something differs, is wrong or is not there).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/alecthomas/kong"
	"github.com/twmb/franz-go/pkg/kerr"
	"golang.org/x/term"

	"kairos/cmd/internal/access"
	"kairos/cmd/internal/cluster"
	"kairos/topologies"
)

// The exit codes besides 0.
const (
	exitFailed = 1
	exitAsked  = 2
	exitNo     = 3
)

type commands struct {
	Config string `placeholder:"FILE" help:"A file of settings; kairos config --help says how it is written."`

	Demo        demoCommand        `cmd:"" group:"See it" help:"Watch eighteen months of a shop's purchases become audiences. Needs nothing but this binary."`
	Run         runCommand         `cmd:"" group:"Run it" help:"Run the stages (all, or those you name) and the door against your Kafka."`
	Topology    topologyCommand    `cmd:"" group:"Run it" help:"What exists: topics, the diagram; and whether your Kafka has it."`
	Apply       applyCommand       `cmd:"" group:"Run it" help:"Check definitions in a folder and publish what changed."`
	Replay      replayCommand      `cmd:"" group:"Use it" help:"Feed a known history through the pipeline."`
	Send        sendCommand        `cmd:"" group:"Use it" help:"Send an event to the door."`
	Import      importCommand      `cmd:"" group:"Use it" help:"Import the rows of files: CSV, NDJSON, Avro, Parquet."`
	Mapping     mappingCommand     `cmd:"" group:"Use it" help:"Write the mapping definition that an Avro schema's properties say."`
	Destination destinationCommand `cmd:"" group:"Use it" help:"Ready-made destinations: Slack, Google, Meta, Braze and others, to copy."`
	Deliver     deliverCommand     `cmd:"" group:"Run it" help:"Tell third parties over HTTP who entered and who left."`
	Ingest      ingestCommand      `cmd:"" group:"Run it" help:"Take Avro records that others write to topics of their own."`
	Status      statusCommand      `cmd:"" group:"Run it" help:"How everything is doing: who runs what, how far behind, what was refused."`
	Top         topCommand         `cmd:"" group:"Run it" help:"The same, again and again, with how fast it changes."`
	Probe       probeCommand       `cmd:"" group:"Run it" help:"Send invented people through production and measure the seconds to their audience."`
	Inspect     inspectCommand     `cmd:"" group:"Use it" help:"Show everything that is known of a person."`
	Explain     explainCommand     `cmd:"" group:"Use it" help:"Say why a person is in an audience, or not."`
	Audience    audienceCommand    `cmd:"" group:"Use it" help:"How large audiences are, who is in them, what a draft would do."`
	Identity    identityCommand    `cmd:"" group:"Use it" help:"Explain why identifiers are one person, part them, join them again."`
	Export      exportCommand      `cmd:"" group:"Use it" help:"Everything that is held about a person, for themselves."`
	Erase       eraseCommand       `cmd:"" group:"Use it" help:"Leave nothing of a person, and say so with a signed receipt."`
	Deadletters deadlettersCommand `cmd:"" group:"Use it" help:"List what stages refused, or send it again."`
	Capacity    capacityCommand    `cmd:"" group:"Other" help:"What a load of so many events, people and audiences would take, by what was measured."`
	Doctor      doctorCommand      `cmd:"" group:"Run it" help:"What is wrong with settings, cluster, rights, clock or disks, and the next move."`
	Settings    configCommand      `cmd:"" name:"config" group:"Run it" help:"Print the settings that count, or all that there are."`
	Completion  completionCommand  `cmd:"" group:"Other" help:"Print what makes a shell complete kairos: bash, zsh or fish."`
	Version     versionCommand     `cmd:"" group:"Other" help:"Print the version."`
}

const description = `kairos knows, at every moment, which people are in which audience, and tells it at once.

Start with "kairos demo". On a Kafka ("make kafka" starts one):

  kairos apply -f cmd/kairos/demo/definitions
  kairos run --clock log        and, in another terminal:
  kairos replay cdnow

Flags can be given as environment variables (--brokers is KAIROS_BROKERS) or in a file of
settings (--config FILE): "kairos config" prints what counts, and where it comes from.

Exit codes: 0 done, 1 failed, 2 asked wrongly or definitions refused, 3 the answer is no.`

// process is what a command may touch of the process that it runs in.
type process struct {
	context.Context
	in        io.Reader
	out       io.Writer // answers
	err       io.Writer // progress and complaints
	screen    bool      // out is a terminal
	errScreen bool      // err is one
	width     func() int
	height    func() int     // nil: not known
	kafka     *access.Config // that was asked; nil: none yet
	roles     []string       // of our user; nil: an operator's
}

// rows is how many lines the terminal has; 0: not known.
func (p *process) rows() int {
	if p.height == nil {
		return 0
	}
	return p.height()
}

func (p *process) printf(format string, args ...any) { fmt.Fprintf(p.out, format, args...) }
func (p *process) notef(format string, args ...any)  { fmt.Fprintf(p.err, format, args...) }

// noError is an answer of no, which has been printed already or says all.
type noError struct{ message string }

func (e *noError) Error() string { return e.message }

// askedError is a question that makes no sense.
type askedError struct{ error }

func (e askedError) Unwrap() error { return e.error }

func main() {
	spendMemoryOnSpeed()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p := &process{
		Context: ctx, in: os.Stdin, out: os.Stdout, err: os.Stderr,
		screen: term.IsTerminal(int(os.Stdout.Fd())), errScreen: term.IsTerminal(int(os.Stderr.Fd())),
		width: func() int {
			for _, f := range []*os.File{os.Stdout, os.Stderr} {
				if w, _, err := term.GetSize(int(f.Fd())); err == nil {
					return w
				}
			}
			return 80
		},
		height: func() int {
			_, h, _ := term.GetSize(int(os.Stdout.Fd())) // 0 if it is none
			return h
		},
	}
	os.Exit(run(p, os.Args[1:]))
}

// exited is what --help and --version unwind with.
type exited int

// spendMemoryOnSpeed collects garbage less often than Go does by itself: the
// heap is mostly rows, which do not become garbage, and marking them costs
// (the demo needs 18 % less CPU so). What that spends is bounded: a million
// people would have taken five times their rows. GOGC and GOMEMLIMIT in the
// environment win.
func spendMemoryOnSpeed() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		if limit, err := memoryLimit(memlimit.FromCgroup, memlimit.FromSystem)(); err == nil {
			debug.SetMemoryLimit(int64(min(limit, math.MaxInt64)))
		}
	}
}

// memoryLimit is most of what a container may have, or half of a machine, which
// others need too. It bounds how much garbage waits, not rows.
func memoryLimit(container, machine memlimit.Provider) memlimit.Provider {
	return memlimit.ApplyFallback(memlimit.ApplyRatio(container, 0.9), memlimit.ApplyRatio(machine, 0.5))
}

func run(p *process, args []string) (code int) {
	defer func() {
		if e, ok := recover().(exited); ok {
			code = int(e)
		}
	}()
	var c commands
	parser, err := newParser(p, &c)
	if err != nil {
		p.notef("kairos: %v\n", err)
		return exitFailed
	}
	chosen, err := parser.Parse(args)
	if err != nil {
		p.notef("kairos: %v\nkairos --help says what there is; kairos COMMAND --help says how.\n", err)
		return exitAsked
	}
	chosen.Bind(p, &c, chosen.Model)
	return p.outcome(chosen.Run())
}

func newParser(p *process, c *commands) (*kong.Kong, error) {
	return kong.New(c,
		kong.Name("kairos"), kong.Description(description),
		kong.Writers(p.out, p.err),
		kong.Exit(func(code int) { panic(exited(code)) }),
		kong.DefaultEnvars("KAIROS"),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.UsageOnError(),
	)
}

func (p *process) outcome(err error) int {
	var no *noError
	var asked askedError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &no):
		if no.message != "" {
			p.notef("kairos: %s\n", no.message)
		}
		return exitNo
	case errors.As(err, &asked):
		p.notef("kairos: %v\n", err)
		return exitAsked
	}
	p.notef("kairos: %v\n", err)
	if forbidden(err) {
		p.notef("%s\n", p.lacking())
	}
	return exitFailed
}

// lacking says which rights of its roles our user lacks: Kafka refuses without
// saying what it wants.
func (p *process) lacking() string {
	const somewhere = "Kafka does not allow our user that: let an operator look at `kairos topology acls`, which lists what each role needs."
	t, err := size{}.topology(nil)
	if err != nil || p.kafka == nil {
		return somewhere
	}
	client, err := cluster.Open(p, *p.kafka)
	if err != nil {
		return somewhere
	}
	defer client.Close()
	roles := p.roles
	if roles == nil {
		roles = []string{topologies.OperatorRole}
	}
	var missing *cluster.RightsError
	if errors.As(client.Rights(p, t, t.ACLs(roles...)), &missing) {
		return missing.Error()
	}
	return somewhere
}

// forbidden reports whether Kafka refused because of who we are.
func forbidden(err error) bool {
	for _, refusal := range []error{kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}
