package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/loadtest/binary"
	"kairos/loadtest/kafka"
	"kairos/loadtest/population"
	"kairos/loadtest/rig"
	"kairos/schemas"
	"kairos/topologies"
)

// Run is how one did once.
type Run struct {
	Peer                 string  `json:"peer"`
	Round                int     `json:"round"`
	Events               int     `json:"events"` // that were timed: not those of the first commits
	Seconds              float64 `json:"seconds"`
	EventsPerSecond      float64 `json:"events_per_second"`
	ClientMicrosPerEvent float64 `json:"client_cpu_us_per_event"`
	BrokerMicrosPerEvent float64 `json:"broker_cpu_us_per_event"`
	TopicBytesPerEvent   float64 `json:"topic_bytes_per_event"`
	ResidentBytes        int64   `json:"resident_bytes"` // at the end
	OthersCPUs           float64 `json:"others_cpus"`    // kept busy by what was not measured, the reader included
	Answers              int     `json:"answers"`
	Missing              int     `json:"missing_answers"`
	Surplus              int     `json:"surplus_answers"`
}

// stage is a broker with events, and nobody who has looked at them yet.
type stage struct {
	dir    string
	log    string
	rules  string
	broker *kafka.Broker
	client *kgo.Client
	admin  *kadm.Client
	end    schemas.Instant
	judge  *judge
}

func (c *config) set(ctx context.Context, t *tools, bar *rig.Bar) (s *stage, err error) {
	s = &stage{}
	if s.dir, err = os.MkdirTemp(t.dir, "run-"); err != nil {
		return nil, err
	}
	s.log, s.rules = filepath.Join(s.dir, "log"), filepath.Join(s.dir, "rules")
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.broker, err = kafka.Open(filepath.Join(s.dir, "kafka")); err != nil {
		return nil, err
	}
	if s.client, err = kgo.NewClient(kgo.SeedBrokers(s.broker.Address), kgo.RecordPartitioner(placed()), kgo.ProducerLinger(0)); err != nil {
		return nil, err
	}
	s.admin = kadm.NewClient(s.client)
	definitions := filepath.Join(s.dir, "definitions.yaml")
	if err := errors.Join(c.job.writeDefinitions(definitions), c.job.writeRules(s.rules)); err != nil {
		return nil, err
	}
	for _, command := range [][]string{{"apply", "-f", definitions}, {"topology", "apply"}} {
		args := append(command, "--brokers", s.broker.Address, "--partitions", strconv.Itoa(c.partitions))
		if _, err := t.kairos.Run(ctx, args...); err != nil {
			return nil, err
		}
	}
	if _, err := s.admin.CreateTopic(ctx, int32(c.partitions), 1, nil, floorTable); err != nil {
		return nil, err
	}
	people, err := population.New(c.people, c.seed)
	if err != nil {
		return nil, err
	}
	s.end = schemas.InstantOf(time.Now())
	s.judge = newJudge(c.job, c.people)
	var failed error
	feeder := stream{s.client, people, int32(c.partitions), func(err error) { failed = err }}
	err = feeder.feed(ctx, c.events, s.end, s.judge, bar)
	return s, errors.Join(err, failed)
}

