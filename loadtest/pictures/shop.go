package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/loadtest/binary"
	"kairos/loadtest/kafka"
	"kairos/loadtest/loopback"
	"kairos/loadtest/population"
	"kairos/schemas"
	"kairos/topologies"
)

// shop is everything that runs.
type shop struct {
	config
	dir       string
	binary    *binary.Binary
	broker    *kafka.Broker
	running   []*binary.Process
	kairos    *binary.Process // of running, the one that is killed
	door      string
	api       string
	metrics   map[string]string // process -> address
	watch     string            // Prometheus' address
	thirdPart *http.Server
	told      atomic.Int64
	sent      int
	people    *population.Population
}

const probe = `kind: audience
name: kairos_probe
description: Invented people of the prober
when: events("kairos_probe").within("10s").any()
---
kind: event
name: kairos_probe
fields: {}
`

// open starts everything and returns when events are taken.
func open(ctx context.Context, c config) (s *shop, err error) {
	s = &shop{config: c, metrics: map[string]string{}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.dir, err = os.MkdirTemp("", "kairos-pictures-"); err != nil {
		return s, err
	}
	if s.people, err = population.New(c.people, 1); err != nil {
		return s, err
	}
	if s.binary, err = binary.Build(ctx, s.dir); err != nil {
		return s, err
	}
	if s.broker, err = kafka.Open(filepath.Join(s.dir, "kafka")); err != nil {
		return s, err
	}
	if err = s.publish(ctx, ""); err != nil {
		return s, err
	}
	addresses, err := loopback.Apart(6)
	if err != nil {
		return s, err
	}
	s.door, s.api, s.watch = addresses[0], addresses[1], addresses[2]
	for i, name := range []string{"run", "deliver", "probe"} {
		s.metrics[name] = addresses[3+i]
	}
	if err = s.startKairos(); err != nil {
		return s, err
	}
	if err = s.ready(ctx); err != nil {
		return s, err
	}
	return s, s.startOthers()
}

// publish publishes the definitions, and more.
func (s *shop) publish(ctx context.Context, more string) error {
	folder := filepath.Join(s.dir, "definitions")
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	if err := os.CopyFS(folder, os.DirFS(s.definitions)); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "probe.yaml"), []byte(probe+more), 0o600); err != nil {
		return err
	}
	_, err := s.binary.Run(ctx, "apply", "-f", folder, "--brokers", s.broker.Address, "--partitions=4")
	return err
}

func (s *shop) startKairos() (err error) {
	s.kairos, err = s.start("run", "--door", s.door, "--api", s.api, "--metrics", s.metrics["run"],
		"--state", filepath.Join(s.dir, "rows"), "--instance=picture", "--brokers", s.broker.Address)
	return err
}

func (s *shop) start(args ...string) (*binary.Process, error) {
	p, err := s.binary.Start(filepath.Join(s.dir, args[0]+".log"), args...)
	if err == nil {
		s.running = append(s.running, p)
	}
	return p, err
}

// startOthers starts who is told, who is timed, and who watches.
func (s *shop) startOthers() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.thirdPart = &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if s.told.Add(1)%400 == 0 { // it does not like everything
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
	})}
	go func() { _ = s.thirdPart.Serve(listener) }()
	secret, hooks := filepath.Join(s.dir, "secret"), filepath.Join(s.dir, "webhooks.yaml")
	text := "webhooks:\n"
	for _, destination := range []string{"mail", "app"} {
		text += fmt.Sprintf("- {destination: %s, url: %q, secrets: [%q], allow_private: true}\n", destination, "http://"+listener.Addr().String(), "file:"+secret)
	}
	err = errors.Join(os.WriteFile(secret, []byte("0123456789abcdef"), 0o600), os.WriteFile(hooks, []byte(text), 0o600))
	if err != nil {
		return err
	}
	if _, err := s.start("deliver", "-f", hooks, "--metrics", s.metrics["deliver"], "--brokers", s.broker.Address); err != nil {
		return err
	}
	if _, err := s.start("probe", "--door", "http://"+s.door, "--api", "http://"+s.api, "--every=500ms", "--people=60", "--metrics", s.metrics["probe"]); err != nil {
		return err
	}
	return s.startPrometheus()
}

