// Package collector takes what Segment-style SDKs send, unmodified: the calls
// track, identify, page, screen, group and alias, alone or in batches.
//
// In: HTTP as the tracking API of Segment documents it, as its SDKs and those of
// RudderStack use it. Out: events through the door; 200 only once Kafka holds
// them. State: none but the rate of each source. Laws: a request is accepted
// whole or refused with the JSON path that is wrong; a body is never echoed; a
// write key is kept and compared as its SHA-256 only.
//
// Not here: what an event may hold (cmd/internal/door).
package collector

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"kairos/cmd/internal/door"
	"kairos/schemas"
)

// Limits of the tracking API.
const (
	MaxMessage = 32 << 10  // bytes of one call
	MaxBatch   = 500 << 10 // bytes of one request
)

// Config is what a collector needs.
type Config struct {
	Door     *door.Door
	Sources  *Sources               // nil: any write key, or none, is welcome
	Clock    func() schemas.Instant // for the skew of senders' clocks
	InFlight int                    // requests at a time; 0: 256
}

// Collector is an http.Handler. It is safe for concurrent use.
type Collector struct {
	config Config
	slots  chan struct{}
	mux    *http.ServeMux
}

// words are the calls by their paths: whole, and as browsers shorten them.
var words = map[string]string{
	"track": "track", "identify": "identify", "page": "page", "screen": "screen", "group": "group", "alias": "alias",
	"t": "track", "i": "identify", "p": "page", "s": "screen", "g": "group", "a": "alias",
	"batch": "", "b": "", "import": "",
}

// New makes a collector.
func New(c Config) *Collector {
	if c.InFlight == 0 {
		c.InFlight = 256
	}
	collector := &Collector{config: c, slots: make(chan struct{}, c.InFlight), mux: http.NewServeMux()}
	for path, word := range words {
		for _, pattern := range []string{"/v1/" + path, "/v1/" + path + "/{$}"} {
			collector.mux.Handle("POST "+pattern, collector.call(word))
			collector.mux.HandleFunc("OPTIONS "+pattern, preflight)
		}
	}
	for _, prefix := range []string{"", "/v1"} {
		collector.mux.HandleFunc("GET "+prefix+"/projects/{key}/settings", settings)
		collector.mux.HandleFunc("OPTIONS "+prefix+"/projects/{key}/settings", preflight)
	}
	collector.mux.HandleFunc("OPTIONS /v1/m", preflight)
	// The browser SDK's measurements of itself are none of a customer's events.
	collector.mux.HandleFunc("POST /v1/m", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, taken{Success: true}) })
	return collector
}

// ServeHTTP implements http.Handler.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.config.Door.Hurry(w)
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "Retry-After") // SDKs in browsers wait as long
	c.mux.ServeHTTP(w, r)
}

func preflight(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
	// * is every header but Authorization. X-Retry-Count comes with what the browser
	// SDK sends again, and is named for browsers that do not know *.
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Content-Encoding, X-Retry-Count, *")
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
}

type taken struct {
	Success bool `json:"success"`
}

type refused struct {
	Success  bool          `json:"success"`
	Error    string        `json:"error"`
	Problems door.Problems `json:"problems,omitempty"`
}

func (c *Collector) call(word string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case c.slots <- struct{}{}:
			defer func() { <-c.slots }()
		default:
			refuse(w, &door.Refusal{Status: http.StatusTooManyRequests, Say: "busy: try again in a moment"})
			return
		}
		if err := c.accept(w, r, word); err != nil {
			refuse(w, err)
			return
		}
		answer(w, http.StatusOK, taken{Success: true})
	})
}

func (c *Collector) accept(w http.ResponseWriter, r *http.Request, word string) error {
	body, err := read(c.config.Door, w, r)
	if err != nil {
		return err
	}
	calls, key, err := parse(body, word)
	if err != nil {
		return err
	}
	if user, _, ok := r.BasicAuth(); ok {
		key = user
	}
	now, events := c.config.Clock(), make([]schemas.Event, len(calls))
	source, err := c.config.Sources.admit(key, scopeSDK, len(calls), now)
	if err != nil {
		return err
	}
	var problems door.Problems
	for i := range calls {
		if door.OptsOut(r.Header) {
			calls[i].optOut()
		}
		problems = append(problems, calls[i].event(&events[i], now, source)...)
	}
	if len(problems) > 0 {
		return problems
	}
	err = c.config.Door.Accept(r.Context(), events...)
	if errors.As(err, &problems) {
		for i := range problems { // the door counts events: /0/name
			place, rest, _ := strings.Cut(strings.TrimPrefix(problems[i].Path, "/"), "/")
			var n int
			if _, scanErr := fmt.Sscan(place, &n); scanErr == nil && n < len(calls) {
				problems[i].Path = calls[n].path + "/" + rest
			}
		}
	}
	return err
}

// read gets the body, unpacked, within the limit.
func read(d *door.Door, w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := d.Body(w, r, MaxBatch)
	if err != nil {
		return nil, err
	}
	if packed := r.Header.Get("Content-Encoding") == "gzip" || bytes.HasPrefix(body, []byte{0x1f, 0x8b}); !packed {
		return body, nil
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, &door.Refusal{Status: http.StatusBadRequest, Say: "the body says that it is gzip and is not"}
	}
	body, err = io.ReadAll(io.LimitReader(unpacked, MaxBatch+1))
	if err != nil {
		return nil, &door.Refusal{Status: http.StatusBadRequest, Say: "the body's gzip is damaged"}
	}
	if len(body) > MaxBatch {
		return nil, &door.Refusal{Status: http.StatusRequestEntityTooLarge, Say: fmt.Sprintf("more than %d bytes, unpacked: send fewer calls at a time", MaxBatch)}
	}
	return body, nil
}

func refuse(w http.ResponseWriter, err error) {
	r := door.Refuse(w, err, fmt.Sprintf("more than %d bytes: send fewer calls at a time", MaxBatch))
	answer(w, r.Status, refused{Error: r.Say, Problems: r.Problems})
}

func answer[T taken | refused](w http.ResponseWriter, status int, body T) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client went away: nobody to tell
}

// settings answers what the browser SDK asks before it sends anything: that
// there is one integration, this one.
func settings(w http.ResponseWriter, r *http.Request) {
	type object = map[string]any
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(object{
		"integrations": object{"Segment.io": object{
			"apiKey": r.PathValue("key"), "unbundledIntegrations": []string{}, "addBundledMetadata": true,
			"maybeBundledConfigIds": object{}, "versionSettings": object{"version": "4.4.7", "componentTypes": []string{"browser"}},
		}},
		"plan": object{
			"track":    object{"__default": object{"enabled": true, "integrations": object{}}},
			"identify": object{"__default": object{"enabled": true}},
			"group":    object{"__default": object{"enabled": true}},
		},
		"edgeFunction": object{}, "analyticsNextEnabled": true, "middlewareSettings": object{},
		"enabledMiddleware": object{}, "metrics": object{"sampleRate": 0}, "legacyVideoPluginsEnabled": false, "remotePlugins": []string{},
	}) // the client went away: nobody to tell
}