func (s *stage) close() error {
	if s.client != nil {
		s.client.Close()
	}
	var err error
	if s.broker != nil {
		err = s.broker.Close()
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// at is what is known at one moment of a run.
type at struct {
	time           time.Time
	committed      int64
	client, broker rig.Usage
	machine        time.Duration
	topics         int64
}

func (s *stage) look(ctx context.Context, p *binary.Process, group string) (now at, err error) {
	now.time = time.Now()
	lags, err := s.admin.Lag(ctx, group)
	if err != nil {
		return now, err
	}
	for _, lag := range lags[group].Lag[topologies.PersonEvents.Name] {
		now.committed += max(lag.Commit.At, 0)
	}
	if now.client, err = rig.UsageOf(p.PID); err != nil {
		return now, err
	}
	if now.broker, err = rig.UsageOf(s.broker.PID()); err != nil {
		return now, err
	}
	if now.machine, err = rig.MachineCPU(); err != nil {
		return now, err
	}
	topics, err := rig.TopicBytes(ctx, s.admin)
	for _, bytes := range topics {
		now.topics += bytes
	}
	return now, err
}

// records is how many there are to read, ticks included.
func (s *stage) records(ctx context.Context) (sum int64, err error) {
	ends, err := s.admin.ListEndOffsets(ctx, topologies.PersonEvents.Name)
	if err == nil {
		err = ends.Error()
	}
	ends.Each(func(o kadm.ListedOffset) { sum += o.Offset })
	return sum, err
}

const pause = 50 * time.Millisecond // between two looks

// measure lets somebody work off all there is. The clock runs from the first
// commits, so that nobody's start is counted, until everything has been
// committed and every answer has been read.
func (s *stage) measure(ctx context.Context, c *config, who peer, right map[answer]int, bar *rig.Bar) (r Run, err error) {
	all, err := s.records(ctx)
	if err != nil {
		return r, err
	}
	p, err := who.start(s)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, p.Kill()) }()
	first, err := s.await(ctx, p, who.group, func(now at) bool { return now.committed > 0 })
	if err != nil {
		return r, err
	}
	l, read, err := s.listen(ctx, c, who, right)
	if err != nil {
		return r, err
	}
	defer l.client.Close()
	last, err := s.await(ctx, p, who.group, func(now at) bool {
		bar.Show(who.name, now.committed, all)
		return now.committed >= all
	})
	if err != nil {
		return r, err
	}
	if err := <-read; err != nil {
		return r, err
	}
	if who.answers { // windows may close after the last record has been committed
		if last, err = s.look(ctx, p, who.group); err != nil {
			return r, err
		}
	}
	r = c.runOf(who, first, last, all)
	r.ResidentBytes, err = residentOf(p.PID)
	r.Answers = l.seen
	if who.answers {
		r.Missing, r.Surplus = differences(right, l.given)
	}
	return r, err
}

func (c *config) runOf(who peer, first, last at, all int64) Run {
	events := float64(c.events) * float64(last.committed-first.committed) / float64(all) // ticks and markers are no events
	seconds := last.time.Sub(first.time).Seconds()
	client, broker := last.client.Since(first.client), last.broker.Since(first.broker)
	return Run{
		Peer: who.name, Events: int(events), Seconds: seconds, EventsPerSecond: events / seconds,
		ClientMicrosPerEvent: float64(client.CPU.Microseconds()) / events,
		BrokerMicrosPerEvent: float64(broker.CPU.Microseconds()) / events,
		TopicBytesPerEvent:   float64(last.topics-first.topics) / events,
		OthersCPUs:           (last.machine - first.machine - client.CPU - broker.CPU).Seconds() / seconds,
	}
}

// await looks until something holds.
func (s *stage) await(ctx context.Context, p *binary.Process, group string, holds func(at) bool) (at, error) {
	for {
		now, err := s.look(ctx, p, group)
		if err == nil && holds(now) {
			return now, nil
		}
		select {
		case <-ctx.Done():
			return now, errors.Join(ctx.Err(), err)
		case <-p.Ended():
			return now, fmt.Errorf("it has ended; the end of its log:\n%s", p.LogTail())
		case <-time.After(pause):
		}
	}
}

// listen reads answers until all right ones have been given, or none comes for
// so long that none will.
func (s *stage) listen(ctx context.Context, c *config, who peer, right map[answer]int) (*listener, <-chan error, error) {
	const silence = 20 * time.Second
	client, err := kgo.NewClient(kgo.SeedBrokers(s.broker.Address), kgo.ConsumeTopics(topologies.Transitions.Name),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return nil, nil, err
	}
	l := &listener{client: client, end: s.end, audiences: map[string]int16{}, given: map[answer]int{}}
	for i, a := range c.job.audiences {
		l.audiences[a.name] = int16(i)
	}
	want := 0
	for _, n := range right {
		want += n
	}
	read := make(chan error, 1)
	go func() {
		for news := time.Now(); who.answers && l.seen < want && time.Since(news) < silence; {
			ctx, stop := context.WithTimeout(ctx, time.Second)
			before := l.seen
			err := l.poll(ctx)
			stop()
			if err != nil {
				read <- err
				return
			}
			if l.seen > before {
				news = time.Now()
			}
		}
		read <- nil
	}()
	return l, read, nil
}
