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
	ResidentBytes        int64   `json:"resident_bytes"`       // when all is worked off
	ResidentLater        int64   `json:"resident_bytes_later"` // and after the rates
	OthersCPUs           float64 `json:"others_cpus"`          // kept busy by what was not measured, the reader included
	Answers              int     `json:"answers"`
	Missing              int     `json:"missing_answers"`
	Surplus              int     `json:"surplus_answers"`

	Wrong []string `json:"wrong_answers,omitempty"` // some of them

	Rates []rig.Rate `json:"rates,omitempty"`
	Half  *rig.Rate  `json:"half_rate,omitempty"` // at half of EventsPerSecond
}

// stage is a broker with events, and nobody who has looked at them yet.
type stage struct {
	dir    string
	log    string
	rules  string
	broker *kafka.Broker
	client *kgo.Client
	admin  *kadm.Client
	feeder *stream
	end    schemas.Instant // of what is fed
	judge  *judge
}

func (c *config) set(ctx context.Context, t *tools, bar *rig.Bar) (s *stage, err error) {
	s = &stage{}
	if s.dir, err = os.MkdirTemp(t.dir, "run-"); err != nil {
		return nil, err
	}
	s.log, s.rules = filepath.Join(s.dir, "log"), filepath.Join(s.dir, "rules")
	opened := s // what is returned with an error is nil
	defer func() {
		if err != nil {
			err = errors.Join(err, opened.close())
		}
	}()
	if s.broker, err = kafka.Open(filepath.Join(s.dir, "kafka")); err != nil {
		return nil, err
	}
	// Identity, which this client stands in for, writes in transactions. A request for every event would take most of the broker from who is measured.
	if s.client, err = kgo.NewClient(kgo.SeedBrokers(s.broker.Address), kgo.RecordPartitioner(placed()), kgo.ProducerLinger(linger)); err != nil {
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
	s.feeder = &stream{client: s.client, people: people, partitions: int32(c.partitions)}
	return s, s.feeder.feed(ctx, c.events, s.end, s.judge, bar)
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

// measure lets somebody work off all there is, and then keep up with events at
// fixed rates. The clock of the first runs from the first commits, so that
// nobody's start is counted, until everything has been committed and every
// answer has been read.
func (s *stage) measure(ctx context.Context, c *config, who peer, rates []int, bar *rig.Bar) (r Run, err error) {
	all, err := s.records(ctx)
	if err != nil {
		return r, err
	}
	right := s.judge.answers(s.end)
	p, err := who.start(s)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, p.Kill()) }()
	first, err := s.await(ctx, p, who.group, func(now at) bool { return now.committed > 0 })
	if err != nil {
		return r, err
	}
	l, err := s.listen(ctx, c)
	if err != nil {
		return r, err
	}
	defer l.close()
	last, err := s.await(ctx, p, who.group, func(now at) bool {
		bar.Show(who.name, now.committed, all)
		return now.committed >= all
	})
	if err != nil {
		return r, err
	}
	if who.answers { // windows may close after the last record has been committed
		if err := l.all(ctx, sum(right)); err != nil {
			return r, err
		}
		if last, err = s.look(ctx, p, who.group); err != nil {
			return r, err
		}
	}
	if r, err = c.runOf(who, first, last, all); err != nil {
		return r, err
	}
	if r.ResidentBytes, err = residentOf(p.PID); err != nil || !who.answers {
		return r, err
	}
	if len(rates) > 0 { // a broker that has only seen large requests is slow with small ones until it has compiled what serves them
		if _, err := s.keepUp(ctx, c, who, p, l, rates[0], bar); err != nil {
			return r, err
		}
	}
	for _, rate := range rates {
		one, err := s.keepUp(ctx, c, who, p, l, rate, bar)
		if err != nil {
			return r, err
		}
		r.Rates = append(r.Rates, one)
	}
	if len(rates) > 0 {
		half, err := s.keepUp(ctx, c, who, p, l, halfOf(r.EventsPerSecond), bar)
		if err != nil {
			return r, err
		}
		r.Half = &half
	}
	if r.ResidentLater, err = residentOf(p.PID); err != nil {
		return r, err
	}
	return r, s.hold(ctx, l, right, &r)
}

// halfOf is half of what somebody works off, in round numbers.
func halfOf(eventsPerSecond float64) int { return max(1, int(eventsPerSecond/2/500)*500) }

// hold compares all that was answered with what is right.
func (s *stage) hold(ctx context.Context, l *listener, right map[answer]int, r *Run) error {
	if len(r.Rates) > 0 {
		right = s.judge.answers(s.end)
		l.count(s.end)
		if err := l.all(ctx, sum(right)); err != nil {
			return err
		}
	}
	given, seen := l.answers()
	r.Answers = seen
	r.Missing, r.Surplus, r.Wrong = s.judge.differences(right, given)
	return nil
}

// sum is how many answers last, with repetitions.
func sum(answers map[answer]int) (n int) {
	for _, times := range lasting(answers) {
		n += times
	}
	return n
}

func (c *config) runOf(who peer, first, last at, all int64) (Run, error) {
	if last.committed == first.committed {
		return Run{}, fmt.Errorf("all %d events were committed at once: raise -events", c.events)
	}
	events := float64(c.events) * float64(last.committed-first.committed) / float64(all) // ticks and markers are no events
	seconds := last.time.Sub(first.time).Seconds()
	client, broker := last.client.Since(first.client), last.broker.Since(first.broker)
	return Run{
		Peer: who.name, Events: int(events), Seconds: seconds, EventsPerSecond: events / seconds,
		ClientMicrosPerEvent: float64(client.CPU.Microseconds()) / events,
		BrokerMicrosPerEvent: float64(broker.CPU.Microseconds()) / events,
		TopicBytesPerEvent:   float64(last.topics-first.topics) / events,
		OthersCPUs:           (last.machine - first.machine - client.CPU - broker.CPU).Seconds() / seconds,
	}, nil
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
