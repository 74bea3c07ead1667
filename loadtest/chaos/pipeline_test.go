package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/loadtest/binary"
	"kairos/loadtest/cdnow"
	"kairos/loadtest/judge"
	"kairos/loadtest/loopback"
	"kairos/topologies"
)

const (
	definitions = "../../cmd/kairos/demo/definitions"
	patience    = 5 * time.Minute // with one replay on a busy machine; usually a tenth
)

// built is one binary for all tests of the package.
var built struct {
	once   sync.Once
	folder string
	binary *binary.Binary
	err    error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.folder != "" {
		os.RemoveAll(built.folder)
	}
	os.Exit(code)
}

func theBinary(t *testing.T) *binary.Binary {
	t.Helper()
	built.once.Do(func() {
		if built.folder, built.err = os.MkdirTemp("", "kairos-chaos-"); built.err == nil {
			built.binary, built.err = binary.Build(context.Background(), built.folder)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.binary
}

// pipeline is kairos on some brokers, seen from outside.
type pipeline struct {
	t        *testing.T
	ctx      context.Context
	brokers  string
	binary   *binary.Binary
	topology *topologies.Topology
	state    string
	log      string
	rim      string // host:port of /status
	process  *binary.Process
	client   *kgo.Client
	admin    *kadm.Client
}

// newPipeline makes topics and publishes the definitions of the demo. Kairos
// does not run yet.
func newPipeline(t *testing.T, brokers string, partitions int32, flags ...string) *pipeline {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	if err := judge.Check(os.DirFS(definitions)); err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	topology, err := topologies.New(topologies.Config{Partitions: partitions, Replication: 1, Chained: !slices.Contains(flags, "--unchained")})
	if err != nil {
		t.Fatal(err)
	}
	rim, err := loopback.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	p := &pipeline{
		t: t, ctx: ctx, brokers: brokers, binary: theBinary(t), topology: topology,
		state: filepath.Join(folder, "state"), log: filepath.Join(folder, "log"), rim: rim,
		client: client, admin: kadm.NewClient(client),
	}
	size := append([]string{"--brokers", brokers, "--partitions", strconv.Itoa(int(partitions))}, flags...)
	p.command(append([]string{"apply", "-f", definitions}, size...)...)
	p.command(append([]string{"topology", "apply"}, size...)...)
	t.Cleanup(func() {
		if p.process == nil {
			return
		}
		if err := p.process.Kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the end of kairos' log:\n%s", p.process.LogTail())
		}
	})
	return p
}

func (p *pipeline) command(args ...string) {
	p.t.Helper()
	if _, err := p.binary.Run(p.ctx, args...); err != nil {
		p.t.Fatal(err)
	}
}

// start runs all stages in one process, without the door. It has a name, so
// that one that follows a killed one need not wait until that is given up.
func (p *pipeline) start() {
	p.t.Helper()
	args := []string{"run", "--brokers", p.brokers, "--clock", "log", "--state", p.state, "--metrics", p.rim, "--api=", "--instance", "chaos"}
	for _, s := range p.topology.Stages() {
		args = append(args, s.Word)
	}
	if !p.topology.Config.Chained {
		args = append(args, "--unchained")
	}
	var err error
	if p.process, err = p.binary.Start(p.log, args...); err != nil {
		p.t.Fatal(err)
	}
}

// kill is kill -9.
func (p *pipeline) kill() {
	p.t.Helper()
	if err := p.process.Kill(); err != nil {
		p.t.Fatal(err)
	}
}

// stop ends kairos in good order.
func (p *pipeline) stop() {
	p.t.Helper()
	if err := p.process.Stop(30 * time.Second); err != nil {
		p.t.Fatal(err)
	}
}

// forget deletes the local stores.
func (p *pipeline) forget() {
	p.t.Helper()
	if err := os.RemoveAll(p.state); err != nil {
		p.t.Fatal(err)
	}
}

// replay begins to feed the purchases and the days' ticks, in a process of its
// own.
func (p *pipeline) replay(variant cdnow.Variant, seed uint64) *binary.Process {
	p.t.Helper()
	args := []string{"replay", "cdnow", "--no-wait", "--brokers", p.brokers, "--variant", string(variant), "--seed", strconv.FormatUint(seed, 10)}
	replay, err := p.binary.Start(p.log+".replay", args...)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		if err := replay.Kill(); err != nil {
			p.t.Error(err)
		}
	})
	return replay
}

