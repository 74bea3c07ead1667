package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/loadtest/binary"
	"kairos/loadtest/kafka"
	"kairos/loadtest/rig"
	"kairos/schemas"
	"kairos/topologies"
)

// neighbourhood is two destinations that one `kairos deliver` tells: the good one
// always takes what it is told, the other has moods. Each mood has its turn in each
// round, and in each turn the other is a new one, with nothing left over.
type neighbourhood struct {
	length     time.Duration // of a turn
	warm       time.Duration // of it, before anything counts
	rate       int           // activations a second, to each of the two
	rounds     int
	partitions int32
	patience   time.Duration

	brokers string
	broker  int // process id; 0: it is not looked at
	folder  string
	binary  *binary.Binary
	kafka   *kgo.Client
	url     string // of both receivers

	lock  sync.Mutex
	due   map[int64]time.Time // by number, of what the good one has not been told yet
	took  []time.Duration
	asked atomic.Int64 // how often the other was asked
	told  int64        // activations so far
	turns []turn
}

// turn is what was measured in one.
type turn struct {
	round     int
	mood      string
	took      []time.Duration // sorted
	asked     int64           // the other one
	kairosCPU float64         // CPUs
	othersCPU float64         // that neither broker, nor kairos, nor this process used
}

// moods are what the other destination does when it is asked.
var moods = []struct {
	name   string
	answer http.HandlerFunc
}{
	{"well", func(http.ResponseWriter, *http.Request) {}},
	{"hangs", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
	{"429", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	}},
	{"500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }},
}

func measureNeighbours(ctx context.Context, args []string) (err error) {
	n := &neighbourhood{partitions: 4, due: map[int64]time.Time{}}
	flags := flag.NewFlagSet("doors neighbours", flag.ContinueOnError)
	flags.DurationVar(&n.length, "length", time.Minute, "of a turn")
	flags.DurationVar(&n.warm, "warm", 5*time.Second, "of a turn, before anything counts")
	flags.IntVar(&n.rate, "rate", 200, "activations a second, to each of the two")
	flags.IntVar(&n.rounds, "rounds", 3, "of turns")
	flags.DurationVar(&n.patience, "patience", time.Minute, "with what is left at the end of a turn")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if n.folder, err = os.MkdirTemp("", "kairos-neighbours-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(n.folder)) }()
	broker, err := kafka.Open(filepath.Join(n.folder, "kafka"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, broker.Close()) }()
	n.brokers, n.broker = broker.Address, broker.PID()
	if err := n.run(ctx); err != nil {
		return err
	}
	fmt.Print(n)
	return nil
}

// run gives each mood its turn, in every round in another order.
func (n *neighbourhood) run(ctx context.Context) (err error) {
	if n.binary, err = binary.Build(ctx, n.folder); err != nil {
		return err
	}
	if n.kafka, err = kgo.NewClient(kgo.SeedBrokers(n.brokers), kgo.ProducerLinger(0)); err != nil {
		return err
	}
	defer n.kafka.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: n.receivers(), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // until it is closed
	defer server.Close()
	n.url = "http://" + listener.Addr().String()
	if err := n.topics(ctx, topologies.DeadLetters("delivery").Name, topologies.Activations("good").Name); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(n.folder, "secret"), []byte("0123456789abcdef"), 0o600); err != nil {
		return err
	}
	for round := range n.rounds {
		for i := range moods {
			if err := n.turn(ctx, round, moods[(i+round)%len(moods)].name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *neighbourhood) topics(ctx context.Context, names ...string) error {
	_, err := kadm.NewClient(n.kafka).CreateTopics(ctx, n.partitions, 1, nil, names...)
	return err
}

func (n *neighbourhood) receivers() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/good", func(w http.ResponseWriter, r *http.Request) {
		var message struct{ Revision int64 }
		if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		n.lock.Lock()
		defer n.lock.Unlock()
		if at, waits := n.due[message.Revision]; waits {
			n.took = append(n.took, time.Since(at))
			delete(n.due, message.Revision)
		}
	})
	for _, m := range moods {
		mux.HandleFunc("/"+m.name, func(w http.ResponseWriter, r *http.Request) {
			n.asked.Add(1)
			m.answer(w, r)
		})
	}
	return mux
}

// turn tells both destinations for a while, the other one being in a mood.
func (n *neighbourhood) turn(ctx context.Context, round int, mood string) (err error) {
	other := fmt.Sprintf("%s-%d", mood, round)
	if err := n.topics(ctx, topologies.Activations(other).Name); err != nil {
		return err
	}
	file, secret := filepath.Join(n.folder, other+".yaml"), filepath.Join(n.folder, "secret")
	text := "webhooks:\n"
	for destination, path := range map[string]string{"good": "good", other: mood} {
		text += fmt.Sprintf("- {destination: %s, url: %s/%s, secrets: [\"file:%s\"], allow_private: true}\n", destination, n.url, path, secret)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	kairos, err := n.binary.Start(filepath.Join(n.folder, "deliver.log"), "deliver", "-f", file, "--metrics=", "--brokers", n.brokers)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kairos.Stop(n.patience)) }()
	n.asked.Store(0)
	if err := n.say(ctx, n.warm, other); err != nil {
		return fmt.Errorf("warming up: %w; the end of kairos' log:\n%s", err, kairos.LogTail())
	}
	n.took = nil
	before, err := n.look(kairos)
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := n.say(ctx, n.length, other); err != nil {
		return fmt.Errorf("the other %s: %w; the end of kairos' log:\n%s", mood, err, kairos.LogTail())
	}
	after, err := n.look(kairos)
	if err != nil {
		return err
	}
	seconds := time.Since(begun).Seconds()
	t := turn{round: round, mood: mood, took: slices.Sorted(slices.Values(n.took)), asked: n.asked.Load(), kairosCPU: (after.kairos - before.kairos).Seconds() / seconds}
	t.othersCPU = (after.machine-before.machine-(after.broker-before.broker)-(after.own-before.own)).Seconds()/seconds - t.kairosCPU
	n.turns = append(n.turns, t)
	fmt.Fprintf(os.Stderr, "round %d of %d, the other %s: done\n", round+1, n.rounds, mood)
	return nil
}

