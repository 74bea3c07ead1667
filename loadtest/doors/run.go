package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"kairos/loadtest/kafka"
	"kairos/loadtest/rig"
)

// result is what was measured.
type result struct {
	config
	commit               string
	machine              rig.Machine
	events, people       int
	took                 time.Duration
	repeated             int
	killed, graceful     int
	ready                []time.Duration
	sending, asking      *times
	wrong                wrong
	kairosCPU, brokerCPU float64 // cores
	ownCPU, othersCPU    float64
	counted              time.Duration // after the last was sent
}

// run loads kairos on a broker. What it makes lies in folder.
func run(ctx context.Context, c config, broker *kafka.Broker, folder string) (r *result, err error) {
	k, err := begin(ctx, c, broker.Address, folder)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, k.end()) }()
	l := newLoad(c, k)
	before, err := k.look(broker)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	group, loading := errgroup.WithContext(ctx)
	group.Go(func() error { return l.send(loading) })
	group.Go(func() error { return l.ask(loading) })
	group.Go(func() error { return k.restarts(loading, c) })
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("%w; the end of kairos' log:\n%s", err, k.process.LogTail())
	}
	sent := time.Now()
	after, err := k.look(broker)
	if err != nil {
		return nil, err
	}
	r = &result{
		config: c, commit: rig.Commit(), machine: rig.ThisMachine(), events: l.ledger.events, took: sent.Sub(begun), repeated: l.repeated,
		killed: k.killed, graceful: k.graceful, ready: k.readyAfterRestart, sending: &l.sending, asking: &l.asking,
	}
	for _, deeds := range l.ledger.people {
		if deeds != nil {
			r.people++
		}
	}
	seconds := r.took.Seconds()
	r.kairosCPU, r.brokerCPU, r.ownCPU = (after.kairos-before.kairos).Seconds()/seconds, (after.broker-before.broker).Seconds()/seconds, (after.own-before.own).Seconds()/seconds
	r.othersCPU = (after.machine-before.machine).Seconds()/seconds - r.kairosCPU - r.brokerCPU - r.ownCPU
	if r.wrong, err = l.count(ctx); err != nil {
		return nil, err
	}
	r.counted = time.Since(sent)
	return r, nil
}

// usage is CPU time used so far.
type usage struct{ kairos, broker, own, machine time.Duration }

func (k *instance) look(broker *kafka.Broker) (usage, error) {
	cpu, err := k.cpu()
	if err != nil {
		return usage{}, err
	}
	return look(cpu, broker.PID())
}

// look adds to what kairos has used what the others have; broker is a process id,
// 0 for one that is not looked at.
func look(kairos time.Duration, broker int) (u usage, err error) {
	u.kairos = kairos
	if broker != 0 {
		of, err := rig.UsageOf(broker)
		if err != nil {
			return u, err
		}
		u.broker = of.CPU
	}
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		return u, err
	}
	u.own = time.Duration(own.Utime.Nano() + own.Stime.Nano())
	u.machine, err = rig.MachineCPU()
	return u, err
}

// judge is an error unless everything counts once and nobody was sent away in a
// quiet time.
func (r *result) judge() error {
	switch {
	case r.wrong.people > 0:
		return fmt.Errorf("of %d events %v are missing and %v are doubled, %d people have other sums; %d of %d people are concerned: %s",
			r.events, r.wrong.missing, r.wrong.doubled, r.wrong.sums, r.wrong.people, r.people, r.wrong.example)
	case r.asking.failed > 0:
		return fmt.Errorf("%d profiles were not to be had in quiet times", r.asking.failed)
	case r.asks > 0 && len(r.asking.quiet) == 0:
		return errors.New("no profile was asked for in a quiet time: raise -length")
	}
	return nil
}

// String is the result as it is kept.
func (r *result) String() string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("%s, %d CPUs, %s; one process of kairos, one broker and one replica, all on one machine", r.commit, r.machine.CPUs, r.machine.Go)
	say("load       %d events/s in requests of %d, to /v1/batch and /v1/events by turns, for %s; %d people; %d profiles/s asked for beside it", r.rate, r.batch, r.length, r.people, r.asks)
	if len(r.ready) > 0 {
		say("restarts   %d by kill -9, %d in good order; ready again after %s", r.killed, r.graceful, strings.Join(texts(r.ready), ", "))
	}
	say("events     %d acknowledged in %.0f s, %d requests sent again; missing %v, counted twice %v, people with other sums %d; all counted %.1f s after the last",
		r.events, r.took.Seconds(), r.repeated, r.wrong.missing, r.wrong.doubled, r.wrong.sums, r.counted.Seconds())
	say("doors      acknowledged after p50 / p99 / p99.9 of %s ms in quiet times (%d requests), %s ms around restarts (%d)",
		percentiles(r.sending.quiet), len(r.sending.quiet), percentiles(r.sending.others), len(r.sending.others))
	say("profiles   answered after p50 / p99 / p99.9 of %s ms in quiet times (%d, %d failed), %s ms around restarts (%d, %d failed while kairos was away)",
		percentiles(r.asking.quiet), len(r.asking.quiet), r.asking.failed, percentiles(r.asking.others), len(r.asking.others), r.asking.failedOthers)
	say("CPUs       kairos %.2f, broker %.2f, load %.2f, other work on the machine %.2f", r.kairosCPU, r.brokerCPU, r.ownCPU, r.othersCPU)
	return b.String()
}

func texts(all []time.Duration) []string {
	var said []string
	for _, d := range all {
		said = append(said, fmt.Sprintf("%.1f s", d.Seconds()))
	}
	return said
}

// percentiles are the nearest ranks, in milliseconds.
func percentiles(all []time.Duration) string {
	if len(all) == 0 {
		return "-"
	}
	slices.Sort(all)
	var said []string
	for _, p := range []float64{0.5, 0.99, 0.999} {
		said = append(said, fmt.Sprintf("%.1f", rank(all, p)))
	}
	return strings.Join(said, " / ")
}

// rank is the nearest rank of a percentile in what is sorted, in milliseconds.
func rank(sorted []time.Duration, p float64) float64 {
	return float64(sorted[int(math.Ceil(p*float64(len(sorted))))-1].Microseconds()) / 1000
}