// fed returns when a replay has fed everything.
func (p *pipeline) fed(replay *binary.Process) {
	p.t.Helper()
	select {
	case <-replay.Ended():
	case <-p.ctx.Done():
	}
	if err := replay.Err(); err != nil {
		p.t.Fatalf("the replay: %v; the end of its log:\n%s", err, replay.LogTail())
	}
}

// judged waits for the end of the replay in all stages and compares what a
// reader of the public topics sees with what the judge expects.
func (p *pipeline) judged() {
	p.t.Helper()
	p.awaitEnd()
	purchases, err := cdnow.Purchases()
	if err != nil {
		p.t.Fatal(err)
	}
	got, err := judge.Observed(p.transitions())
	if err != nil {
		p.t.Fatal(err)
	}
	if err := judge.Compare(judge.Expect(purchases, cdnow.End), got); err != nil {
		p.t.Error(err)
	}
	for _, s := range p.topology.Stages() {
		for _, r := range p.committed(topologies.DeadLetters(s.Word).Name) {
			letter, err := topologies.DeadLetters(s.Word).Codec.Decode(r.Value)
			p.t.Fatalf("%s has a dead letter: %+v, %v", s.Word, letter, err)
		}
	}
}

// awaitEnd returns when every partition of every group has come to the end of
// the log, with nothing left to do. Time does not go round the circle of
// segment and propensity, so what is under way between them shows in the
// topics only.
func (p *pipeline) awaitEnd() {
	p.t.Helper()
	for {
		groups, err := binary.StatusAt(p.ctx, p.rim) // an error: it is not up yet
		if err == nil && len(groups) == len(p.topology.Groups) && !slices.ContainsFunc(groups, p.goesOn) && p.allRead() {
			return
		}
		p.pause(func() string { return fmt.Sprintf("not at the end in time: %+v, %v", groups, err) })
	}
}

func (p *pipeline) goesOn(s binary.Status) bool {
	return !s.Reached(cdnow.End, int(p.topology.Config.Partitions))
}

// pause is between two looks at something; complaint says what was seen last.
func (p *pipeline) pause(complaint func() string) {
	p.t.Helper()
	select {
	case <-time.After(10 * time.Millisecond):
	case <-p.process.Ended():
		p.t.Fatalf("kairos has ended by itself: %s; the end of its log:\n%s", complaint(), p.process.LogTail())
	case <-p.ctx.Done():
		p.t.Fatal(complaint())
	}
}

// awaitShare returns when a group has committed a share of its input.
func (p *pipeline) awaitShare(g topologies.Group, share float64) {
	p.t.Helper()
	for {
		now, err := p.share(g)
		if err == nil && now >= share {
			return
		}
		p.pause(func() string {
			return fmt.Sprintf("%s has committed %.1f %% of its input, %.1f %% wanted; last error: %v", g.Name, 100*now, 100*share, err)
		})
	}
}

// share is how much of what it will read from outside a group has committed,
// 0 to 1 and beyond, for choosing a moment.
func (p *pipeline) share(g topologies.Group) (float64, error) {
	lags, err := p.admin.Lag(p.ctx, g.Name)
	if err = errors.Join(err, lags.Error()); err != nil {
		return 0, err
	}
	var sum int64
	for _, lag := range lags[g.Name].Lag.Sorted() {
		sum += max(lag.Commit.At, 0)
	}
	const purchases = 69_659
	return float64(sum) / purchases, nil
}
