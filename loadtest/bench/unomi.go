package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"kairos/loadtest/population"
	"kairos/loadtest/rig"
	"kairos/schemas"
)

// unomi tells a running Apache Unomi the audiences as segments and events one
// by one, as many at a time as there are connections. It measures only: how it
// is started is said in loadtest/peers/unomi.
func unomi(ctx context.Context, args []string) error {
	u := unomiServer{job: twenty(), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: time.Minute}}
	flags := flag.NewFlagSet("bench unomi", flag.ContinueOnError)
	flags.StringVar(&u.url, "url", "http://127.0.0.1:8181", "where it listens")
	flags.StringVar(&u.password, "password", "karaf", "of the user karaf")
	people := flags.Int("people", 1_000, "in the population")
	connections := flags.Int("connections", 8, "events on their way at a time")
	warm := flags.Duration("warm", 20*time.Second, "before it is measured")
	length := flags.Duration("for", time.Minute, "that it is measured")
	pids := flags.String("pids", "", "of Unomi and its Elasticsearch, comma-separated, for their CPU")
	if err := flags.Parse(args); err != nil {
		return err
	}
	all, err := population.New(*people, 1)
	if err != nil {
		return err
	}
	if err := u.declare(ctx); err != nil {
		return err
	}
	for range 2 { // segments are refused before there is an index of events
		if _, err := u.feed(ctx, all, *connections, *warm/2); err != nil {
			return fmt.Errorf("warm: %w", err)
		}
		if err := u.define(ctx); err != nil {
			return err
		}
	}
	before, err := usageOf(*pids)
	if err != nil {
		return err
	}
	begun := time.Now()
	took, err := u.feed(ctx, all, *connections, *length)
	if err != nil {
		return err
	}
	seconds := time.Since(begun).Seconds()
	after, err := usageOf(*pids)
	if err != nil {
		return err
	}
	fmt.Printf("%d events in %.1f s: %.0f events/s, %.0f us of CPU an event; answered after p50 %.0f ms, p99 %.0f ms\n", len(took), seconds,
		float64(len(took))/seconds, float64(after.Since(before).CPU.Microseconds())/float64(len(took)), rig.Percentile(took, 0.5), rig.Percentile(took, 0.99))
	return u.sizes(ctx)
}

func usageOf(pids string) (rig.Usage, error) {
	all, err := parseNumbers(pids)
	if err != nil {
		return rig.Usage{}, err
	}
	return rig.UsageOf(all...)
}

type unomiServer struct {
	url, password string
	job           *job
	client        *http.Client
}

const scope = "shop"

type object = map[string]any

// call is an error unless it is answered well.
func (u *unomiServer) call(ctx context.Context, method, path string, body any, cookies ...*http.Cookie) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, u.url+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.SetBasicAuth("karaf", u.password)
	for _, cookie := range cookies {
		request.AddCookie(cookie)
	}
	response, err := u.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, response.Status, said)
	}
	return said, err
}

var shopEvents = []string{"view", "cart", "purchase", "refund", "cancel", "login"}

// eventType keeps clear of Unomi's own event types.
func eventType(name string) string { return "shop" + strings.ToUpper(name[:1]) + name[1:] }

// declare says what events there are.
func (u *unomiServer) declare(ctx context.Context) error {
	if _, err := u.call(ctx, "POST", "/cxs/scopes", object{"itemId": scope, "metadata": object{"id": scope, "name": scope}}); err != nil {
		return err
	}
	for _, name := range shopEvents {
		kind := eventType(name)
		schema := object{
			"$id": "https://example.org/schemas/json/events/" + kind + "/1-0-0", "$schema": "https://json-schema.org/draft/2019-09/schema",
			"self":  object{"vendor": "org.example", "name": kind, "format": "jsonschema", "target": "events", "version": "1-0-0"},
			"title": kind, "type": "object", "allOf": []object{{"$ref": "https://unomi.apache.org/schemas/json/event/1-0-0"}},
			"properties": object{"properties": object{"type": "object"}, "source": object{"type": "object"}, "target": object{"type": "object"}},
		}
		if _, err := u.call(ctx, "POST", "/cxs/jsonSchema", schema); err != nil {
			return err
		}
	}
	return nil
}