func (n *neighbourhood) look(kairos *binary.Process) (usage, error) {
	of, err := rig.UsageOf(kairos.PID)
	if err != nil {
		return usage{}, err
	}
	return look(of.CPU, n.broker)
}

// say tells both at the rate, and returns when the good one has been told it all.
func (n *neighbourhood) say(ctx context.Context, length time.Duration, other string) error {
	all := max(1, int(length.Seconds()*float64(n.rate)))
	err := due(ctx, all, length/time.Duration(all), 1, func(_ int, at time.Time) error {
		n.told++
		a := &schemas.Activation{Person: fmt.Sprintf("p%d", n.told), Audience: "vip", Entered: true, Revision: n.told, Cause: schemas.InstantOf(at)}
		n.lock.Lock()
		n.due[n.told] = at
		n.lock.Unlock()
		for _, destination := range []string{"good", other} {
			a.Destination = destination
			stream := topologies.Activations(destination)
			value, err := stream.Codec.Append(nil, a)
			if err != nil {
				return err
			}
			n.kafka.Produce(ctx, &kgo.Record{Topic: stream.Name, Key: []byte(a.Person + "/vip"), Value: value}, nil)
		}
		return nil
	})
	if err == nil {
		err = n.kafka.Flush(ctx)
	}
	for end := time.Now().Add(n.patience); err == nil; time.Sleep(10 * time.Millisecond) {
		n.lock.Lock()
		left := len(n.due)
		n.lock.Unlock()
		if left == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("the good destination was not told %d of %d", left, all)
		}
	}
	return err
}

// String is the result as it is kept.
func (n *neighbourhood) String() string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	machine := rig.ThisMachine()
	say("%s, %d CPUs, %s; one `kairos deliver` with two destinations, one broker, receivers, all on one machine", rig.Commit(), machine.CPUs, machine.Go)
	say("load       %d activations/s to each of the two for %s, after %s that do not count; %d rounds", n.rate, n.length, n.warm, n.rounds)
	say("           of the good one, from when an activation was due until it has it in hand; x: as many times that of the same round's well")
	say("%-6s %-7s %8s %8s %8s %8s %12s %8s %8s", "round", "other", "p50 ms", "p99 ms", "p50 x", "p99 x", "other asked", "kairos", "others' CPUs")
	ratios := map[string][]float64{}
	for _, t := range n.turns {
		well := n.turns[slices.IndexFunc(n.turns, func(w turn) bool { return w.round == t.round && w.mood == "well" })]
		x50, x99 := rank(t.took, 0.5)/rank(well.took, 0.5), rank(t.took, 0.99)/rank(well.took, 0.99)
		ratios[t.mood] = append(ratios[t.mood], x99)
		say("%-6d %-7s %8.2f %8.2f %8.2f %8.2f %12d %8.2f %8.2f", t.round+1, t.mood, rank(t.took, 0.5), rank(t.took, 0.99), x50, x99, t.asked, t.kairosCPU, t.othersCPU)
	}
	for _, m := range moods[1:] {
		all := slices.Sorted(slices.Values(ratios[m.name]))
		say("the other %-6s p99 of the good one is %.2f times that beside one that is well (median of %d rounds, %.2f to %.2f)", m.name, all[len(all)/2], len(all), all[0], all[len(all)-1])
	}
	return b.String()
}