func (s *shop) ready(ctx context.Context) error {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		response, err := http.Get("http://" + s.metrics["run"] + "/ready")
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return fmt.Errorf("kairos is not ready after a minute:\n%s", s.kairos.LogTail())
}

func (s *shop) close() {
	for _, p := range s.running {
		_ = p.Stop(30 * time.Second) // the pictures are drawn already, or why not is said elsewhere
	}
	if s.thirdPart != nil {
		_ = s.thirdPart.Close()
	}
	if s.broker != nil {
		_ = s.broker.Close()
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// play lets people come. After a third of the time a new audience is published,
// after two thirds kairos is killed and started again ten seconds later.
func (s *shop) play(ctx context.Context) error {
	begin := time.Now()
	third := s.length / 3
	published, killed, back := make(chan error, 1), false, false
	said := false
	for tick := time.NewTicker(50 * time.Millisecond); time.Since(begin) < s.length; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-published:
			if err != nil {
				return err
			}
		case <-tick.C:
		}
		at := time.Since(begin)
		if at > third && !said {
			said = true
			go func() {
				published <- s.publish(ctx, "---\nkind: audience\nname: window-shoppers\nwhen: events(\"view\").within(\"30d\").count() >= 3 && events(\"purchase\").within(\"30d\").none()\n")
			}()
		}
		if at > 2*third && !killed {
			killed = true
			if err := s.kairos.Kill(); err != nil {
				return err
			}
		}
		if at > 2*third+10*time.Second && !back {
			back = true
			if err := s.startKairos(); err != nil {
				return err
			}
		}
		if err := s.send(ctx, int(at.Seconds()*float64(s.rate))-s.sent); err != nil {
			return err
		}
	}
	return nil
}

// send sends n events to the door. While nobody is there they wait, as an SDK
// lets them. Now and then a producer writes what nobody can read.
func (s *shop) send(ctx context.Context, n int) error {
	if n <= 0 {
		return nil
	}
	n = min(n, 500)
	events := make([]map[string]any, n)
	for i := range events {
		events[i] = plainly(s.people.Next(schemas.InstantOf(time.Now())))
	}
	body, err := json.Marshal(events)
	if err != nil {
		return err
	}
	response, err := http.Post("http://"+s.door+"/v1/events", "application/json", bytes.NewReader(body))
	if err != nil {
		return ctx.Err() // nobody is there: what is due is sent later
	}
	answer, err := io.ReadAll(response.Body)
	response.Body.Close()
	switch {
	case err != nil || response.StatusCode >= 500: // likewise
		return ctx.Err()
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("the door refuses the population's events: %s", answer)
	}
	s.sent += n
	if s.sent/5000 != (s.sent-n)/5000 {
		return s.nonsense(ctx)
	}
	return nil
}

func (s *shop) nonsense(ctx context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.broker.Address))
	if err != nil {
		return err
	}
	defer client.Close()
	return client.ProduceSync(ctx, &kgo.Record{Topic: topologies.Events.Name, Key: []byte("email:x@example.org"), Value: []byte("no event")}).FirstErr()
}

// plainly is an event as the door takes it.
func plainly(e *schemas.Event) map[string]any {
	identifiers := map[string][]string{}
	for _, id := range e.Identifiers {
		identifiers[id.Namespace] = append(identifiers[id.Namespace], id.Value)
	}
	values := func(all schemas.Properties) map[string]any {
		plain := map[string]any{}
		for _, p := range all {
			switch p.Value.Kind {
			case schemas.Number:
				plain[p.Name] = p.Value.Number
			case schemas.Boolean:
				plain[p.Name] = p.Value.True()
			default:
				plain[p.Name] = p.Value.Text
			}
		}
		return plain
	}
	return map[string]any{
		"id": e.ID, "name": e.Name, "time": e.Time.String(), "source": e.Source, "identifiers": identifiers,
		"properties": values(e.Properties), "attributes": values(e.Attributes),
	}
}
