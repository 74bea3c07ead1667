package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"kairos/cmd/internal/credential"
	"kairos/processors/tracing"
)

type sendCommand struct {
	Door  string   `default:"http://127.0.0.1:8080" help:"Where the door is (${default})."`
	Key   string   `placeholder:"FROM" help:"Where the write key is kept, file:PATH or env:NAME, of a source with the scope events."`
	Trace bool     `help:"Let it be followed through all stages, and print the id of its trace."`
	Event []string `arg:"" optional:"" passthrough:"partial" help:"Who, what and how: email=sarah@example.org cancel channel=callcenter. Or JSON. Without: JSON from standard input."`
}

func (c *sendCommand) Help() string {
	return `Examples:
  kairos send email=sarah@example.org purchase amount=12.5
  kairos send anonymous_id=a1 email=sarah@example.org login --door http://127.0.0.1:8080
  kairos send '{"name": "cancel", "identifiers": {"phone": "+33612345678"}}'
  kairos send < events.json`
}

func (c *sendCommand) Run(p *process) error {
	body, err := c.body(p)
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: 30 * time.Second}
	door := strings.TrimSuffix(c.Door, "/")
	if !strings.Contains(door, "://") { // as `kairos run` takes it
		door = "http://" + door
	}
	request, err := http.NewRequestWithContext(p, http.MethodPost, door+"/v1/events", bytes.NewReader(body))
	if err != nil {
		return askedError{err}
	}
	request.Header.Set("Content-Type", "application/json")
	if c.Key != "" {
		key, err := credential.Secret(c.Key)
		if err != nil {
			return askedError{err}
		}
		request.SetBasicAuth(key, "")
	}
	if c.Trace {
		id, header := newTrace()
		request.Header.Set(tracing.Header, header)
		p.notef("trace %s\n", id)
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("no door answers at %s: %w\n`kairos run` and `kairos demo` open one; --door says where", c.Door, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("read the door's answer: %w", err)
	}
	p.printf("%s", answer)
	if response.StatusCode != http.StatusOK {
		return &noError{"the door says " + response.Status}
	}
	return nil
}

func (c *sendCommand) body(p *process) ([]byte, error) {
	switch {
	case len(c.Event) == 0:
		return io.ReadAll(p.in)
	case strings.HasPrefix(strings.TrimSpace(c.Event[0]), "{"), strings.HasPrefix(strings.TrimSpace(c.Event[0]), "["):
		return []byte(strings.Join(c.Event, " ")), nil
	}
	e, err := eventOf(c.Event)
	if err != nil {
		return nil, askedError{err}
	}
	if c.Key != "" {
		e.Source = "" // it is the key's
	}
	return json.Marshal(e)
}

type eventJSON struct {
	Name        string                     `json:"name"`
	Source      string                     `json:"source,omitempty"`
	Identifiers map[string][]string        `json:"identifiers"`
	Properties  map[string]json.RawMessage `json:"properties,omitempty"`
}

// eventOf reads words such as: email=sarah@example.org cancel channel=callcenter.
func eventOf(words []string) (eventJSON, error) {
	e := eventJSON{Source: "cli", Identifiers: map[string][]string{}, Properties: map[string]json.RawMessage{}}
	for _, word := range words {
		name, value, pair := strings.Cut(word, "=")
		switch {
		case !pair && e.Name == "":
			e.Name = word
		case !pair:
			return e, fmt.Errorf("%q is a second event; after the event's name come properties such as amount=12.5", word)
		case e.Name == "":
			e.Identifiers[name] = append(e.Identifiers[name], value)
		default:
			e.Properties[name] = scalar(value)
		}
	}
	if e.Name == "" || len(e.Identifiers) == 0 {
		return e, errors.New("say who, then what: kairos send email=sarah@example.org purchase amount=12.5")
	}
	return e, nil
}

// scalar takes true, false and numbers for what they look like.
func scalar(s string) json.RawMessage {
	if _, err := strconv.ParseFloat(s, 64); (err == nil || s == "true" || s == "false") && json.Valid([]byte(s)) {
		return json.RawMessage(s)
	}
	quoted, _ := json.Marshal(s) // a text cannot fail
	return quoted
}

func printLine[T any](p *process, value T) error { return json.NewEncoder(p.out).Encode(value) }
