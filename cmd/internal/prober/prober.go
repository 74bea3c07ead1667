// Package prober sends invented people through production, for ever, and
// measures how many seconds after what they do they are in their audience.
//
// In: a door and an API, as anybody else has them. Out: metrics. State: none
// but whose turn it is; the people are few and come again. Law: what is
// measured ends with an answer of the API, so it holds everything that is on
// the way.
//
// Not here: the audience that invented people come into (kairos probe --help).
package prober

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config says what to send and where.
type Config struct {
	Door, API string // base URLs
	Token     string // for the API, with the scope profiles; "": none
	Key       string // for the door, of a source with the scope events; "": none
	Event     string // that each person does
	Audience  string // that they must enter by it, and leave before they come again
	Namespace string // of their identifier
	People    int    // how many take turns
	Every     time.Duration
	Patience  time.Duration // after which a person is lost
	Registry  prometheus.Registerer
	Logger    *slog.Logger
}

// The steps at which a person can be lost.
const (
	atDoor  = "door"  // the event was not taken
	atAPI   = "api"   // nobody answered
	atEntry = "entry" // never came into the audience
	atExit  = "exit"  // is still in it from the time before
)

// Prober measures.
type Prober struct {
	config  Config
	http    *http.Client
	seconds prometheus.Histogram
	lost    *prometheus.CounterVec
	turn    int
}

// look is how often the API is asked, and so how exact the seconds are.
const look = 20 * time.Millisecond

// New prepares a prober.
func New(c Config) (*Prober, error) {
	if c.People < 1 || c.Every <= 0 || c.Patience <= 0 {
		return nil, errors.New("a prober needs people, a pace and patience: each more than nothing")
	}
	p := &Prober{
		config: c, http: &http.Client{Timeout: c.Patience},
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "kairos_probe_seconds", Help: "From what an invented person does until the API says that they are in their audience.",
			Buckets:                     prometheus.ExponentialBuckets(0.01, 2, 14),
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
		}),
		lost: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kairos_probe_lost_total", Help: "Invented people who did not get through, by the step at which they were lost.",
		}, []string{"step"}),
	}
	for _, step := range []string{atDoor, atAPI, atEntry, atExit} {
		p.lost.WithLabelValues(step)
	}
	if c.Registry != nil {
		return p, errors.Join(c.Registry.Register(p.seconds), c.Registry.Register(p.lost))
	}
	return p, nil
}

// Run sends people until ctx ends, or times of them; 0: without end.
func (p *Prober) Run(ctx context.Context, times int) error {
	pace := time.NewTicker(p.config.Every)
	defer pace.Stop()
	for n := 1; ; n++ {
		took, step, err := p.Once(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			p.lost.WithLabelValues(step).Inc()
			p.config.Logger.Warn("an invented person was lost", "step", step, "error", err)
		default:
			p.seconds.Observe(took.Seconds())
			p.config.Logger.Debug("an invented person is in the audience", "seconds", took.Seconds())
		}
		if n == times {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
		}
	}
}

// Once sends the next person, and says how long it took, or at which step they
// were lost.
func (p *Prober) Once(ctx context.Context) (took time.Duration, step string, err error) {
	value := fmt.Sprintf("kairos-probe-%d", p.turn%p.config.People)
	if p.config.Namespace == "email" {
		value += "@probe.kairos.internal"
	}
	p.turn++
	member, err := p.member(ctx, value)
	if err != nil {
		return 0, atAPI, err
	}
	if member {
		return 0, atExit, fmt.Errorf("%s is still in %s: let more people take turns, or is it late?", value, p.config.Audience)
	}
	began := time.Now()
	if err := p.send(ctx, value); err != nil {
		return 0, atDoor, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.config.Patience)
	defer cancel()
	again := time.NewTicker(look)
	defer again.Stop()
	for {
		member, err := p.member(ctx, value)
		if member {
			return time.Since(began), "", nil
		}
		select {
		case <-ctx.Done():
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				return 0, atAPI, err
			}
			return 0, atEntry, fmt.Errorf("%s is not in %s after %v: is the audience published?", value, p.config.Audience, p.config.Patience)
		case <-again.C:
		}
	}
}

func (p *Prober) send(ctx context.Context, value string) error {
	event := map[string]any{"name": p.config.Event, "identifiers": map[string]string{p.config.Namespace: value}}
	if p.config.Key == "" { // else the door says whose it is
		event["source"] = "kairos-probe"
	}
	body, err := json.Marshal(event)
	if err != nil {
		return err
	}
	status, answer, err := p.ask(ctx, http.MethodPost, strings.TrimSuffix(p.config.Door, "/")+"/v1/events", body)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("the door answers %d: %s", status, answer)
	}
	return err
}

// member asks whether a person is in the audience. Nobody knows them at first.
func (p *Prober) member(ctx context.Context, value string) (bool, error) {
	at := strings.TrimSuffix(p.config.API, "/") + "/v1/profiles/" + url.PathEscape(p.config.Namespace) + "/" + url.PathEscape(value)
	status, answer, err := p.ask(ctx, http.MethodGet, at, nil)
	switch {
	case err != nil:
		return false, err
	case status == http.StatusNotFound:
		return false, nil
	case status != http.StatusOK:
		return false, fmt.Errorf("the API answers %d: %s", status, answer)
	}
	var person struct {
		Audiences []struct {
			Audience string `json:"audience"`
			Member   bool   `json:"member"`
		} `json:"audiences"`
	}
	if err := json.Unmarshal(answer, &person); err != nil {
		return false, fmt.Errorf("the API's answer: %w", err)
	}
	for _, a := range person.Audiences {
		if a.Audience == p.config.Audience {
			return a.Member, nil
		}
	}
	return false, nil
}

func (p *Prober) ask(ctx context.Context, method, url string, body []byte) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	switch {
	case p.config.Token != "" && method == http.MethodGet:
		request.Header.Set("Authorization", "Bearer "+p.config.Token)
	case p.config.Key != "" && method == http.MethodPost:
		request.SetBasicAuth(p.config.Key, "")
	}
	response, err := p.http.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return response.StatusCode, answer, err
}