// define makes a segment of each audience.
func (u *unomiServer) define(ctx context.Context) error {
	for _, a := range u.job.audiences {
		var all []object
		for _, t := range a.all {
			all = append(all, u.past(t, "eventsOccurred"))
		}
		for _, t := range a.none {
			all = append(all, u.past(t, "eventsNotOccurred"))
		}
		segment := object{
			"metadata":  object{"id": a.name, "name": a.name, "scope": scope, "enabled": true},
			"condition": object{"type": "booleanCondition", "parameterValues": object{"operator": "and", "subConditions": all}},
		}
		if _, err := u.call(ctx, "POST", "/cxs/segments", segment); err != nil {
			return fmt.Errorf("segment %s: %w", a.name, err)
		}
	}
	return nil
}

// past is a term, with its window in whole days: Unomi knows no shorter ones.
func (u *unomiServer) past(number int, operator string) object {
	t := u.job.terms[number]
	parts := []object{{"type": "eventTypeCondition", "parameterValues": object{"eventTypeId": eventType(t.event)}}}
	if t.property != "" {
		parts = append(parts, object{"type": "eventPropertyCondition", "parameterValues": object{
			"propertyName": "properties." + t.property, "comparisonOperator": "equals", "propertyValue": t.value}})
	}
	values := object{
		"operator": operator, "numberOfDays": int(math.Max(1, t.window.Hours()/24)),
		"eventCondition": object{"type": "booleanCondition", "parameterValues": object{"operator": "and", "subConditions": parts}},
	}
	if operator == "eventsOccurred" {
		values["minimumEventCount"] = t.count
	}
	return object{"type": "pastEventCondition", "parameterValues": values}
}

// feed sends events for a time and returns how long each took, sorted.
func (u *unomiServer) feed(ctx context.Context, people *population.Population, connections int, length time.Duration) ([]time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := make(chan *schemas.Event)
	go func() {
		defer close(events)
		for end := time.Now().Add(length); time.Now().Before(end); {
			select {
			case events <- people.Next(schemas.InstantOf(time.Now())):
			case <-ctx.Done():
				return
			}
		}
	}()
	var mu sync.Mutex
	var took []time.Duration
	var problems []error
	var workers sync.WaitGroup
	for range connections {
		workers.Go(func() {
			for e := range events {
				begun := time.Now()
				err := u.send(ctx, e)
				mu.Lock()
				if err != nil {
					problems = append(problems, err)
					cancel()
				}
				took = append(took, time.Since(begun))
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	slices.Sort(took)
	return took, errors.Join(problems...)
}

// send is an error if Unomi did not take the event.
func (u *unomiServer) send(ctx context.Context, e *schemas.Event) error {
	var person, device int
	if _, err := fmt.Sscanf(e.Identifiers[len(e.Identifiers)-1].Value, "device-%d-%d", &person, &device); err != nil {
		return err
	}
	properties := object{}
	for _, p := range e.Properties {
		if p.Value.Kind != schemas.Number {
			properties[p.Name] = p.Value.Text
		} else {
			properties[p.Name] = p.Value.Number
		}
	}
	where := object{"itemType": "site", "scope": scope, "itemId": scope}
	said, err := u.call(ctx, "POST", "/cxs/eventcollector", object{
		"sessionId": "session-of-" + strconv.Itoa(person),
		"events":    []object{{"eventType": eventType(e.Name), "scope": scope, "source": where, "target": where, "properties": properties}},
	}, &http.Cookie{Name: "context-profile-id", Value: personOf(person)}) // it believes no other word for who somebody is
	if err != nil {
		return err
	}
	var answer struct{ Updated int }
	if err := json.Unmarshal(said, &answer); err != nil {
		return fmt.Errorf("eventcollector: %w: %s", err, said)
	}
	return nil
}

// sizes prints how many there are in each segment: an answer must be seen.
func (u *unomiServer) sizes(ctx context.Context) error {
	for _, a := range u.job.audiences {
		said, err := u.call(ctx, "GET", "/cxs/segments/"+a.name+"/count", nil)
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stdout, "%-16s %s\n", a.name, said)
	}
	return nil
}
